"""What an update costs on a big system: moss against `cp -al`, and rollback against bare system calls.

    python tests/bench/update_vs_relink.py [--entries 230000] [--change 1] [--rounds 3]

Makes a system of small packages, updates it until retention feeds the spare tree (the steady state),
and then measures, in one run: `moss update` of CHANGE percent of the packages as a whole process to its
end, upkeep included, and of that the work on the tree before the switch; `cp -al` of an archived tree as big;
`moss rollback` as a whole process; `python3 -c pass`.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.measuring import MOSS, Measured, row, run, run_alone, typical
from tests.builders import metadata, write_package

FILES = 500
"""Of each package, in ten directories."""

TIMED = """\
import sys, time
from moss.cli.main import run
from moss.operations import commit
spent = 0.0
def timed(act):
    def acting(*arguments):
        global spent
        started = time.perf_counter()
        try:
            return act(*arguments)
        finally:
            spent += time.perf_counter() - started
            open(written, "w").write(str(spent))
    return acting
commit.make_tree, commit.complete_tree = timed(commit.make_tree), timed(commit.complete_tree)
written = sys.argv.pop(1)
run()
"""
"""moss, writing down how long it worked on the tree, syncs included."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=230_000)
    parser.add_argument("--change", type=float, default=1.0, help="percent of the packages")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm", type=int, default=10, help="updates before the measured ones, until times level off")
    options = parser.parse_args()
    count = max(options.entries // (FILES + 11), 2)
    changed = max(round(count * options.change / 100), 1)
    with tempfile.TemporaryDirectory(prefix="moss-bench-") as scratch:
        folder, root = Path(scratch) / "packages", Path(scratch) / "root"
        for number in range(count):
            publish(folder, number, 1)
        run([*MOSS, "-q", "index", folder])
        run([*MOSS, "-q", "-D", root, "repo", "add", "bench", folder / "stone.index", "--unsigned"])
        first = run([*MOSS, "-q", "-D", root, "install", "-y", *(f"p{number:05}" for number in range(count))])
        entries = sum(len(names) + len(files) for _, names, files in os.walk(root / "usr"))
        print(f"{count} packages, {entries} entries; {changed} packages change")
        print(row("moss install, everything", first))
        updates: list[Measured] = []
        trees: list[float] = []
        copies: list[Measured] = []
        for number in range(options.warm + options.rounds):
            start = (number * changed) % count
            for package in range(start, start + changed):
                publish(folder, package % count, 2 + number)
            run([*MOSS, "-q", "index", folder])
            os.sync()
            tree_work = Path(scratch) / "tree-work"
            # Nobody weighs the processes that count: to be looked at every 20 ms slows them.
            act = run_alone if number >= options.warm else run
            measured = act([sys.executable, "-c", TIMED, str(tree_work), "-q", "-D", str(root), "update", "-y"])
            print(row(f"moss update {number + 1}", measured), flush=True)
            if number >= options.warm:
                updates.append(measured)
                trees.append(float(tree_work.read_text()))
        # Not between the updates: removing a tree as big slows whatever comes after it.
        for _ in range(options.rounds):
            copies.append(link_copy(audited_tree(root), Path(scratch) / "copy"))
        rollbacks: list[Measured] = []
        nothing: list[Measured] = []
        for _ in range(9):
            nothing.append(run_alone([sys.executable, "-c", "pass"]))
            rollbacks.append(run_alone([*MOSS, "-q", "-D", str(root), "rollback", "-y"]))
    print(row("moss update, steady state", typical(updates)))
    print(row("cp -al of a tree as big, synced", typical(copies)))
    print(row("moss rollback", typical(rollbacks)))
    print(row("python3 -c pass", typical(nothing)))
    print(f"{'tree work and sync before switch':34} wall {median(trees):7.3f} s")
    copy, update = typical(copies), typical(updates)
    print(f"cp -al / tree work: {copy.wall / median(trees):.1f}")
    print(f"cp -al / moss update, to the end: {copy.wall / update.wall:.1f}, by CPU time {copy.cpu / update.cpu:.1f}")
    print(f"moss rollback / python3 -c pass: {typical(rollbacks).wall / typical(nothing).wall:.1f}")


def publish(folder: Path, number: int, version: int) -> None:
    name = f"p{number:05}"
    for old in folder.glob(f"{name}-*.stone"):
        old.unlink()
    files = {f"share/{name}/{at % 10}/file-{at:04}": f"{name} {version} {at}\n" for at in range(FILES)}
    write_package(folder, metadata(name, str(version)), dict(files))


def audited_tree(root: Path) -> Path:
    """The newest archived tree. The live one is audited yet: a link to its `.stateID` breaks the seal, and the next
    update would compare every name."""
    number = max(int(name) for name in os.listdir(root / ".moss/root") if name.isdecimal())
    return root / f".moss/root/{number}/usr"


def link_copy(tree: Path, target: Path) -> Measured:
    os.sync()
    started = time.perf_counter()
    measured = run_alone(["cp", "-al", tree, target])
    os.sync()
    seconds = time.perf_counter() - started
    shutil.rmtree(target)
    return replace(measured, wall=seconds)


if __name__ == "__main__":
    main()
