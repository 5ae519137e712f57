"""Random histories of generations: whatever happened before, a tree made by difference is the one made in full.

    python -m tests.histories [COUNT] [FIRST]     COUNT histories (500), with the seeds from FIRST (0) on

Packages come, go and change; paths are left out and come back; files become directories and links and
back, directories links, paths collide; in between another generation is activated, generations are
pruned, somebody leaves a stray file in the live tree. After every step the live tree, and the spare, are
compared entry by entry with what their packages say (`tests.trees`, which shares no code with moss), and
the store with what trees need.
"""

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import Pool
from pathlib import Path

from moss.errors import MossError
from moss.merge import LayoutCollision
from moss.operations.activate import activate, propose_activation
from moss.operations.commit import commit
from moss.operations.queries import summaries
from moss.operations.retention import propose_pruning, retire
from moss.operations.upkeep import keep_house
from moss.path_filter import Omission, PathFilter, pattern_fault
from moss.plan import Chosen, Plan
from solver.values import replace
from tests.builders import Content, Dir, File, Link, metadata
from tests.transactions import Repository, changing, plan_for
from tests.trees import active_generation, differences, store_differences

STEPS = 10


@dataclass
class Ways:
    """How trees were made, and what else came about."""

    by_difference: int = 0
    in_full: int = 0
    events: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: "Ways") -> "Ways":
        events = {
            name: self.events.get(name, 0) + other.events.get(name, 0) for name in {**self.events, **other.events}
        }
        return Ways(self.by_difference + other.by_difference, self.in_full + other.in_full, events)


def random_files(chance: random.Random) -> dict[str, Content]:
    """A few paths out of a small pool, so that packages meet: files become directories and back,
    links lead to directories, directories are stated with modes of their own."""
    names = ("a", "b", "c", "d", "e", "f")
    own = chance.choice(names)
    files: dict[str, Content] = {}
    for _ in range(chance.randint(1, 7)):
        path = "/".join([chance.choice((own, own, chance.choice(names))) for _ in range(chance.randint(1, 4))])
        kind = chance.random()
        if kind < 0.55:
            files[path] = File(chance.choice((b"x", b"y", b"z")), chance.choice((0o644, 0o755, 0o4755)))
        elif kind < 0.65:
            files[path] = File(b"", chance.choice((0o644, 0o600)))
        elif kind < 0.80:
            files[path] = Link(chance.choice((*names, "../a", "nowhere", "/usr/b", "../../c")))
        else:
            files[path] = Dir(chance.choice((0o755, 0o700, 0o555)))
    return {
        path: content for path, content in files.items()
        if isinstance(content, Dir) or not any(other.startswith(f"{path}/") for other in files)
    }  # fmt: skip


def random_filter(chance: random.Random) -> PathFilter:
    """What leaves out some of these paths, or none."""
    parts = ("a", "b", "c", "d", "*", "?", "**", "a*", "own", "file")

    def patterns(most: int) -> tuple[str, ...]:
        made = ("/".join(chance.choices(parts, k=chance.randint(1, 3))) for _ in range(chance.randint(0, most)))
        return tuple(pattern for pattern in made if pattern_fault(pattern) is None)

    return tuple(
        Omission(name, found, patterns(2)) for name in ("docs", "locale") if (found := patterns(3))
    )


def offered(repository: Repository, plan: Plan) -> tuple[Chosen, ...]:
    """What was chosen, each with who offers it, also where it is here: some of its files may not be."""
    offers = {one.candidate_key: one for one in repository.candidates.values()}
    return tuple(replace(one, candidate=offers[one.candidate_key]) for one in plan.chosen)


def fill(repository: Repository, chance: random.Random, packages: int = 8, versions: int = 3) -> dict[str, list[str]]:
    labels: dict[str, list[str]] = {}
    for package in range(packages):
        for version in range(versions):
            label = f"p{package}-{version}"
            files: dict[str, Content] = {**random_files(chance), f"own/{package}/file": f"{label}"}
            repository.publish(label, metadata(f"p{package}", str(version)), files)
            labels.setdefault(f"p{package}", []).append(label)
    return labels


class History:
    """One root and what happens to it; AssertionError where a tree is not what it must be."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.ways = Ways()
        self._chance = random.Random(seed)
        self._repository = Repository(folder / f"packages-{seed}")
        self._labels = fill(self._repository, self._chance)
        self._root = folder / f"root-{seed}"
        self._chosen: dict[str, str] = {}
        self._omissions: PathFilter = ()
        self._stray: dict[int, set[str]] = {}
        """What somebody left in the tree of which generation."""

    def run(self) -> Ways:
        for _ in range(STEPS):
            self._change()
            self.check()
            event = self._chance.random()
            if event < 0.2:
                self._go_elsewhere()
            elif event < 0.3:
                self._prune()
            elif event < 0.4:
                self._leave_stray_file()
            self.check()
            with changing(self._root, self._repository) as system:
                keep_house(system, self._chance.choice((1, 2, 3)))
            self.check()
            assert store_differences(self._root) == [], f"history {self.seed}"
        return self.ways

    def check(self) -> None:
        if not (self._root / "usr").exists():
            return
        self._compare(active_generation(self._root), self._root / "usr")
        spare = self._root / ".moss/root/spare/usr"
        if spare.exists():
            self._compare(int((spare / ".stateID").read_text()), spare)

    def _compare(self, generation: int, usr: Path) -> None:
        foreign = {f"{path} is foreign" for path in self._stray.get(generation, ())}
        found = [line for line in differences(self._root, generation, usr) if line not in foreign]
        assert found == [], f"history {self.seed}, generation {generation}: {found}"

    def _change(self) -> None:
        """A new generation a few packages away from the last; what collides is tried otherwise."""
        for _ in range(20):
            wanted = dict(self._chosen)
            for name in self._chance.sample(sorted(self._labels), self._chance.randint(1, 2)):
                if name in wanted and self._chance.random() < 0.4:
                    del wanted[name]
                else:
                    wanted[name] = self._chance.choice(self._labels[name])
            spare = _inode(self._root / ".moss/root/spare/usr")
            omissions = random_filter(self._chance) if self._chance.random() < 0.3 else self._omissions
            try:
                with changing(self._root, self._repository) as system:
                    plan = plan_for(system, self._repository, tuple(wanted.values()))
                    commit(system, replace(plan, chosen=offered(self._repository, plan), omissions=omissions))
            except LayoutCollision:
                continue
            if omissions != self._omissions:
                self._count("filtered otherwise")
            self._chosen, self._omissions = wanted, omissions
            if spare is not None and spare == _inode(self._root / "usr"):
                self.ways.by_difference += 1
            else:
                self.ways.in_full += 1
            return

    def _go_elsewhere(self) -> None:
        with changing(self._root, self._repository) as system:
            there = [summary.generation.id for summary in summaries(system) if summary.has_tree]
            if there:
                activate(system, propose_activation(system, self._chance.choice(there)))
                self._count("activated")

    def _prune(self) -> None:
        with changing(self._root, self._repository) as system:
            retire(system, propose_pruning(system, self._chance.choice((1, 2))))
        self._count("pruned")

    def _leave_stray_file(self) -> None:
        usr = self._root / "usr"
        if not usr.exists():
            return
        folders = sorted(folder for folder, _, _ in os.walk(usr) if os.access(folder, os.W_OK))
        place = Path(self._chance.choice(folders))
        stray = place / "stray"
        if self._chance.random() < 0.3:
            stray.mkdir(exist_ok=True)
        elif not stray.exists():
            stray.write_text("left behind")
        self._stray.setdefault(active_generation(self._root), set()).add(str(stray.relative_to(usr)))
        self._count("stray")

    def _count(self, event: str) -> None:
        self.ways.events[event] = self.ways.events.get(event, 0) + 1


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def run_history(seed: int) -> Ways:
    """One history in a folder of its own, in memory where the machine has a place for that."""
    quick = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="moss-history-", dir=quick))
    try:
        return History(seed, folder).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_histories(seeds: Sequence[int]) -> Ways:
    """On all cores. The first that goes wrong raises its AssertionError, which names the seed."""
    total = Ways()
    with Pool() as pool:
        for ways in pool.imap_unordered(run_history, seeds, chunksize=4):
            total += ways
    return total


def main(count: int = 500, first: int = 0) -> None:
    try:
        found = run_histories(range(first, first + count))
    except (AssertionError, MossError) as fault:
        sys.exit(f"not the same: {fault}")
    events = ", ".join(f"{number} {event}" for event, number in sorted(found.events.items()))
    ways = f"{found.by_difference} trees by difference, {found.in_full} in full"
    print(f"{count} histories, all trees the same: {ways}; {events}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
