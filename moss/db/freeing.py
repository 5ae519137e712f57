"""What would leave the store with some generations: told from the record, before any work."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from moss.db.connection import Database
from moss.digest import EMPTY_CONTENT
from moss.root import GenerationId

# A package that no staying generation consists of. `?1` is a JSON list of the generations that go.
_UNUSED = (
    "SELECT id FROM package WHERE NOT EXISTS (SELECT 1 FROM selection"
    " WHERE package = package.id AND generation NOT IN (SELECT value FROM json_each(?1)))"
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
        f"WITH unused (package) AS MATERIALIZED ({_UNUSED})"
        " SELECT count(*), coalesce(sum(size), 0) FROM asset WHERE digest <> ?2"
        " AND id IN (SELECT asset FROM layout WHERE package IN unused AND asset IS NOT NULL)"
        " AND NOT EXISTS (SELECT 1 FROM layout WHERE asset = asset.id AND package NOT IN unused)",
        (numbers, EMPTY_CONTENT),
    ).fetchone()
    assert row is not None
    return Freed(tuple(str(label) for (label,) in packages), int(row[0]), int(row[1]))
