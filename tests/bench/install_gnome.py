"""`moss install gnome --dry-run` as a whole process, beside a bare python3-solv script and apt-get -s.

    python -m tests.bench.install_gnome [RUNS] [PACKAGE]

On the machine's own main index; where a newer suite's index and apt can be fetched, on bookworm, trixie
and sid together too (three repositories), and beside the solver 3 of that apt. What cannot be had is said.
"""

import sys
import tempfile
from pathlib import Path

from moss.foreign.apt import plain_pieces
from tests.bench.apt_index import main_index
from tests.bench.measuring import MOSS_SCRIPT, in_turn, print_ratios, run
from tests.bench.newer_apt import fetch_lists, simulating, unpacked_apt

Command = tuple[str | Path, ...]

SOLV = """\
import sys, solv
pool = solv.Pool()
pool.setdisttype(solv.Pool.DISTTYPE_DEB)
pool.setarch("amd64")
for path in sys.argv[2:]:
    repo = pool.add_repo(path)
    repo.add_solv(path)
pool.addfileprovides()
pool.createwhatprovides()
selection = pool.select(sys.argv[1], solv.Selection.SELECTION_NAME)
problems = pool.Solver().solve(selection.jobs(solv.Job.SOLVER_INSTALL))
sys.exit(len(problems))
"""


def added(place: Path, root: str, indexes: list[Path]) -> tuple[Command, Command]:
    """moss and python3-solv, each with all of these indexes read: the starts of their command lines."""
    caches = []
    for number, index in enumerate(indexes):
        lists, plain = place / f"{root}-lists{number}", place / "Packages"
        lists.mkdir()
        (lists / index.name).symlink_to(index)
        with open(plain, "wb") as file:
            for piece in plain_pieces(str(index)):
                file.write(piece)
        caches.append(place / f"{root}{number}.solv")
        run(("sh", "-c", f"deb2solv -r {plain} > {caches[-1]}"))
        run((*MOSS_SCRIPT, "-D", place / root, "repo", "add", f"debian{number}", f"apt+file:{lists}"))
    (place / "script.py").write_text(SOLV)
    return (*MOSS_SCRIPT, "-D", place / root), ("/usr/bin/python3", place / "script.py", *caches)


def peers(moss: Command, solv: Command, package: str) -> dict[str, Command]:
    python, script, *caches = solv
    return {
        "moss install -n": (*moss, "install", package, "--dry-run"),
        "python3-solv": (python, script, package, *caches),
    }


def main(runs: int, package: str) -> None:
    index = main_index()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        commands = peers(*added(place, "one", [index]), package)
        print(f"{package} into an empty system, {index.name}")
        print_ratios(in_turn(commands, runs), "moss install -n")

        lists = place / "one-lists0"
        slow = {"moss install -n": commands["moss install -n"]}
        slow["apt-get -s"] = simulating(("apt-get",), place / "apt", lists, package)
        newer = unpacked_apt(place / "newer", "sid")
        if newer is None:
            print("no newer apt can be fetched here: its solver 3 is not measured")
        else:
            slow["newer apt-get -s"] = simulating(newer, place / "apt3", lists, package, "--solver", "3.0")
        print_ratios(in_turn(slow, 3), "moss install -n")

        if fetch_lists(place / "suites", ("bookworm", "trixie", "sid")) is None:
            sys.exit("newer suites cannot be fetched here: 182,000 packages are not measured")
        indexes = sorted((place / "suites/lists").glob("*_Packages*"))
        print(f"{package} into an empty system, {', '.join(one.name.split('_')[3] for one in indexes)}")
        print_ratios(in_turn(peers(*added(place, "three", indexes), package), runs), "moss install -n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15, sys.argv[2] if len(sys.argv) > 2 else "gnome")
