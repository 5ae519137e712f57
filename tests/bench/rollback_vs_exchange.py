"""What going back costs as a whole process: moss against a bare program that does nothing but the exchange.

    python -m tests.bench.rollback_vs_exchange [--entries 52500] [--rounds 15]

Makes a system of small packages with two generations. Then, in turn, on one file system: `moss rollback`; a C
program that calls renameat2(RENAME_EXCHANGE) on two trees as big and fsync on both parents; the same from Python
with ctypes; `python3 -c pass`. Says how often each of them fits into a rollback.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.measuring import MOSS, in_turn, run
from tests.bench.update_vs_relink import FILES, publish

BARE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **words)
{
    int one = open(words[1], O_RDONLY | O_DIRECTORY), other = open(words[2], O_RDONLY | O_DIRECTORY);
    if (one < 0 || other < 0 || renameat2(one, "usr", other, "usr", RENAME_EXCHANGE)) {
        perror("renameat2");
        return 1;
    }
    return fsync(one) || fsync(other);
}
"""
FROM_PYTHON = """\
import ctypes, os, sys
one, other = (os.open(name, os.O_RDONLY | os.O_DIRECTORY) for name in sys.argv[1:3])
if ctypes.CDLL(None, use_errno=True).renameat2(one, b"usr", other, b"usr", 2):
    sys.exit(os.strerror(ctypes.get_errno()))
os.fsync(one), os.fsync(other)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entries", type=int, default=52_500)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        sys.exit("skipped: there is no C compiler for the bare program")
    count = max(options.entries // (FILES + 11), 2)
    with tempfile.TemporaryDirectory(prefix="moss-bench-") as scratch:
        top = Path(scratch)
        folder, root = top / "packages", top / "root"
        for number in range(count):
            publish(folder, number, 1)
        index(folder)
        run([*MOSS, "-q", "-D", root, "repo", "add", "bench", folder / "stone.index", "--unsigned"])
        run([*MOSS, "-q", "-D", root, "install", "-y", *(f"p{number:05}" for number in range(count))])
        publish(folder, 0, 2)
        index(folder)
        run([*MOSS, "-q", "-D", root, "update", "-y"])
        for name in ("one", "other"):
            (top / name).mkdir()
            subprocess.run(["cp", "-al", root / ".moss/root/1/usr", top / name / "usr"], check=True)
        (top / "bare.c").write_text(BARE)
        subprocess.run([compiler, "-O2", "-o", top / "bare", top / "bare.c"], check=True)
        os.sync()
        places = (str(top / "one"), str(top / "other"))
        found = in_turn(
            {
                "moss rollback": [*MOSS, "-q", "-D", str(root), "rollback", "-y"],
                "bare renameat2 and fsync, in C": [str(top / "bare"), *places],
                "the same from Python": [sys.executable, "-c", FROM_PYTHON, *places],
                "python3 -c pass": [sys.executable, "-c", "pass"],
            },
            options.rounds,
        )
    print(f"{count * (FILES + 11)} entries; the least of {options.rounds} rounds")
    ours = found["moss rollback"].wall
    for name, one in found.items():
        took = f"wall {one.wall * 1000:7.2f} ms   cpu {one.cpu * 1000:7.2f} ms"
        print(f"{name:34} {took}   a rollback takes {ours / one.wall:5.1f} times that")


def index(folder: Path) -> None:
    run([*MOSS, "-q", "index", folder])


if __name__ == "__main__":
    main()
