"""Generations made by moss's engines alone, without a solver: repositories, plans, and crashes on the way."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from moss.db import generations, journal
from moss.effects import Effects
from moss.generation import Reason, Status
from moss.model import SystemModel, Wish
from moss.observed_effects import ObservedEffects
from moss.operations.activate import activate, propose_rollback
from moss.operations.commit import commit
from moss.operations.queries import installed
from moss.operations.system import System, open_to_change, open_to_read
from moss.operations.transaction import Outcome
from moss.package import Metadata
from moss.plan import Chosen, Plan, Proof, Space, difference
from moss.repository import Candidate
from tests.builders import Content, write_package
from tests.trees import differences


class Repository:
    """A folder of stones, and the candidates that an index of it would offer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.candidates: dict[str, Candidate] = {}

    def publish(self, label: str, about: Metadata, files: dict[str, Content]) -> None:
        path, digest = write_package(self.folder, about, files)
        self.candidates[label] = Candidate("main", digest, about, path.name, digest, path.stat().st_size)


def plan_for(system: System, repository: Repository, labels: tuple[str, ...]) -> Plan:
    """The plan that the solver would come to for exactly these packages."""
    here = {selected.candidate_key: selected for selected in installed(system)}
    chosen = []
    for label in sorted(labels):
        candidate = repository.candidates[label]
        present = here.get(candidate.candidate_key)
        offered = None if present else candidate
        reason = Reason(wish=candidate.metadata.name)
        chosen.append(Chosen(candidate.metadata, candidate.candidate_key, reason, present, offered))
    changed = difference(list(here.values()), chosen)
    return Plan(
        operation="install", base=system.active, result=generations.next_number(system.record),
        model=SystemModel(tuple(Wish.parse(one.name) for one in chosen)), model_before=SystemModel(),
        chosen=tuple(chosen), installs=changed.installs, changes=changed.changes, removals=(),
        space=Space(0, 0, 0), proof=Proof(True, 0.0),
    )  # fmt: skip


@contextmanager
def changing(root: Path, repository: Repository, effects: Effects | None = None) -> Iterator[System]:
    with open_to_change(str(root), command="moss test", effects=effects, clock=lambda: 1_000_000) as system:
        # The engines need only to know where the repository is; its index is not read here.
        system.record.connection.execute(
            "INSERT OR IGNORE INTO repository VALUES ('main', ?, 0, 1, 'nobody', '', 0, 0)",
            (f"file://{repository.folder}/stone.index",),
        )
        yield system


def make(root: Path, repository: Repository, *labels: str, effects: Effects | None = None) -> Outcome:
    with changing(root, repository, effects) as system:
        return commit(system, plan_for(system, repository, labels))


def rollback(root: Path, repository: Repository, effects: Effects | None = None) -> Outcome:
    with changing(root, repository, effects) as system:
        return activate(system, propose_rollback(system))


def check_invariants(root: Path) -> int | None:
    """What must hold after recovery; the active generation."""
    with open_to_read(str(root)) as system:
        active = system.active
        assert journal.under_way(system.record) is None
        known = generations.generations(system.record)
        assert all(one.status is Status.COMPLETE for one in known)
        archives = set(os.listdir(root / ".moss/root"))
    assert archives == {str(one.id) for one in known} - {str(active)}
    if active is not None:
        assert differences(root, active) == []
    for name in archives:
        assert differences(root, int(name), root / ".moss/root" / name / "usr") == []
    assert stat.S_IMODE((root / ".moss").stat().st_mode) == 0o700
    return active


# Crashes: a child does the operation and ends by os._exit before or after the n-th effect, so that
# nothing cleans up; then the next command recovers.


class _CrashingEffects(ObservedEffects):
    def __init__(self, at: int) -> None:
        super().__init__(apply_owners=os.geteuid() == 0)
        self.left = at

    def observe(self, moment: object, kind: str, target: str) -> None:
        if self.left == 0:
            os._exit(77)
        self.left -= 1


def crash_at(point: int, operation: Callable[[Effects], object]) -> bool:
    """Whether the operation came to its end before the point."""
    child = os.fork()
    if child == 0:
        try:
            operation(_CrashingEffects(point))
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 77), f"the operation failed by itself at point {point}"
    return code == 0
