"""The copy of the record is the record, whatever happened in between, and costs what changed."""

import os
import random
import sqlite3
from pathlib import Path

import pytest

from moss.db import forgetting
from moss.db.copying import restored, update_copy
from moss.merge import LayoutCollision
from moss.observed_effects import Moment, ObservedEffects
from moss.operations.activate import activate, propose_activation
from moss.operations.queries import summaries
from moss.operations.system import open_to_change
from tests.counting import CountingEffects
from tests.histories import fill
from tests.test_spare import tidy
from tests.transactions import Repository, changing, make

SLOW = bool(os.environ.get("MOSS_SLOW"))


def step(
    root: Path, repository: Repository, labels: dict[str, list[str]], chosen: dict[str, str], chance: random.Random
) -> dict[str, str]:
    """A new generation a few packages away from the last; what collides is tried otherwise."""
    for _ in range(20):
        wanted = dict(chosen)
        for name in chance.sample(sorted(labels), chance.randint(1, 2)):
            if name in wanted and chance.random() < 0.4:
                del wanted[name]
            else:
                wanted[name] = chance.choice(labels[name])
        try:
            make(root, repository, *wanted.values())
        except LayoutCollision:
            continue
        return wanted
    return chosen


def go_elsewhere(root: Path, repository: Repository, chance: random.Random) -> None:
    with changing(root, repository) as system:
        there = [summary.generation.id for summary in summaries(system) if summary.has_tree]
        activate(system, propose_activation(system, chance.choice(there)))


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found = {name: sorted(database.execute(f"SELECT * FROM {name}"), key=repr) for name in tables}
    database.close()
    return found


def compared(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Without what upkeep still had under way while it copied the record, whether the spare is whole, and without
    what nobody needs any more. A record that is brought back from its copy makes do with less."""
    found = rows(path)
    found.pop("left_out", None)  # the copy's own
    needed = {row[6] for row in found["layout"]}
    assets = [row[:-1] for row in found["asset"] if row[0] in needed]
    return found | {"asset": assets, "unneeded": [], "leaving": [], "spare": [row[:-1] for row in found["spare"]]}


def schema(path: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        found = list(database.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"))
        found += list(database.execute("PRAGMA user_version")) + list(database.execute("PRAGMA application_id"))
    database.close()
    return found


def record_of(root: Path) -> Path:
    return root / ".moss/db/moss.db"


def copy_of(root: Path) -> Path:
    return root / ".moss/copy/moss.db"


@pytest.mark.slow_too
def test_the_copy_follows_every_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(12 if SLOW else 1):
        chance = random.Random(seed)
        monkeypatch.setattr(forgetting, "ENOUGH", chance.choice((2, 10, 20_000)))
        repository = Repository(tmp_path / f"packages-{seed}")
        labels = fill(repository, chance)
        root = tmp_path / f"root-{seed}"
        chosen: dict[str, str] = {}
        for _ in range(12 if SLOW else 7):
            chosen = step(root, repository, labels, chosen, chance)
            if chance.random() < 0.3:
                go_elsewhere(root, repository, chance)
            if chance.random() < 0.8:  # several changes may come between two copies
                tidy(root, repository, keep=chance.choice((1, 2, 3)))
                assert compared(copy_of(root)) == compared(record_of(root)), f"history {seed}"
        inode = copy_of(root).stat().st_ino
        tidy(root, repository, keep=1)
        assert copy_of(root).stat().st_ino == inode, "it was carried over, not made anew"


def test_a_copy_that_is_made_anew_is_durable_before_it_has_its_name_and_its_name_after(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "packages")
    labels = fill(repository, random.Random(1))
    step(tmp_path / "root", repository, labels, {}, random.Random(2))
    effects, copy = Telling(), str(tmp_path / "copy/moss.db")
    (tmp_path / "copy").mkdir()
    with changing(tmp_path / "root", repository) as system:
        update_copy(system.record, copy, effects)
    aside = f"{copy}.moss-new"
    assert effects.told == [
        f"chmod {aside}", f"fsync {aside}", f"rename {aside} -> {copy}", f"fsync {tmp_path / 'copy'}",
        "commit_point record copied",
    ]  # fmt: skip


def test_a_copy_comes_back_with_the_indexes_and_triggers_that_it_was_kept_without(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "packages")
    step(tmp_path / "root", repository, fill(repository, random.Random(1)), {}, random.Random(2))
    tidy(tmp_path / "root", repository, keep=3)
    record, copy, back = record_of(tmp_path / "root"), copy_of(tmp_path / "root"), tmp_path / "back.db"
    assert not [name for kind, name, sql, *_ in schema(copy)[:-2] if kind != "table" and sql is not None]
    assert restored(str(copy), str(back))
    assert schema(back) == schema(record)
    assert compared(back) == compared(record)


def test_a_database_that_is_no_copy_is_not_taken_for_one(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE package (id INTEGER PRIMARY KEY)")
    assert not restored(str(tmp_path / "other.db"), str(tmp_path / "back.db"))


class Telling(ObservedEffects):
    """Writes down what was done."""

    def __init__(self) -> None:
        super().__init__(apply_owners=os.geteuid() == 0)
        self.told: list[str] = []

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        if moment == "after":
            self.told.append(f"{kind} {target}")


@pytest.mark.parametrize("damage", ["gone", "cut", "garbage", "another schema", "rows of another"])
def test_a_copy_that_cannot_be_carried_on_is_made_anew(tmp_path: Path, damage: str) -> None:
    repository = Repository(tmp_path / "packages")
    labels = fill(repository, random.Random(1))
    root = tmp_path / "root"
    chosen = step(root, repository, labels, {}, random.Random(2))
    tidy(root, repository, keep=3)
    copy = copy_of(root)
    match damage:
        case "gone":
            copy.unlink()
        case "cut":
            os.truncate(copy, copy.stat().st_size // 2)
        case "garbage":
            copy.write_bytes(b"garbage" * 1000)
        case "another schema":
            with sqlite3.connect(copy) as database:
                database.execute("CREATE TABLE more (id INTEGER PRIMARY KEY)")
        case "rows of another":
            with sqlite3.connect(copy) as database:
                database.execute("UPDATE package SET digest = 'f' || substr(digest, 2) WHERE id = 1")
                database.execute("INSERT INTO setting VALUES ('retention', 9)")
    step(root, repository, labels, chosen, random.Random(3))
    tidy(root, repository, keep=3)
    assert compared(copy_of(root)) == compared(record_of(root))


def test_a_copy_costs_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes written to the copy, and effects: the same beside a big package as beside a small one."""
    from tests.builders import metadata

    written = []
    for size in (20, 2000):
        repository = Repository(tmp_path / f"packages-{size}")
        repository.publish("big", metadata("big"), {f"share/big/{number:05}": f"{number}" for number in range(size)})
        repository.publish("p-1", metadata("p", "1"), {"bin/p": "1"})
        repository.publish("p-2", metadata("p", "2"), {"bin/p": "2"})
        root = tmp_path / f"root-{size}"
        make(root, repository, "big", "p-1")
        tidy(root, repository, keep=3)
        make(root, repository, "big", "p-2")
        before = copy_of(root).read_bytes()
        effects = CountingEffects()
        with changing(root, repository) as system:
            update_copy(system.record, str(copy_of(root)), effects)
        after = copy_of(root).read_bytes()
        pages = range(0, max(len(before), len(after)), 4096)
        written.append((sum(before[at : at + 4096] != after[at : at + 4096] for at in pages), effects.total))
    assert written[1][0] <= written[0][0] + 6, written  # deeper trees of pages
    assert written[0][1] == written[1][1]


def test_a_damaged_record_never_reaches_a_good_copy(tmp_path: Path) -> None:
    from moss.errors import CorruptData

    repository = Repository(tmp_path / "packages")
    labels = fill(repository, random.Random(1))
    root = tmp_path / "root"
    step(root, repository, labels, {}, random.Random(2))
    tidy(root, repository, keep=3)
    before = rows(copy_of(root))
    with open_to_change(str(root), command="moss test") as system:
        system.record.connection.wal_checkpoint()
    with record_of(root).open("r+b") as record:
        record.seek(4096 * 3)
        record.write(os.urandom(4096 * 6))
    with pytest.raises(CorruptData, match=r"damaged|not a sound"), open_to_change(str(root), command="x") as system:
        copy_of(root).chmod(0o600)
        with sqlite3.connect(copy_of(root)) as copy:  # so that it would be copied whole
            copy.execute("CREATE TABLE more (id INTEGER PRIMARY KEY)")
        update_copy(system.record, str(copy_of(root)), system.effects)
    with sqlite3.connect(copy_of(root)) as copy:
        copy.execute("DROP TABLE more")
    assert rows(copy_of(root)) == before
