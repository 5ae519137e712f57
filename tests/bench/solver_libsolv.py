"""The solver beside libsolv on the machine's own Debian index, as ratios of one run.

    python tests/bench/solver_libsolv.py [PACKAGES-FILE …]

Without files, apt's own lists are read. Each pair runs in turn, several times, in processes of its
own; times are the least CPU seconds of the part that is named. Needs apt's python3-solv,
libsolv-tools and the index on disk; what is missing is said.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 5
LISTS = Path("/var/lib/apt/lists")
PROJECT = Path(__file__).resolve().parents[2]

OURS = """
import mmap, sys, time
from solver import Problem, Request, Universe, Wish, parse_formula, solve
begin = time.process_time()
universes = []
for path in sys.argv[1].split(","):
    with open(path, "rb") as file:
        universes.append(Universe.from_bytes(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))))
wishes = tuple(Wish(parse_formula(name)) for name in sys.argv[2:])
answer = solve(Problem(tuple(universes), (), Request(wishes=wishes)))
assert answer.proven
print(time.process_time() - begin, len(answer.chosen))
"""
THEIRS = """
import sys, time, solv
begin = time.process_time()
pool = solv.Pool()
pool.setdisttype(solv.Pool.DISTTYPE_DEB)
pool.setarch("amd64")
for path in sys.argv[1].split(","):
    pool.add_repo(path).add_solv(solv.xfopen(path))
pool.createwhatprovides()
selections = [pool.select(name, solv.Selection.SELECTION_NAME) for name in sys.argv[2:]]
jobs = [job for selection in selections for job in selection.jobs(solv.Job.SOLVER_INSTALL)]
solver = pool.Solver()
assert not solver.solve(jobs)
print(time.process_time() - begin, len(solver.transaction().newsolvables()))
"""
COMPILE = """
import sys, time
from solver import Universe
from solver.debian import read_packages
begin = time.process_time()
with open(sys.argv[1], encoding="utf-8") as file:
    packages = {package.key: package for package in read_packages(file.read(), "debian")}
with open(sys.argv[2], "wb") as file:
    file.write(Universe.compile(packages.values()))
print(time.process_time() - begin, len(packages))
"""
CHECK = """
import sys, time
from solver import Problem, Universe, check
begin = time.process_time()
with open(sys.argv[1], "rb") as file:
    broken = check(Problem((Universe.from_bytes(file.read()),)))
print(time.process_time() - begin, len(broken))
"""
TIMED = """
import resource, subprocess, sys
found = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=False).stdout
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime, found.count(b"can't be installed") + found.count(b"nothing provides"))
"""


def run(*command: str) -> tuple[float, int]:
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT).stdout
    seconds, count = output.split()[-2:]
    return float(seconds), int(count)


def pair(title: str, ours: list[str], theirs: list[str], rounds: int = ROUNDS) -> None:
    """Both in turn, and the ratio of their least times."""
    results = [(run(*ours), run(*theirs)) for _ in range(rounds)]
    us, them = (min(result[side] for result in results) for side in (0, 1))
    ours_text, theirs_text = (f"{seconds * 1e3:8.1f} ms ({count})" for seconds, count in (us, them))
    print(f"{title:40} {ours_text}  peer {theirs_text}  ratio {us[0] / them[0]:.2f}")


def indexes(scratch: Path) -> list[Path]:
    """The given indexes, or the largest of apt's own, unpacked."""
    if sys.argv[1:]:
        return [Path(name).resolve() for name in sys.argv[1:]]
    found = sorted(LISTS.glob("*_main_binary-*_Packages*"), key=lambda path: path.stat().st_size)
    if not found:
        sys.exit("no Debian index here: run apt-get update, or name Packages files")
    target = scratch / "Packages"
    with target.open("wb") as file:
        subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", str(found[-1])], stdout=file, check=True)
    return [target]


def main() -> None:
    peer = "/usr/bin/python3"
    if subprocess.run([peer, "-c", "import solv"], check=False, capture_output=True).returncode:
        sys.exit("the peer is missing: apt-get install python3-solv libsolv-tools")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        ours, theirs = [], []
        for number, index in enumerate(indexes(scratch)):
            universe, cache = scratch / f"{number}.universe", scratch / f"{number}.solv"
            shell = f"deb2solv -r {index} > {cache}"
            compile_command = [sys.executable, "-c", COMPILE, str(index), str(universe)]
            pair("compile at repo update", compile_command, [peer, "-c", TIMED, "sh", "-c", shell], 2)
            ours.append(str(universe))
            theirs.append(str(cache))
        for names in (["vim"], ["gnome"], ["gnome", "libreoffice", "texlive-full"]):
            left = [sys.executable, "-c", OURS, ",".join(ours), *names]
            pair("install " + " ".join(names), left, [peer, "-c", THEIRS, ",".join(theirs), *names])
        if len(ours) == 1 and shutil.which("installcheck"):
            left = [sys.executable, "-c", CHECK, ours[0]]
            pair("check every package", left, [peer, "-c", TIMED, "installcheck", "amd64", theirs[0]], 2)


if __name__ == "__main__":
    main()
