"""Forgetting packages that no generation has: which files leave the store, also after a crash kept them there."""

from pathlib import Path

import pytest

from moss.db import cuts, forgetting, packages
from moss.db.connection import Database, open_record
from moss.digest import PackageDigest, content_digest
from moss.generation import NO_FILTER, PackageId
from moss.layout import Entry, regular
from tests.builders import metadata


def entry(path: str) -> Entry:
    return regular(path, content_digest(path.encode()))


def record(database: Database, name: str, *layout: Entry) -> None:
    packages.record_package(
        database,
        metadata(name),
        PackageDigest(content_digest(name.encode()).hex() * 2),
        candidate_key=name,
        repository="main",
        stone_size=1,
        layout=layout,
        sizes={one.digest: 1 for one in layout if one.digest is not None},
    )


def select(database: Database, name: str) -> None:
    execute = database.connection.execute
    execute("INSERT OR IGNORE INTO generation (id, created_at, command, status) VALUES (1, 0, '', 'complete')")
    execute("INSERT INTO selection SELECT 1, id, '{}' FROM package WHERE name = ?", (name,))
    rows = [PackageId(row) for (row,) in execute("SELECT id FROM package WHERE name = ?", (name,))]
    cuts.make_cuts(database, rows, NO_FILTER)


def test_what_only_unused_packages_have_leaves(tmp_path: Path) -> None:
    database = open_record(str(tmp_path / "moss.db"), writable=True)
    record(database, "used", entry("shared"), entry("own"))
    record(database, "one", entry("shared"), entry("first"))
    record(database, "two", entry("first"), entry("second"))
    select(database, "used")
    assert forgetting.forget_unused(database) == set(map(packages.asset_of, (entry("first"), entry("second"))))
    assert [found.name for _, found in packages.recorded(database)] == ["used"]
    assert len(list(cuts.present(database))) == 2


def test_what_was_kept_from_leaving_leaves_later_unless_it_is_needed_again(tmp_path: Path) -> None:
    database = open_record(str(tmp_path / "moss.db"), writable=True)
    record(database, "one", entry("first"), entry("second"))
    both = forgetting.forget_unused(database)
    assert len(both) == 2
    assert forgetting.forget_unused(database) == both
    record(database, "again", entry("second"))
    select(database, "again")
    assert forgetting.forget_unused(database) == {packages.asset_of(entry("first"))}
    forgetting.have_left(database)
    assert forgetting.forget_unused(database) == set()


def assets(database: Database) -> dict[str, tuple[int, int]]:
    """How many rows each file object has, and how many of them are young."""
    names = {content_digest(name.encode()): name for name in ("shared", "first", "second", "third")}
    rows = database.connection.execute("SELECT digest, count(*), sum(young) FROM asset GROUP BY digest")
    return {names[digest]: (count, young) for digest, count, young in rows}


def test_assets_settle_and_those_of_no_layout_go_once_there_are_enough_and_are_one_row_till_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_record(str(tmp_path / "moss.db"), writable=True)
    monkeypatch.setattr(forgetting, "ENOUGH", 2)
    record(database, "used", entry("shared"), entry("first"))
    select(database, "used")
    record(database, "one", entry("shared"), entry("second"))
    forgetting.forget_unused(database)
    assert assets(database) == {"shared": (1, 1), "first": (1, 1), "second": (1, 1)}
    record(database, "two", entry("shared"), entry("third"))
    forgetting.forget_unused(database)  # now there are two that no layout has any more
    assert assets(database) == {"shared": (1, 0), "first": (1, 0)}
    record(database, "again", entry("shared"), entry("second"), entry("third"))
    assert assets(database) == {"shared": (1, 0), "first": (1, 0), "second": (1, 1), "third": (1, 1)}
    monkeypatch.setattr(forgetting, "ENOUGH", 100)
    forgetting.forget_unused(database)
    forgetting.have_left(database)
    assert len(assets(database)) == 4, "what is unneeded waits"
    record(database, "back", entry("second"))
    assert assets(database)["second"] == (1, 1), "and is found again"
    select(database, "back")
    monkeypatch.setattr(forgetting, "ENOUGH", 1)
    assert forgetting.forget_unused(database) == set()
    assert assets(database) == {"shared": (1, 0), "first": (1, 0), "second": (1, 0)}
    assert len(list(cuts.present(database))) == 3


def test_what_comes_in_great_number_is_settled_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_record(str(tmp_path / "moss.db"), writable=True)
    monkeypatch.setattr(packages, "_MUCH", database.connection.total_changes() + 4)
    record(database, "one", entry("first"))
    record(database, "two", entry("second"))
    assert assets(database) == {"first": (1, 1), "second": (1, 0)}
