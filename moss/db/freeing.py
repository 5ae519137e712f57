"""What would leave the store with some generations: told from the record, before any work."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from moss.db.connection import Database
from moss.db.cuts import not_omitted
from moss.digest import EMPTY_CONTENT
from moss.root import GenerationId

# `?1` is a JSON list of the generations that go.
_UNUSED = (
    "SELECT id FROM package WHERE NOT EXISTS (SELECT 1 FROM selection"
    " WHERE package = package.id AND generation NOT IN (SELECT value FROM json_each(?1)))"
)
# Cuts that no generation has which stays, and those that one has.
_GOING = (
    "SELECT package, path_filter FROM cut WHERE NOT EXISTS (SELECT 1 FROM selection JOIN generation"
    " ON generation.id = selection.generation WHERE selection.package = cut.package"
    " AND generation.path_filter = cut.path_filter AND generation.id NOT IN (SELECT value FROM json_each(?1)))"
)


class Freed(NamedTuple):
    """What only the generations that go have. Names of trees and rows of the record come on top."""

    packages: tuple[str, ...]
    """`name version`, by name."""
    files: int
    size: int
    """Bytes."""


def freed_with(database: Database, going: Sequence[GenerationId]) -> Freed:
    """What the store could give back if these generations were given up."""
    numbers = json.dumps(list(going))
    packages = database.connection.execute(
        f"SELECT name || ' ' || version || '-' || release FROM package WHERE id IN ({_UNUSED}) ORDER BY name, id",
        (numbers,),
    ).fetchall()
    row = database.connection.execute(
        f"WITH going (package, path_filter) AS MATERIALIZED ({_GOING})"
        " SELECT count(*), coalesce(sum(size), 0) FROM asset WHERE digest <> ?2"
        " AND id IN (SELECT asset FROM going CROSS JOIN layout USING (package)"
        f" WHERE asset IS NOT NULL AND {not_omitted('going.path_filter')})"
        " AND NOT EXISTS (SELECT 1 FROM layout AS had CROSS JOIN cut ON cut.package = had.package"
        " WHERE had.asset = asset.id AND (cut.package, cut.path_filter) NOT IN (SELECT * FROM going)"
        f" AND {not_omitted('cut.path_filter', 'had')})",
        (numbers, EMPTY_CONTENT),
    ).fetchone()
    assert row is not None
    return Freed(tuple(str(label) for (label,) in packages), int(row[0]), int(row[1]))
