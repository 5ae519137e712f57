"""A sample of `python -m tests.crash.sweep`, and what it must be able to see."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from moss.cli.verbs import VERBS
from tests.crash.invariants import facts_of, faults
from tests.crash.operations import HISTORIES, OPERATIONS
from tests.crash.sweep import scratch, sweep, table
from tests.crash.world import Place, copy_tree, run

SAMPLE = [
    ("install", "offered", 53),
    ("update", "spare", 41),
    ("update", "busy spare", 97),
    ("recovery", "stopped in /etc", 9),
]
LOOKING = {"list", "search", "info", "provides", "why", "why-not", "rdepends", "check", "history", "completions"}
LOOKING |= {"facts", "subscriptions", "state export", "list", "show", "diff", "state verify", "doctor"}
ELSEWHERE = {"inspect", "extract", "pack", "index", "convert", "tour"}
ELSEWHERE |= {"init", "export", "receipt", "bundle", "boot", "trust", "image"}
"""These change no system: they write files of the person's own."""


@pytest.mark.parametrize(("operation", "history", "every"), SAMPLE, ids=[f"{one[0]}, {one[1]}" for one in SAMPLE])
def test_a_stop_at_any_effect_leaves_the_old_or_the_new(operation: str, history: str, every: int) -> None:
    chosen = next(one for one in OPERATIONS if one.name == operation and history in one.histories)
    with scratch() as folder:
        swept = sweep(chosen, history, folder, every)
    assert swept.faults == []
    assert swept.stops.total() >= 3
    assert operation in table([swept])


@pytest.mark.parametrize("request_", ["INT", "TERM"])
def test_a_request_to_end_is_heeded_or_waits(request_: str) -> None:
    chosen = next(one for one in OPERATIONS if one.name == "update")
    with scratch() as folder:
        swept = sweep(chosen, "spare", folder, 41, request=request_)
    assert swept.faults == []
    assert swept.stops.total() >= 3


def test_every_command_that_changes_a_system_is_stopped_somewhere() -> None:
    stopped = {operation.words[:2] for operation in OPERATIONS} | {operation.words[:1] for operation in OPERATIONS}
    for verb in VERBS:
        if not {verb.words[0], verb.words[-1], verb.spelling} & (LOOKING | ELSEWHERE):
            assert verb.words in stopped, f"tests/crash/operations.py does not stop moss {verb.spelling}"


def test_every_history_is_used() -> None:
    used = {history for operation in OPERATIONS for history in operation.histories}
    assert used == set(HISTORIES)


@pytest.fixture(scope="module")
def sound() -> Iterator[Place]:
    with scratch() as folder:
        place = Place(folder)
        HISTORIES["spare"](place)
        assert list(faults(place.root)) == []
        yield place


DAMAGE = {
    "I1: generation 4: /usr/bin/tool": "echo x > {root}/usr/x && mv {root}/usr/x {root}/usr/bin/tool",
    "I1: generation 2: /usr/bin/more": "rm {root}/.moss/root/2/usr/bin/more",
    "I3: tree 9": "mkdir {root}/.moss/root/9",
    "I3: there is no tree 3": "mv {root}/.moss/root/3 {root}/.moss/3",
    "I4: the store lacks": "rm {root}/.moss/assets/*/*.755.0.0",
    "I4: the store's": "echo more >> $(ls {root}/.moss/assets/*/*.755.0.0 | head -1)",
    "I8": "chmod 755 {root}/.moss",
    "I3: a transaction": "sql UPDATE journal SET finished_at = NULL, phase = 'switching' WHERE id = 4",
    "I3: the spare is dirty": "sql UPDATE spare SET clean = 0",
    "I1: /usr is generation 4, the record says 3": "sql UPDATE active SET generation = 3",
    "I5": "sql UPDATE layout SET mode = mode & ~64",
}


@pytest.mark.parametrize(("fault", "damage"), DAMAGE.items(), ids=list(DAMAGE))
def test_the_invariants_see_damage(sound: Place, tmp_path: Path, fault: str, damage: str) -> None:
    root = tmp_path / "root"
    copy_tree(sound.root, root)
    if damage.startswith("sql "):
        with closing(sqlite3.connect(root / ".moss/db/moss.db")) as record, record:
            record.execute(damage.removeprefix("sql "))
    else:
        subprocess.run(damage.format(root=root), shell=True, check=True)
    assert any(line.startswith(fault) for line in faults(root)), list(faults(root))


def test_facts_follow_a_rollback(sound: Place, tmp_path: Path) -> None:
    root = tmp_path / "root"
    copy_tree(sound.root, root)
    assert run(root, "rollback", "-y").code == 0
    facts = facts_of(root)
    assert (facts.live, facts.active, facts.retention) == (3, 3, 3)
    assert facts.generations[4] == {"tool-1", "more-1", "other-1", "last-1"}
