"""Reading the machine's main apt index: the compile, `moss repo add`, an unchanged `repo update`, `check`.

    python -m tests.bench.apt_index [RUNS]

The peer is `deb2solv -r` of the same index, uncompressed; for `check`, libsolv's installcheck.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from moss.foreign.apt import plain_pieces
from tests.bench.debian_suites import COMPILE
from tests.bench.measuring import MOSS_SCRIPT, in_turn, print_ratios

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
        place = Path(directory)
        lists, plain, root = place / "lists", place / "Packages", place / "root"
        lists.mkdir()
        (lists / index.name).symlink_to(index)
        with open(plain, "wb") as file:
            for piece in plain_pieces(str(index)):
                file.write(piece)
        moss = " ".join(map(str, (*MOSS_SCRIPT, "-D", root)))
        theirs = ("sh", "-c", f"deb2solv -r {plain} > {place}/solv")
        compiling = {
            "text to universe": (sys.executable, "-c", COMPILE, plain, place / "universe", "debian"),
            "deb2solv -r": theirs,
        }
        print_ratios(in_turn(compiling, runs), "text to universe")
        adding = {
            "moss repo add": ("sh", "-c", f"rm -rf {root} && {moss} repo add debian apt+file:{lists}"),
            "deb2solv -r": theirs,
        }
        print_ratios(in_turn(adding, runs), "moss repo add")
        again = {"moss repo update, unchanged": (*MOSS_SCRIPT, "-D", root, "repo", "update"), "deb2solv -r": theirs}
        print_ratios(in_turn(again, runs), "moss repo update, unchanged")
        # Both end with 1 where something is broken, as something is.
        checking = {
            "moss check": ("sh", "-c", f"{moss} check; true"),
            "installcheck": ("sh", "-c", f"installcheck amd64 {place}/solv; true"),
        }
        print_ratios(in_turn(checking, 2), "moss check")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
