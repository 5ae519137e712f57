"""Whole layouts of many packages, row by row in the order of a tree: never all of them in memory."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from moss.db.connection import Database
from moss.db.cuts import not_omitted
from moss.generation import NO_FILTER, FilterId, PackageId
from moss.layout import Entry, EntryKind
from moss.xattrs import NO_XATTRS

if TYPE_CHECKING:
    from moss.survey import Row

_KINDS = {int(kind): kind for kind in EntryKind}

_ROWS = (
    "SELECT name, layout.path, kind, mode, layout.uid, layout.gid, asset.digest, link_target, xattrs"
    " FROM json_each(?1) AS chosen CROSS JOIN package ON package.id = chosen.value"
    " CROSS JOIN layout ON layout.package = package.id LEFT JOIN asset ON asset.id = layout.asset"
)
# As moss.layout.tree_order sorts.
_IN_TREE_ORDER = " ORDER BY replace(layout.path, '/', char(1)), name, package.id"


def rows_of(
    database: Database, packages: Sequence[PackageId], path_filter: FilterId = NO_FILTER
) -> Iterator[tuple[str, Entry]]:
    """Every entry of these packages with its package's name; at one path in the order of the names."""
    return _read(database, _ROWS + _where(path_filter) + _IN_TREE_ORDER, (json.dumps(packages), path_filter))


def rows_below(
    database: Database, packages: Sequence[PackageId], directory: str, path_filter: FilterId = NO_FILTER
) -> Iterator[tuple[str, Entry]]:
    """As `rows_of`, of what is below a directory only."""
    condition = _where(path_filter, "layout.path > ?3 AND layout.path < ?4")
    values = (json.dumps(packages), path_filter, f"{directory}/", f"{directory}0")
    return _read(database, _ROWS + condition + _IN_TREE_ORDER, values)


def links_of(
    database: Database, packages: Sequence[PackageId], path_filter: FilterId = NO_FILTER
) -> dict[str, str]:
    """Every symlink of these packages with its target, but for those that triggers made."""
    rows = database.connection.execute(
        "SELECT layout.path, link_target FROM json_each(?1) AS chosen"
        " CROSS JOIN package ON package.id = chosen.value AND made_by IS NULL"
        f" CROSS JOIN layout ON layout.package = chosen.value AND kind = 2 {_where(path_filter)}",
        (json.dumps(packages), path_filter),
    )
    return dict(rows)


def links_in(
    database: Database, packages: Iterable[PackageId], path_filter: FilterId
) -> Iterator[tuple[str, str, str]]:
    """The symlinks that the filter leaves of these packages: package name, path, target."""
    for one in packages:
        rows = database.connection.execute(
            "SELECT name, path, link_target FROM layout JOIN package ON package.id = package"
            f" WHERE package = ? AND kind = 2 AND {not_omitted('?')}",
            (one, path_filter),
        )
        yield from ((str(name), str(path), str(target)) for name, path, target in rows)


def to_survey(
    database: Database, packages: Iterable[tuple[str, PackageId]]
) -> "Iterator[tuple[str, list[Row]]]":
    """All paths of packages, package by package, for `moss.survey`."""
    from moss.survey import Row  # another filter is rare

    for name, one in packages:
        rows = database.connection.execute(
            "SELECT path, kind = 3, asset, coalesce(size, 0), link_target FROM layout"
            " LEFT JOIN asset ON asset.id = layout.asset WHERE package = ?",
            (one,),
        )
        yield name, [Row(path, bool(is_directory), *rest) for path, is_directory, *rest in rows]


def has_below(
    database: Database, packages: Sequence[PackageId], directories: Sequence[str], path_filter: FilterId = NO_FILTER
) -> list[str]:
    """Which of these paths have something of these packages below them."""
    below = _where(path_filter, "layout.path > asked.value || '/' AND layout.path < asked.value || '0'")
    rows = database.connection.execute(
        "WITH chosen (package) AS MATERIALIZED (SELECT value FROM json_each(?1))"
        " SELECT asked.value FROM json_each(?3) AS asked"
        f" WHERE EXISTS (SELECT 1 FROM layout {below} AND package IN chosen)",
        (json.dumps(packages), path_filter, json.dumps(directories)),
    )
    return [path for (path,) in rows]


def _where(path_filter: FilterId, condition: str = "?2") -> str:
    """The condition, and that the filter leaves a path in; its number is the second value bound, and above 0."""
    return f" WHERE {condition}" if path_filter == NO_FILTER else f" WHERE {condition} AND {not_omitted('?2')}"


def _read(database: Database, query: str, values: tuple[str | int, ...]) -> Iterator[tuple[str, Entry]]:
    kinds = _KINDS
    for name, path, kind, mode, uid, gid, digest, target, xattrs in database.connection.execute(query, values):
        yield name, Entry(path, kinds[kind], mode, uid, gid, digest, target, xattrs or NO_XATTRS)
