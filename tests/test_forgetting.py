"""Forgetting packages that no generation has: which files leave the store, also after a crash kept them there."""

from pathlib import Path

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
