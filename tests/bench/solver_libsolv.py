"""The solver beside libsolv on Debian's real indexes, as ratios of one run.

    python -m tests.bench.solver_libsolv [--rounds N] [--only WORD] [PACKAGES-FILE | SUITE …]

Without arguments: the machine's own main index, alone and with trixie and sid, which are fetched from
the same mirror. Each pair runs in turn, several times, in processes of its own; times are the least
CPU and wall seconds from the opened universe (the cache, for libsolv) to the answer. All levels of
preference are on, every answer is proven. Several suites are opened as moss keeps them, merged into one
universe when indexes are read; what that takes is told. Needs apt, python3-solv and libsolv-tools.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench.debian_suites import (
    PEER,
    Suite,
    keys_of,
    make_installed,
    make_older,
    names_of,
    newer_suites,
    own_suite,
)

PROJECT = Path(__file__).resolve().parents[2]
SYSTEM = [
    "xfce4",
    "vim",
    "git",
    "build-essential",
    "firefox-esr",
    "openssh-server",
    "man-db",
    "rsync",
    "python3-pip",
    "apt",
    "systemd-sysv",
    "linux-image-amd64",
    "network-manager",
    "cups",
]
DESKTOP = ["gnome", "libreoffice", "gimp", "vlc", "apt", "systemd-sysv", "linux-image-amd64", "openssh-server"]

# Of this process alone: what getrusage says begins with what the parent had.
PEAK = """
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
"""
# What a task is: universes, an installed system, and the request.
OURS = (
    PEAK
    + """
import gc, json, mmap, sys, time
gc.set_threshold(200_000, 20, 20)  # as the command sets it
import pycard, pysolvers  # the peer's library is loaded by now, too
from solver import *
task = json.loads(sys.argv[1])
keys = task["keys"]
begin, wall = time.process_time(), time.perf_counter()
universes = []
for path in task["universes"]:
    with open(path, "rb") as file:
        universes.append(Universe.from_bytes(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))))
request = Request(
    wishes=tuple(Wish(parse_formula(name)) for name in task["install"]),
    updates=tuple(task["update"]), update_all=task["upgrade"],
    forbids=tuple(Forbid(parse_formula(name)) for name in task["forbid"]),
)
problem = Problem(tuple(universes), tuple(keys), request, parse_preferences(task["order"]))
answer = solve(problem)
cpu, wall = time.process_time() - begin, time.perf_counter() - wall
size = len(answer.rules) if isinstance(answer, Conflict) else len(answer.installs) + len(answer.changes)
assert isinstance(answer, Conflict) or answer.proven
print(cpu, wall, peak(), size)
if not isinstance(answer, Conflict):
    costs = " ".join(f"{level.measure.value} {level.cost}" for level in answer.levels if level.cost)
    print(f"{len(answer.removals)} removed; {costs}")
"""
)
THEIRS = (
    PEAK
    + """
import json, sys, time, solv
task = json.loads(sys.argv[1])
begin, wall = time.process_time(), time.perf_counter()
pool = solv.Pool()
pool.setdisttype(solv.Pool.DISTTYPE_DEB)
pool.setarch("amd64")
if task["installed"]:
    pool.installed = pool.add_repo("installed")
    pool.installed.add_solv(solv.xfopen(task["installed"]))
for path in task["caches"]:
    pool.add_repo(path).add_solv(solv.xfopen(path))
pool.createwhatprovides()
def jobs(names, action):
    for text in names:
        name, _, limit = text.partition(" (< ")
        dep = pool.str2id(name)
        if limit:
            dep = pool.rel2id(dep, pool.str2id(limit[:-1]), solv.REL_LT)
        yield pool.Job(action | solv.Job.SOLVER_SOLVABLE_NAME, dep)
asked = [
    *jobs(task["install"], solv.Job.SOLVER_INSTALL), *jobs(task["update"], solv.Job.SOLVER_UPDATE),
    *jobs(task["forbid"], solv.Job.SOLVER_LOCK),
]
if task["upgrade"]:
    asked.append(pool.Job(solv.Job.SOLVER_UPDATE | solv.Job.SOLVER_SOLVABLE_ALL, 0))
solver = pool.Solver()
if task["order"] == "newest":
    solver.set_flag(solv.Solver.SOLVER_FLAG_ALLOW_UNINSTALL, 1)
problems = solver.solve(asked)
cpu, wall = time.process_time() - begin, time.perf_counter() - wall
size = len(problems) or len(solver.transaction().newsolvables())
print(cpu, wall, peak(), size)
"""
)
CHECK = (
    PEAK
    + """
import sys, time
from solver import Problem, Universe, check
begin, wall = time.process_time(), time.perf_counter()
with open(sys.argv[1], "rb") as file:
    broken = check(Problem((Universe.from_bytes(file.read()),)))
cpu, wall = time.process_time() - begin, time.perf_counter() - wall
print(cpu, wall, peak(), len(broken))
"""
)
MERGE = (
    PEAK
    + """
import sys, time
from pathlib import Path
from solver import Universe
from solver.merge import merge
begin, wall = time.process_time(), time.perf_counter()
target, *parts = map(Path, sys.argv[1:])
with target.open("wb") as file:
    file.writelines(merge([Universe.from_bytes(part.read_bytes()) for part in parts], {}))
cpu, wall = time.process_time() - begin, time.perf_counter() - wall
print(cpu, wall, peak(), len(Universe.from_bytes(target.read_bytes())))
"""
)
TIMED = """
import resource, subprocess, sys, time
wall = time.perf_counter()
found = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=False).stdout
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
told = found.count(b"can't be installed") + found.count(b"nothing provides")
print(usage.ru_utime + usage.ru_stime, time.perf_counter() - wall, usage.ru_maxrss, told)
"""


@dataclass(frozen=True)
class Task:
    """What both are asked, and the ratio that is aimed at."""

    title: str
    goal: float
    install: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    upgrade: bool = False
    order: str = "fewest-removals"
    installed: Suite | None = None
    lost: Suite | None = None

    def commands(self, suites: list[Suite]) -> tuple[list[str], list[str]]:
        lost = [self.lost] if self.lost else []  # installed, and in none of the suites
        universes = [merged(suites), *(suite.universe for suite in lost)]
        asked = {
            "universes": [str(path) for path in universes],
            "caches": [str(suite.solv) for suite in suites],
            "keys": keys_of(self.installed) if self.installed else [],
            "installed": str(self.installed.solv) if self.installed else "",
            "install": self.install,
            "update": self.update,
            "forbid": self.forbid,
            "upgrade": self.upgrade,
            "order": self.order,
        }
        return [sys.executable, "-c", OURS, json.dumps(asked)], [PEER, "-c", THEIRS, json.dumps(asked)]


Result = tuple[float, float, int, int]


def run(command: list[str]) -> tuple[Result, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    if done.returncode:
        sys.exit(f"{command[:2]} failed:\n{done.stderr[-2000:]}")
    first, *more = done.stdout.splitlines()
    cpu, wall, peak, size = first.split()
    return (float(cpu), float(wall), int(peak), int(size)), " ".join(more)


def merged(suites: list[Suite]) -> Path:
    """The universe of some suites together, made when it is first asked for."""
    if len(suites) == 1:
        return suites[0].universe
    target = suites[0].packages.with_name("+".join(suite.packages.stem for suite in suites)).with_suffix(".merged")
    if not target.exists():
        parts = [str(suite.universe) for suite in suites]
        (cpu, wall, peak, count), _ = run([sys.executable, "-c", MERGE, str(target), *parts])
        print(f"merged {target.stem}: {count} packages, cpu {cpu:.2f} s, wall {wall:.2f} s, peak {peak / 1024:.0f} MiB")
    return target


def pair(title: str, goal: float, ours: list[str], theirs: list[str], rounds: int) -> None:
    """Both in turn, and the ratios of their least times."""
    results = [(run(ours), run(theirs)) for _ in range(rounds)]
    us, them = ([result[side][0] for result in results] for side in (0, 1))
    cpu, wall = (min(r[at] for r in us) / min(r[at] for r in them) for at in (0, 1))
    left, right = (f"{min(r[0] for r in side) * 1e3:7.1f} ms ({side[0][3]})" for side in (us, them))
    peak = max(r[2] for r in us) / 1024
    print(f"{title:54} {left:19} peer {right:19} cpu {cpu:4.2f} wall {wall:4.2f} goal {goal}  peak {peak:.0f} MiB")
    if results[0][0][1]:
        print(f"    {results[0][0][1]}")
    sys.stdout.flush()


def tasks(system: Suite, older: Suite, lost: Suite, several: bool) -> list[Task]:
    """What is asked of one index, or of several suites at once."""
    names = sorted(names_of(system))
    twenty = tuple(names[:: len(names) // 20][:20])
    twenty_older = tuple(sorted(names_of(lost)))
    return [
        Task("install vim", 0.4, install=("vim",)),
        Task("install gnome", 0.4, install=("gnome",)),
        Task("install gnome libreoffice texlive-full", 0.4, install=("gnome", "libreoffice", "texlive-full")),
        Task("install gnome, 800 installed", 0.6, install=("gnome",), installed=system),
        Task("install gnome, 20 of 800 on offer no more", 0.6, install=("gnome",), installed=older, lost=lost),
        Task("update 20 of 800 installed", 0.6, update=twenty, installed=system)
        if several
        else Task("update 20 of 800 installed", 0.6, update=twenty_older, installed=older, lost=lost),
        Task("impossible: two mail servers", 1, install=("exim4-daemon-light", "postfix")),
        Task("impossible: gnome and an old libc6", 1, install=("gnome", "libc6 (< 2.30)")),
        Task("impossible: gnome with another init", 1, install=("gnome", "systemd-sysv", "sysvinit-core")),
        Task("impossible: gnome without libc6", 1, install=("gnome",), forbid=("libc6",)),
        Task("impossible: gnome and a name nobody has", 1, install=("gnome", "no-such-name")),
    ]


def make_system(suite: Suite, names: list[str], target: Path) -> Suite:
    """What the solver chooses for some names, as an installed system."""
    asked = {"universes": [str(suite.universe)], "keys": [], "install": names, "update": [], "forbid": []}
    tell = OURS + "\nprint(*(one.key for one in answer.chosen))"
    _, told = run([sys.executable, "-c", tell, json.dumps({**asked, "upgrade": False, "order": "fewest-removals"})])
    return prepared(make_installed(suite, told.split(), target))


def prepared(suite: Suite) -> Suite:
    """With its universe and its cache."""
    for command in (suite.compile_command(), suite.cache_command()):
        subprocess.run(command, check=True, capture_output=True, cwd=PROJECT)
    return suite


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only the pairs whose title has this")
    parser.add_argument("suites", nargs="*", help="Packages files, or suites of the machine's mirror")
    given = parser.parse_args()
    if subprocess.run([PEER, "-c", "import solv"], check=False, capture_output=True).returncode:
        sys.exit("the peer is missing: apt-get install python3-solv libsolv-tools")
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), given)


def measure(scratch: Path, given: argparse.Namespace) -> None:
    own, mirror, _ = own_suite(scratch)
    files = [Suite(Path(shutil.copy(name, scratch))) for name in given.suites if Path(name).is_file()]
    names = [name for name in given.suites if not Path(name).is_file()] or ([] if files else ["trixie", "sid"])
    suites = [*(files or [own]), *(newer_suites(scratch, mirror, names) if names else [])]
    for suite in suites:
        peer = [PEER, "-c", TIMED, *suite.cache_command()]
        pair(f"compile {suite.packages.stem}", 7, suite.compile_command(), peer, min(3, given.rounds))
    system = make_system(suites[0], SYSTEM, scratch / "system.packages")
    older, lost = map(prepared, make_older(system, 20, scratch))
    desktop = make_system(suites[0], DESKTOP, scratch / "desktop.packages")
    print(f"systems of {len(keys_of(system))} and {len(keys_of(desktop))} packages")
    for number in sorted({1, len(suites)}):
        print(f"{number} suite{'s' if number > 1 else ''}")
        for task in tasks(system, older, lost, number > 1):
            measure_task(task, suites[:number], given)
    if len(suites) > 1:
        print("upgrade of a desktop to the next suite")
        for order in ("fewest-removals", "newest"):
            task = Task(f"upgrade, {order}", 0.6, upgrade=True, order=order, installed=desktop)
            measure_task(task, suites[:2], given)
    if shutil.which("installcheck") and given.only in "check every package":
        ours = [sys.executable, "-c", CHECK, str(suites[0].universe)]
        theirs = [PEER, "-c", TIMED, "installcheck", "amd64", str(suites[0].solv)]
        pair("check every package", 2, ours, theirs, min(2, given.rounds))


def measure_task(task: Task, suites: list[Suite], given: argparse.Namespace) -> None:
    if given.only in task.title:
        pair(task.title, task.goal, *task.commands(suites), given.rounds)


if __name__ == "__main__":
    main()
