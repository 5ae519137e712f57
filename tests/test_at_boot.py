"""A generation that is left to the next boot: ready, on record, and nothing that runs has changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from moss.db import journal, trees
from moss.effects import Effects
from moss.errors import MossError, UsageError
from moss.operations.activate import activate, propose_activation, propose_rollback
from moss.operations.at_boot import activate_at_boot
from moss.operations.commit import commit
from moss.operations.queries import installed, summaries
from moss.operations.retention import propose_pruning, propose_removal
from moss.operations.system import open_to_read
from moss.operations.transaction import Outcome
from moss.operations.upkeep import keep_house
from moss.root import GenerationId
from tests.builders import metadata, snapshot
from tests.transactions import Repository, changing, check_invariants, crash_at, make, plan_for, rollback
from tests.trees import differences

STEP = 2


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "packages")
    for number in range(1, 5):
        made.publish(f"tool-{number}", metadata("tool", str(number)), {"bin/tool": f"{number}", f"lib/{number}": "x"})
    return made


@pytest.fixture
def root(tmp_path: Path, repository: Repository) -> Path:
    make(tmp_path / "root", repository, "tool-1")
    return tmp_path / "root"


def stage(root: Path, repository: Repository, *labels: str, effects: Effects | None = None) -> Outcome:
    with changing(root, repository, effects) as system:
        return commit(system, plan_for(system, repository, labels), at_boot=True)


def pending_of(root: Path) -> int | None:
    with open_to_read(str(root)) as system:
        return trees.pending(system.record)


def boot(root: Path, number: int, *, stale_name: bool = False) -> None:
    """What the script in the initramfs does: exchange, and give the archive the name of what it now holds."""
    holder = root / ".moss/root" / str(number)
    before = (root / "usr/.stateID").read_text().strip()
    (holder / "usr").rename(root / "usr.new")
    (root / "usr").rename(holder / "usr")
    (root / "usr.new").rename(root / "usr")
    if not stale_name:
        holder.rename(root / ".moss/root" / before)


def test_what_runs_does_not_change_and_the_record_says_what_waits(root: Path, repository: Repository) -> None:
    before = snapshot(root / "usr")
    inode = (root / "usr").stat().st_ino
    outcome = stage(root, repository, "tool-2")
    assert (outcome.generation, outcome.previous, outcome.at_boot) == (2, 1, True)
    assert snapshot(root / "usr") == before
    assert (root / "usr").stat().st_ino == inode
    assert check_invariants(root) == 1
    assert pending_of(root) == 2
    assert differences(root, 2, root / ".moss/root/2/usr") == []
    with open_to_read(str(root)) as system:
        assert [(one.generation.id, one.active, one.pending) for one in summaries(system)] == [
            (1, True, False), (2, False, True),
        ]  # fmt: skip
        last = journal.entries(system.record)[-1]
        assert (last.from_generation, last.to_generation, last.phase) == (1, 2, "done")


@pytest.mark.parametrize("stale_name", [False, True], ids=["tidy", "cut short"])
def test_the_record_follows_the_boot_that_was_waited_for(
    root: Path, repository: Repository, stale_name: bool
) -> None:
    stage(root, repository, "tool-2")
    boot(root, 2, stale_name=stale_name)
    with changing(root, repository) as system:
        assert system.recovered is None, "nothing went wrong"
        assert system.active == 2
        assert trees.pending(system.record) is None
        last = journal.entries(system.record)[-1]
        assert (last.operation, last.from_generation, last.to_generation, last.phase) == ("boot", 1, 2, "done")
        assert propose_rollback(system).target.id == 1
    assert check_invariants(root) == 2
    assert rollback(root, repository).generation == 1


def test_who_only_looks_sees_what_the_machine_was_booted_into(root: Path, repository: Repository) -> None:
    stage(root, repository, "tool-2")
    with open_to_read(str(root)) as system:
        assert system.active == 1
    boot(root, 2)
    with open_to_read(str(root)) as system:
        assert system.active == 2
        assert [one.metadata.version for one in installed(system)] == ["2"]
        assert [(one.generation.id, one.active, one.previous, one.pending) for one in summaries(system)] == [
            (1, False, True, False), (2, True, False, False),
        ]  # fmt: skip


def test_a_boot_into_another_generation_is_told_and_rollback_goes_where_the_machine_came_from(
    root: Path, repository: Repository
) -> None:
    make(root, repository, "tool-2")
    make(root, repository, "tool-3")
    stage(root, repository, "tool-4")
    boot(root, 1)
    with changing(root, repository) as system:
        assert system.recovered is not None
        assert "generation 4 was to be booted" in system.recovered
        assert system.active == 1
        assert trees.pending(system.record) is None
        assert propose_rollback(system).target.id == 3
    assert check_invariants(root) == 1


def test_it_can_go_live_at_once(root: Path, repository: Repository) -> None:
    stage(root, repository, "tool-2")
    with changing(root, repository) as system:
        activate(system, propose_activation(system, GenerationId(2)))
    assert check_invariants(root) == 2
    assert pending_of(root) is None


def test_another_switch_takes_its_place(root: Path, repository: Repository) -> None:
    stage(root, repository, "tool-2")
    make(root, repository, "tool-3")
    assert check_invariants(root) == 3
    assert pending_of(root) is None
    stage(root, repository, "tool-4")
    rollback(root, repository)
    assert pending_of(root) is None
    stage(root, repository, "tool-3")
    stage(root, repository, "tool-4")
    assert pending_of(root) == 6, "the later one"


def test_going_back_can_be_left_to_the_boot_and_dropped_again(root: Path, repository: Repository) -> None:
    make(root, repository, "tool-2")
    for number, pending in ((1, 1), (2, None)):
        with changing(root, repository) as system:
            outcome = activate_at_boot(system, propose_activation(system, GenerationId(number)))
        assert (outcome.generation, outcome.at_boot) == (number, True)
        assert pending_of(root) == pending
        assert check_invariants(root) == 2
    with changing(root, repository) as system:
        activate_at_boot(system, propose_rollback(system))
    boot(root, 1)
    with changing(root, repository) as system:
        assert (system.recovered, system.active) == (None, 1)


def test_retention_keeps_what_the_next_boot_needs(root: Path, repository: Repository) -> None:
    stage(root, repository, "tool-2")
    for _ in range(3):
        with changing(root, repository) as system:
            activate_at_boot(system, propose_activation(system, GenerationId(2)))
            keep_house(system, keep=1)
            assert [one.generation.id for one in summaries(system)] == [1, 2]
            with pytest.raises(MossError) as caught:
                propose_removal(system, [GenerationId(2)])
            assert "is left to the next boot" in caught.value.because[0]
            assert propose_pruning(system, 1).going == ()
    with changing(root, repository) as system:
        activate_at_boot(system, propose_activation(system, GenerationId(1)))
        assert [one.id for one in propose_removal(system, [GenerationId(2)]).going] == [2]


def test_the_first_generation_has_nothing_to_wait_for(tmp_path: Path, repository: Repository) -> None:
    with pytest.raises(UsageError, match="no generation yet"):
        stage(tmp_path / "new", repository, "tool-1")
    assert check_invariants(tmp_path / "new") is None


def by_difference(root: Path, repository: Repository, effects: Effects) -> None:
    stage(root, repository, "tool-2", effects=effects)


def leave_going_back(root: Path, repository: Repository, effects: Effects) -> None:
    with changing(root, repository, effects) as system:
        activate_at_boot(system, propose_activation(system, GenerationId(2)))


def follow(root: Path, repository: Repository, effects: Effects) -> None:
    with changing(root, repository, effects):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("act", [by_difference, leave_going_back, follow])
def test_a_crash_at_any_effect_leaves_it_whole_or_not_at_all(
    tmp_path: Path, repository: Repository, act: Callable[[Path, Repository, Effects], None]
) -> None:
    seen: set[int | None] = set()
    for point in range(0, 1000, STEP):
        root = tmp_path / f"root-{point}"
        for label in ("tool-1", "tool-3", "tool-4"):
            make(root, repository, label)
        with changing(root, repository) as system:
            keep_house(system, keep=2)
        active = 3
        if act is follow:
            stage(root, repository, "tool-2")
            boot(root, 4, stale_name=True)
            active = 4
        finished = crash_at(point, lambda effects, root=root: act(root, repository, effects))
        with changing(root, repository):
            pass
        with changing(root, repository) as system:
            assert system.active == active
            assert system.recovered is None
            pending = trees.pending(system.record)
            seen.add(pending)
        assert differences(root) == []
        if pending is not None:
            assert differences(root, pending, root / f".moss/root/{pending}/usr") == []
        if finished:
            break
    assert seen == {by_difference: {None, 4}, leave_going_back: {None, 2}, follow: {None}}[act]
