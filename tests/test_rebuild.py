"""A damaged or lost record comes back: from its copy, and beyond that from the trees."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from moss.cli.main import main
from moss.effects import Effects
from moss.operations.rebuild import rebuild
from moss.operations.system import default_effects
from moss.reporter import Silence
from moss.root import Root
from tests.builders import snapshot
from tests.machine import Machine, copied
from tests.machine import machine as machine
from tests.machine import template as template
from tests.test_copying import Telling, compared
from tests.transactions import crash_at
from tests.trees import OWN_ENTRIES, differences

STEP = 1 if os.environ.get("MOSS_SLOW") else 7


def settle(machine: Machine) -> Path:
    """The record in one file."""
    record = machine.root / ".moss/db/moss.db"
    database = sqlite3.connect(record)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return record


def garbled(machine: Machine) -> None:
    record = settle(machine)
    with record.open("r+b") as file:
        file.seek(4096 * 4)
        file.write(os.urandom(record.stat().st_size - 4096 * 4))


def not_a_database(machine: Machine) -> None:
    settle(machine).write_bytes(b"this is no database" * 500)


def cut(machine: Machine) -> None:
    record = settle(machine)
    os.truncate(record, record.stat().st_size // 3)


def empty(machine: Machine) -> None:
    os.truncate(settle(machine), 0)


def gone(machine: Machine) -> None:
    for file in (machine.root / ".moss/db").glob("moss.db*"):
        file.unlink()


def directory_gone(machine: Machine) -> None:
    shutil.rmtree(machine.root / ".moss/db")


def another(machine: Machine) -> None:
    """A record that never made these generations."""
    gone(machine)
    other = machine.root / ".moss/db/other"
    assert main(["-D", str(other), "repo", "add", "own", str(machine.packages / "stone.index"), "--unsigned"]) == 0
    shutil.copy(settle_at(other), machine.root / ".moss/db/moss.db")
    shutil.rmtree(other)


def settle_at(root: Path) -> Path:
    database = sqlite3.connect(root / ".moss/db/moss.db")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return root / ".moss/db/moss.db"


def contradictory(machine: Machine) -> None:
    database = sqlite3.connect(settle(machine))
    database.execute("DELETE FROM package WHERE name = 'other'")
    database.commit()
    database.close()


DAMAGES: list[Callable[[Machine], None]] = [
    garbled, not_a_database, cut, empty, gone, directory_gone, another, contradictory,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_the_record_comes_back_from_its_copy(
    machine: Machine, damage: Callable[[Machine], None], capfd: pytest.CaptureFixture[str]
) -> None:
    before = compared(settle(machine))
    damage(machine)
    if damage is not contradictory:  # that one is found only by who looks for it
        capfd.readouterr()
        assert main(["-D", str(machine.root), "install", "tool", "-y"]) == 7
        assert "moss -D " in (err := capfd.readouterr().err) and "verify --fix" in err
    machine.moss("verify", exit_code=7)
    trees = snapshot(machine.root, without=[".moss/db"])
    machine.moss("verify", "--fix", "-n", exit_code=7)
    assert snapshot(machine.root, without=[".moss/db"]) == trees
    machine.moss("verify", "--fix", "-y")
    out = capfd.readouterr().out
    assert "generations 1, 2 and 3, with packages, wishes and history" in out
    assert compared(settle(machine)) == before
    machine.moss("verify", exit_code=0)
    if damage is directory_gone:
        machine.moss("repo", "update")
    machine.check_whole()
    machine.moss("rollback", "-y")
    machine.moss("remove", "other", "-y")
    assert differences(machine.root) == []


def without_copy(machine: Machine) -> None:
    gone(machine)
    shutil.rmtree(machine.root / ".moss/copy")


def packages_of(machine: Machine, number: int) -> set[str]:
    with sqlite3.connect(machine.root / ".moss/db/moss.db") as record:
        found = record.execute(
            "SELECT name || '-' || version FROM selection JOIN package ON package.id = package WHERE generation = ?",
            (number,),
        )
        names = {name for (name,) in found}
    record.close()
    return names


def test_without_a_copy_packages_are_recognised_in_the_trees(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    without_copy(machine)
    machine.moss("verify", exit_code=7)
    machine.moss("verify", "--fix", "-y")
    assert "From its tree: generation 3 with other 1.0-1 and tool 2-1." in capfd.readouterr().out
    assert packages_of(machine, 1) == {"tool-1"}
    assert packages_of(machine, 2) == {"tool-1", "other-1.0"}
    assert packages_of(machine, 3) == {"tool-2", "other-1.0"}
    machine.check_whole()
    machine.moss("verify")
    machine.moss("state", "activate", "1", "-y")
    machine.moss("remove", "tool", "-y")
    assert {path.name for path in (machine.root / "usr").rglob("*") if path.is_file()} == OWN_ENTRIES


def test_without_copy_and_stones_the_generations_are_whole_all_the_same(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    without_copy(machine)
    (machine.root / ".moss/db/repositories.db").unlink()
    for usr in (machine.usr, machine.archive(1), machine.archive(2)):  # made by a moss that did not say it there
        (usr / ".system-model.kdl").unlink()
    machine.moss("verify", "--fix", "-y")
    assert "files of no known package are kept as one" in capfd.readouterr().out
    machine.moss("verify", "--fix", "-y")  # from now on the trees say it
    machine.check_whole()
    assert packages_of(machine, 3) == {"found-in-generation-2-1", "found-in-generation-3-1"}
    machine.moss("repo", "add", "main", str(machine.packages / "stone.index"), "--unsigned")
    machine.moss("state", "activate", "1", "-y")
    assert differences(machine.root, 1) == []
    capfd.readouterr()
    machine.moss("sync", "-n")
    assert "+ tool" in capfd.readouterr().out, "the model's file still says what was asked for"
    (machine.root / "etc/moss/system-model.kdl").unlink()
    machine.moss("sync", "-y")
    assert (machine.root / "usr/bin/tool").read_text() == "one", "what was found is wished for"


def test_a_generation_younger_than_the_copy_comes_back_from_its_tree(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = machine.root / ".moss/copy/moss.db"
    old = copy.read_bytes()
    machine.moss("remove", "other", "-y")
    copy.write_bytes(old)
    gone(machine)
    machine.moss("verify", "--fix", "-y")
    out = capfd.readouterr().out
    assert "generations 1, 2 and 3, with packages" in out and "generation 4, as its tree has it" in out
    assert packages_of(machine, 4) == {"tool-2"}
    machine.moss("verify")
    machine.moss("rollback", "-y", exit_code=3)  # history does not know where from
    machine.moss("state", "activate", "3", "-y")
    assert differences(machine.root) == []


def test_a_damaged_copy_is_not_taken(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    gone(machine)
    copy = machine.root / ".moss/copy/moss.db"
    with copy.open("r+b") as file:
        file.seek(4096 * 4)
        file.write(os.urandom(copy.stat().st_size - 4096 * 4))
    machine.moss("verify", "--fix", "-y")
    assert "There is no sound copy of it" in capfd.readouterr().out
    machine.check_whole()


def test_the_damaged_record_is_kept(machine: Machine) -> None:
    not_a_database(machine)
    machine.moss("verify", "--fix", "-y")
    assert (machine.root / ".moss/lost/record-1/moss.db").read_bytes().startswith(b"this is no database")
    assert (machine.root / ".moss/db/moss.db").stat().st_mode & 0o777 in (0o600, 0o644)


def test_its_answers_are_what_the_schema_says(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    from tests.cli.test_json import judge

    not_a_database(machine)
    for words in (["verify"], ["verify", "--fix", "-n"], ["verify", "--fix", "-y"]):
        capfd.readouterr()
        main(["-D", str(machine.root), "--json", *words])
        judge("verify", json.loads(capfd.readouterr().out))


@pytest.mark.parametrize("from_copy", [True, False], ids=["copy", "trees"])
def test_the_new_record_is_durable_before_the_old_one_goes_and_alone_before_it_has_its_name(
    machine: Machine, *, from_copy: bool
) -> None:
    """A log of the old record beside the new one would be taken for its own."""
    record = machine.root / ".moss/db/moss.db"
    if from_copy:
        not_a_database(machine)
        Path(f"{record}-wal").write_bytes(b"a log")
    else:
        without_copy(machine)
    effects, aside, directory = Telling(), f"{record}.moss-new", str(record.parent)
    rebuild(Root.at(str(machine.root)), effects, Silence(), lambda: 1_000_000, command="moss verify --fix", wait=0)
    lost = machine.root / ".moss/lost/record-1"
    end = [f"fsync {aside}"]
    if from_copy:
        end += [f"rename {record}{suffix} -> {lost}/moss.db{suffix}" for suffix in ("-wal", "")]
        end += [f"fsync {place}" for place in (lost, lost.parent, lost.parent.parent, directory)]
    told = [line for line in effects.told if not line.startswith("mkdir ")]
    assert told[-len(end) - 2 :] == [*end, f"rename {aside} -> {record}", f"fsync {directory}"]
    before = told[: -len(end) - 2]
    if from_copy:
        assert before == []
    else:
        assert before[-1].startswith("syncfs ")  # files that the trees gave to the store


@pytest.mark.parametrize("damage", [garbled, without_copy], ids=["copy", "trees"])
def test_a_crash_while_rebuilding_is_harmless(
    template: Machine, tmp_path: Path, damage: Callable[[Machine], None]
) -> None:
    def act(root: Path, effects: Effects) -> None:
        rebuild(Root.at(str(root)), effects, Silence(), lambda: 1_000_000, command="moss verify --fix", wait=0)

    for point in range(0, 10_000, STEP):
        machine = copied(template, tmp_path / f"{point}")
        damage(machine)
        finished = crash_at(point, lambda effects, machine=machine: act(machine.root, effects))
        if main(["-D", str(machine.root), "verify"]) == 7:
            act(machine.root, default_effects())
        machine.check_whole()
        shutil.rmtree(machine.root)
        if finished:
            break
    assert point > 3
