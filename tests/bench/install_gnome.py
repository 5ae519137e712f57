"""`moss install gnome --dry-run` as a whole process, beside a bare python3-solv script and apt-get -s.

python -m tests.bench.install_gnome [RUNS] [PACKAGE]
"""

import sys
import tempfile
from pathlib import Path

from moss.foreign.apt import plain_pieces
from tests.bench.apt_index import main_index
from tests.bench.measuring import MOSS, row, run, typical

SOLV = """\
import sys, solv
pool = solv.Pool()
pool.setdisttype(solv.Pool.DISTTYPE_DEB)
pool.setarch("amd64")
repo = pool.add_repo("debian")
repo.add_solv(sys.argv[1])
pool.addfileprovides()
pool.createwhatprovides()
selection = pool.select(sys.argv[2], solv.Selection.SELECTION_NAME)
problems = pool.Solver().solve(selection.jobs(solv.Job.SOLVER_INSTALL))
sys.exit(len(problems))
"""


def main(runs: int, package: str) -> None:
    index = main_index()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "lists").mkdir()
        (place / "lists" / index.name).symlink_to(index)
        with open(place / "Packages", "wb") as file:
            for piece in plain_pieces(str(index)):
                file.write(piece)
        (place / "script.py").write_text(SOLV)
        run(("sh", "-c", f"deb2solv -r {place}/Packages > {place}/solv"))
        run((*MOSS, "-D", place / "root", "repo", "add", "debian", f"apt+file:{place}/lists"))
        (place / "status").write_text("")
        commands = {
            "moss": (*MOSS, "-D", place / "root", "install", package, "--dry-run"),
            "python3-solv": ("/usr/bin/python3", place / "script.py", place / "solv", package),
            "apt-get": ("apt-get", "-s", "-o", f"Dir::State::status={place}/status", "install", package),
        }
        timed: dict[str, list] = {name: [] for name in commands}
        for number in range(runs):
            for name, command in commands.items():
                timed[name].append(run(command))
            moss, *others = (timed[name][-1].wall for name in commands)
            print(f"pair {number}: " + ", ".join(f"{moss / other:.2f}" for other in others))
        for name, measured in timed.items():
            print(row(name, typical(measured)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2] if len(sys.argv) > 2 else "gnome")
