"""`moss repo add` of the machine's main apt index beside `deb2solv -r` of the same index, uncompressed.

python -m tests.bench.apt_index [RUNS]
"""

import shutil
import sys
import tempfile
from pathlib import Path

from moss.foreign.apt import plain_pieces
from tests.bench.measuring import MOSS, row, run, typical

LISTS = Path("/var/lib/apt/lists")


def main_index() -> Path:
    """The largest index that apt has here."""
    found = sorted(LISTS.glob("*_Packages*"), key=lambda path: path.stat().st_size)
    if not found or shutil.which("deb2solv") is None:
        sys.exit("this needs apt's lists and deb2solv (Debian's libsolv-tools)")
    return found[-1]


def main(runs: int) -> None:
    index = main_index()
    with tempfile.TemporaryDirectory() as directory:
        lists, plain = Path(directory, "lists"), Path(directory, "Packages")
        lists.mkdir()
        (lists / index.name).symlink_to(index)
        with open(plain, "wb") as file:
            for piece in plain_pieces(str(index)):
                file.write(piece)
        ours, theirs = [], []
        for number in range(runs):
            root = Path(directory, f"root{number}")
            ours.append(run((*MOSS, "-D", root, "repo", "add", "debian", f"apt+file:{lists}")))
            theirs.append(run(("sh", "-c", f"deb2solv -r {plain} > {directory}/solv")))
            shutil.rmtree(root)
            print(f"pair {number}: wall {ours[-1].wall / theirs[-1].wall:.2f}, cpu {ours[-1].cpu / theirs[-1].cpu:.2f}")
        print(row("moss repo add", typical(ours)))
        print(row("deb2solv -r", typical(theirs)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
