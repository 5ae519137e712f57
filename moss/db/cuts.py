"""Cuts: packages as generations with a path filter have them, and which files are in the store because of that.

A file is present when a cut has a path of it. Paths that a cut omits are rows of their own, so that what asks
for the paths of a generation needs no pattern; a filter that omits nothing costs nothing.
"""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from moss.db.connection import Database
from moss.db.packages import Asset, has_digest, metadata_of
from moss.digest import EMPTY_CONTENT, ContentDigest, PackageDigest
from moss.generation import FilterId, PackageId
from moss.path_filter import NOTHING_OMITTED, PathFilter, as_plain, from_plain, left_out, matcher
from moss.root import GenerationId

_DIRECTORY = 3


def not_omitted(path_filter: str, layout: str = "layout") -> str:
    """The condition that a filter leaves a row of `layout` in; both are texts of SQL."""
    return (
        f"NOT EXISTS (SELECT 1 FROM omitted WHERE omitted.package = {layout}.package"
        f" AND omitted.path_filter = {path_filter} AND omitted.path = {layout}.path)"
    )


def is_present(asset: str) -> str:
    """The condition that an asset, by its number, is in the store."""
    return (
        "EXISTS (SELECT 1 FROM layout AS had CROSS JOIN cut ON cut.package = had.package"
        f" WHERE had.asset = {asset} AND {not_omitted('cut.path_filter', 'had')})"
    )


def filter_number(database: Database, path_filter: PathFilter) -> FilterId:
    """The filter's row, which is written where it is new."""
    text = filter_text(path_filter)
    insert = "INSERT INTO path_filter (omissions) VALUES (?) ON CONFLICT DO NOTHING"
    database.connection.execute(insert, (text,))
    row = database.connection.execute("SELECT id FROM path_filter WHERE omissions = ?", (text,)).fetchone()
    assert row is not None
    return FilterId(row[0])


def filter_of(database: Database, generation: GenerationId | None) -> FilterId:
    """What a generation leaves out, by its number; nothing when there is no generation."""
    row = database.connection.execute("SELECT path_filter FROM generation WHERE id = ?", (generation,)).fetchone()
    return FilterId(1 if row is None else row[0])


def omissions_of(database: Database, generation: GenerationId | None) -> PathFilter:
    """What a generation leaves out."""
    return omissions(database, filter_of(database, generation))


def omissions(database: Database, number: FilterId) -> PathFilter:
    row = database.connection.execute("SELECT omissions FROM path_filter WHERE id = ?", (number,)).fetchone()
    assert row is not None
    return from_plain(json.loads(str(row[0])))


def filter_text(path_filter: PathFilter) -> str:
    """As the record keeps it: canonical JSON."""
    return json.dumps(as_plain(path_filter), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def make_cuts(database: Database, chosen: Iterable[PackageId], number: FilterId) -> None:
    """Let these packages be had under a filter. `lacking` then gives the files that the store has not got for it.

    These must be durable in the store before the transaction that this is called in is committed.
    """
    execute = database.connection.execute
    with database.transaction():
        for table in ("fresh (package INTEGER PRIMARY KEY)", "lacking (asset INTEGER PRIMARY KEY)"):
            execute(f"CREATE TEMP TABLE IF NOT EXISTS {table}")
        execute("CREATE TEMP TABLE IF NOT EXISTS going (package INTEGER, path TEXT, omission INTEGER,"
                " PRIMARY KEY (package, path)) WITHOUT ROWID")  # fmt: skip
        for table in ("fresh", "lacking", "going"):
            execute(f"DELETE FROM {table}")
        database.connection.executemany("INSERT OR IGNORE INTO fresh VALUES (?)", ((one,) for one in chosen))
        execute("DELETE FROM fresh WHERE package IN (SELECT package FROM cut WHERE path_filter = ?)", (number,))
        database.connection.executemany("INSERT INTO going VALUES (?, ?, ?)", _going(database, number))
        execute(
            "INSERT OR IGNORE INTO lacking SELECT asset FROM fresh CROSS JOIN layout USING (package)"
            " WHERE asset IS NOT NULL AND NOT EXISTS (SELECT 1 FROM going"
            " WHERE going.package = layout.package AND going.path = layout.path)"
            f" AND NOT {is_present('layout.asset')}"
        )
        execute("INSERT INTO cut (package, path_filter) SELECT package, ? FROM fresh", (number,))
        execute(
            "INSERT INTO omitted (package, path_filter, path, omission) SELECT package, ?, path, omission FROM going",
            (number,),
        )


def _going(database: Database, number: FilterId) -> Iterator[tuple[int, str, int]]:
    """What the filter leaves out of the fresh packages."""
    path_filter = omissions(database, number)
    if not path_filter:
        return
    omits = matcher(path_filter)
    for package in [int(str(row[0])) for row in database.connection.execute("SELECT package FROM fresh")]:
        rows = database.connection.execute("SELECT path, kind FROM layout WHERE package = ?", (package,))
        for path, omission in left_out([(path, kind == _DIRECTORY) for path, kind in rows], omits):
            yield package, path, omission


class Cut(NamedTuple):
    """A package as it is had under a filter."""

    package: PackageId
    path_filter: PathFilter = NOTHING_OMITTED


def cuts_on_record(database: Database) -> dict[PathFilter, set[PackageDigest]]:
    """Which packages are had under which filter; under none, if at all."""
    rows = database.connection.execute(
        "SELECT path_filter, digest FROM cut JOIN package ON package.id = cut.package ORDER BY path_filter"
    ).fetchall()
    filters = {number: omissions(database, FilterId(int(str(number)))) for number, _ in rows}
    found: dict[PathFilter, set[PackageDigest]] = {}
    for number, digest in rows:
        found.setdefault(filters[number], set()).add(PackageDigest(str(digest)))
    whole = found.get(NOTHING_OMITTED, set())
    return {one: digests if one == NOTHING_OMITTED else digests - whole for one, digests in found.items()}


def incomplete(
    database: Database, chosen: Iterable[PackageId], path_filter: PathFilter
) -> dict[PackageId, int]:
    """Those of the packages of whose files, had under this filter, some are not in the store; each with their bytes."""
    whole = "SELECT package FROM cut JOIN path_filter ON path_filter.id = cut.path_filter WHERE omissions IN ('[]', ?)"
    there = {PackageId(int(str(row[0]))) for row in database.connection.execute(whole, (filter_text(path_filter),))}
    omits = matcher(path_filter)
    found: dict[PackageId, int] = {}
    for package in chosen:
        if package not in there:
            absent = {asset: size for path, asset, size in _absent(database, package) if omits(path) is None}
            if absent:
                found[package] = sum(absent.values())
    return found


def _absent(database: Database, package: PackageId) -> Iterator[tuple[str, int, int]]:
    """The files of a package that are not in the store: path, the asset's number, bytes."""
    rows = database.connection.execute(
        "SELECT path, asset.id, size FROM layout JOIN asset ON asset.id = layout.asset"
        f" WHERE package = ? AND digest <> ? AND NOT {is_present('asset.id')}",
        (package, EMPTY_CONTENT),
    )
    return ((str(path), int(number), int(size)) for path, number, size in rows)


def lacking(database: Database) -> Iterator[tuple[Asset, int]]:
    """What is still to be written of what `make_cuts` found lacking, each with its size in bytes."""
    rows = database.connection.execute(
        "SELECT digest, permissions, uid, gid, xattrs, size FROM lacking CROSS JOIN asset ON asset.id = lacking.asset"
    )
    return ((Asset(*asset), size) for *asset, size in rows)


def wanted_of(database: Database, package: PackageId, number: FilterId) -> dict[Asset, bool]:
    """The files of a cut, each with whether the store lacks it."""
    rows = database.connection.execute(
        "SELECT DISTINCT digest, permissions, asset.uid, asset.gid, xattrs, asset.id IN (SELECT asset FROM lacking)"
        f" FROM layout JOIN asset ON asset.id = layout.asset WHERE package = ? AND {not_omitted('?')}",
        (package, number),
    )
    return {Asset(*asset): bool(is_lacking) for *asset, is_lacking in rows}


def lacking_contents(database: Database) -> set[ContentDigest]:
    """The contents of what is still to be written."""
    rows = database.connection.execute("SELECT digest FROM lacking CROSS JOIN asset ON asset.id = lacking.asset")
    return {ContentDigest(digest) for (digest,) in rows}


def still_lacking(database: Database) -> list[str]:
    """The fresh packages that have what was not written, by label; files of zero length are never kept."""
    rows = database.connection.execute(
        "SELECT DISTINCT name || ' ' || version || '-' || release FROM lacking"
        " CROSS JOIN asset ON asset.id = lacking.asset AND asset.digest <> ?"
        " JOIN layout ON layout.asset = asset.id JOIN fresh USING (package)"
        " JOIN package ON package.id = layout.package ORDER BY 1",
        (EMPTY_CONTENT,),
    )
    return [str(label) for (label,) in rows]


def lacking_with_content(database: Database, digest: ContentDigest) -> list[Asset]:
    """What is still to be written and has this content."""
    return _with_content(database, digest, "id IN (SELECT asset FROM lacking)")


def present_with_content(database: Database, digest: ContentDigest) -> list[Asset]:
    """The assets in the store that have this content, oldest first."""
    return _with_content(
        database, digest, f"id NOT IN (SELECT asset FROM lacking) AND {is_present('asset.id')}"
    )


def stored_with_content(database: Database, digest: ContentDigest) -> list[Asset]:
    """The assets that the store should have with this content, oldest first, where nothing is on its way there."""
    return _with_content(database, digest, is_present("asset.id"))


def _with_content(database: Database, digest: ContentDigest, condition: str) -> list[Asset]:
    rows = database.connection.execute(
        f"SELECT digest, permissions, uid, gid, xattrs FROM asset WHERE {has_digest('?1')} AND {condition} ORDER BY id",
        (digest,),
    )
    return [Asset(*row) for row in rows]


def size_of(database: Database, digest: ContentDigest) -> int | None:
    """The bytes of a content that some layout has."""
    row = database.connection.execute(f"SELECT size FROM asset WHERE {has_digest('?1')} LIMIT 1", (digest,)).fetchone()
    return None if row is None else int(row[0])


def cut_has_come(database: Database, package: PackageId, number: FilterId) -> None:
    """All that was lacking of a cut is in the store now."""
    database.connection.execute(
        f"DELETE FROM lacking WHERE asset IN (SELECT asset FROM layout WHERE package = ? AND {not_omitted('?')})",
        (package, number),
    )


def content_has_come(database: Database, digest: ContentDigest) -> None:
    """All that was lacking with this content is in the store now."""
    database.connection.execute(
        f"DELETE FROM lacking WHERE asset IN (SELECT id FROM asset WHERE {has_digest('?1')})", (digest,)
    )


def present(database: Database) -> Iterator[Asset]:
    """Every asset that the store has, by digest."""
    rows = database.connection.execute(
        f"SELECT digest, permissions, uid, gid, xattrs FROM asset WHERE {is_present('asset.id')} ORDER BY digest"
    )
    return (Asset(*row) for row in rows)


def filters(database: Database) -> list[PathFilter]:
    """Whatever generations have left out, but for nothing."""
    rows = database.connection.execute("SELECT omissions FROM path_filter WHERE omissions <> '[]' ORDER BY id")
    return [from_plain(json.loads(str(text))) for (text,) in rows]


def anything_omitted(database: Database) -> bool:
    """Whether any generation ever left something out."""
    query = "SELECT 1 FROM path_filter WHERE omissions <> '[]' LIMIT 1"
    return database.connection.execute(query).fetchone() is not None


def omission_at(database: Database, generation: GenerationId, path: str) -> int | None:
    """Which omission of a generation's filter takes what its packages have at a path and below it; None where
    something stays, or nobody has anything there."""
    number = filter_of(database, generation)
    there = (
        " FROM layout CROSS JOIN selection ON selection.package = layout.package AND generation = ?2 {}"
        " WHERE layout.path = ?3 OR layout.path > ?3 || '/' AND layout.path < ?3 || '0'"
    )
    omitted = (
        "CROSS JOIN omitted ON omitted.package = layout.package AND omitted.path = layout.path"
        " AND omitted.path_filter = ?1"
    )
    values = (number, generation, path)
    stays = f"SELECT 1 {there.format('AND ' + not_omitted('?1'))} LIMIT 1"
    if database.connection.execute(stays, values).fetchone():
        return None
    row = database.connection.execute(f"SELECT omission {there.format(omitted)} LIMIT 1", values).fetchone()
    return None if row is None else int(row[0])


def holders_at(
    database: Database, generation: GenerationId | None, path: str
) -> list[tuple[str, str, int | None]]:
    """The packages of a generation that have a path, or something below it: each one's label, the path itself or
    one below it, and which omission of the generation's filter takes that; None where it stays. By package, what
    stays first."""
    rows = database.connection.execute(
        "SELECT layout.package, layout.path, omission FROM selection CROSS JOIN layout"
        " ON layout.package = selection.package LEFT JOIN omitted ON omitted.package = layout.package"
        " AND omitted.path = layout.path AND omitted.path_filter = ?1 WHERE generation = ?2"
        " AND (layout.path = ?3 OR layout.path > ?3 || '/' AND layout.path < ?3 || '0')"
        " ORDER BY layout.package, omission IS NOT NULL, layout.path",
        (filter_of(database, generation), generation, path),
    )
    first = dict[int, tuple[str, int | None]]()
    for package, place, omission in rows:
        first.setdefault(int(package), (str(place), None if omission is None else int(omission)))
    return [(metadata_of(database, PackageId(one)).label, *found) for one, found in first.items()]


def sizes_left_out(database: Database, generation: GenerationId | None) -> dict[int, int]:
    """Bytes of what each omission takes from a generation: files of which the generation has no other path."""
    rows = database.connection.execute(
        "WITH here AS MATERIALIZED (SELECT DISTINCT asset FROM selection CROSS JOIN layout USING (package)"
        f" WHERE generation = ?1 AND asset IS NOT NULL AND {not_omitted('?2')}),"
        " gone AS (SELECT asset, min(omission) AS omission FROM selection CROSS JOIN omitted USING (package)"
        " JOIN layout USING (package, path) WHERE generation = ?1 AND path_filter = ?2 AND asset IS NOT NULL"
        " AND asset NOT IN (SELECT asset FROM here) GROUP BY asset)"
        " SELECT omission, sum(size) FROM gone JOIN asset ON asset.id = gone.asset GROUP BY omission",
        (generation, filter_of(database, generation)),
    )
    return {int(omission): int(size) for omission, size in rows}
