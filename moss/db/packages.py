"""Packages on record, with their layouts and assets. Which of their files are in the store: moss/db/cuts.py."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from moss.db.connection import Database
from moss.db.statements import metadata_from, statement_of
from moss.digest import ContentDigest, PackageDigest
from moss.generation import PackageId
from moss.layout import Entry, EntryKind
from moss.merge import Replaces
from moss.package import Metadata
from moss.xattrs import NO_XATTRS, Xattrs
from solver.formula import parse_relation

if TYPE_CHECKING:
    from moss.plan import Chosen


_MUCH = 100_000
"""Rows written by one process: what comes when so many were goes to the settled assets at once."""


class Asset(NamedTuple):
    """A file object in the store: content and metadata together, since hard links share both."""

    digest: ContentDigest
    permissions: int
    """st_mode & 07777."""
    uid: int
    gid: int
    xattrs: Xattrs = NO_XATTRS


def asset_of(entry: Entry) -> Asset:
    """The asset that a regular file is a link to."""
    assert entry.digest is not None
    return Asset(entry.digest, entry.mode & 0o7777, entry.uid, entry.gid, entry.xattrs)


def has_digest(digest: str) -> str:
    """The condition that a row of `asset` has this content, by which it is also found; `digest` is a text of SQL."""
    same = f"substr(asset.digest, 1, 4) = substr({digest}, 1, 4) AND asset.digest = {digest}"
    return f"(asset.young = 1 AND {same} OR asset.young = 0 AND {same})"


def unpacked(database: Database, digest: PackageDigest) -> PackageId | None:
    """The package's row, if it is on record."""
    for (identity,) in database.connection.execute("SELECT id FROM package WHERE digest = ?", (digest,)):
        return PackageId(identity)
    return None


def digests(database: Database) -> list[PackageDigest]:
    """Every package on record."""
    return [PackageDigest(digest) for (digest,) in database.connection.execute("SELECT digest FROM package")]


def by_candidate_key(database: Database, key: str) -> PackageId | None:
    """A package on record that the solver knows by this key; the newest row if there are several."""
    rows = database.connection.execute(
        "SELECT id FROM package WHERE candidate_key = ? ORDER BY id DESC LIMIT 1", (key,)
    )
    for (identity,) in rows:
        return PackageId(identity)
    return None


def known_row(database: Database, chosen: "Chosen") -> PackageId | None:
    """The row of a chosen package that is on record."""
    return chosen.present.package if chosen.present is not None else by_candidate_key(database, chosen.candidate_key)


def digests_recorded(database: Database, digests: Iterable[str]) -> set[str]:
    """Those of the digests that packages in the store have: of their stones, or of what these were made from."""
    rows = database.connection.execute("SELECT digest, candidate_key FROM package")
    return {one for digest, key in rows for one in (digest, key.rpartition(":")[2])} & set(digests)


def known_keys(database: Database, keys: Iterable[str]) -> set[str]:
    """Those of the keys that packages on record have."""
    rows = database.connection.executemany(
        "SELECT candidate_key FROM package WHERE candidate_key = ? LIMIT 1", ((key,) for key in keys)
    )
    return {key for (key,) in rows}


def record_package(
    database: Database,
    metadata: Metadata,
    digest: PackageDigest,
    *,
    candidate_key: str,
    repository: str,
    stone_size: int,
    layout: Sequence[Entry],
    sizes: Mapping[ContentDigest, int],
) -> PackageId:
    """Write down a package and its layout. `sizes` gives the bytes of every content the layout names."""
    with database.transaction():
        package = _insert_package(
            database,
            (
                digest, candidate_key, metadata.name, metadata.version, metadata.release,
                metadata.build_release, metadata.architecture, metadata.scheme.name.lower(),
                statement_of(metadata), repository, stone_size,
                sum(sizes[entry.digest] for entry in layout if entry.digest is not None),
            ),
        )  # fmt: skip
        _insert_layout(database, package, layout, sizes)
        return package


def _insert_layout(
    database: Database, package: PackageId, layout: Sequence[Entry], sizes: Mapping[ContentDigest, int]
) -> None:
    """Rows of one table become rows of two: sets are joined in SQLite, not one by one here."""
    connection = database.connection
    connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS arriving (path TEXT, kind INTEGER, mode INTEGER, uid INTEGER,"
        " gid INTEGER, digest BLOB, link_target TEXT, xattrs BLOB, size INTEGER)"
    )
    connection.execute("DELETE FROM arriving")
    connection.executemany(
        "INSERT INTO arriving VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ((*entry, None if entry.digest is None else sizes[entry.digest]) for entry in layout),
    )
    connection.execute(
        "INSERT INTO asset (digest, permissions, uid, gid, xattrs, size, young)"
        " SELECT DISTINCT digest, mode & 4095, uid, gid, xattrs, size, ? FROM arriving WHERE kind = 1"
        " ORDER BY digest, mode",
        (int(connection.total_changes() < _MUCH),),
    )
    connection.execute(
        "INSERT INTO layout (package, path, kind, mode, uid, gid, asset, link_target)"
        " SELECT ?, path, kind, mode, arriving.uid, arriving.gid, asset.id, link_target FROM arriving"
        f" LEFT JOIN asset ON kind = 1 AND {has_digest('arriving.digest')} AND permissions = mode & 4095"
        " AND asset.uid = arriving.uid AND asset.gid = arriving.gid AND asset.xattrs = arriving.xattrs",
        (package,),
    )


def _insert_package(database: Database, values: tuple[object, ...]) -> PackageId:
    insert = (
        "INSERT INTO package (digest, candidate_key, name, version, release, build_release, architecture,"
        " scheme, statement, repository, stone_size, installed_size)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
    )
    ((identity,),) = database.connection.execute(insert, values)
    return PackageId(identity)


def metadata_of(database: Database, package: PackageId) -> Metadata:
    row = database.connection.execute(
        "SELECT name, version, release, build_release, architecture, scheme, statement"
        " FROM package WHERE id = ?",
        (package,),
    ).fetchone()
    assert row is not None, f"package {package} has no row"
    return metadata_from(*row)


def replacements(database: Database, chosen: Iterable[PackageId]) -> Replaces:
    """Which of these packages says that it replaces which: pairs of names."""
    rows = database.connection.execute(
        "SELECT name, replaced.value FROM json_each(?) AS chosen JOIN package ON package.id = chosen.value"
        " JOIN json_each(statement, '$.relations.replaces') AS replaced",
        (json.dumps(list(chosen)),),
    )
    return frozenset((name, parse_relation(relation).name) for name, relation in rows)


def recorded(database: Database) -> list[tuple[PackageId, Metadata]]:
    """Every package on record, by name, the newest row of a name first."""
    rows = list(database.connection.execute("SELECT id FROM package ORDER BY name, id DESC"))
    return [(PackageId(identity), metadata_of(database, PackageId(identity))) for (identity,) in rows]


def layout_of(database: Database, package: PackageId) -> list[Entry]:
    """The package's entries in the order of their paths."""
    return [entry for _, entry in _entries(database, "layout.package = ?", (package,))]


def entries_of(database: Database, packages: Sequence[PackageId]) -> Iterator[tuple[PackageId, Entry]]:
    """Every entry of these packages with the package it belongs to, package by package."""
    for package in packages:
        yield from _entries(database, "layout.package = ?", (package,))


def _entries(
    database: Database, condition: str, values: tuple[int, ...]
) -> Iterator[tuple[PackageId, Entry]]:
    rows = database.connection.execute(
        "SELECT layout.package, path, kind, mode, layout.uid, layout.gid, digest, link_target, xattrs FROM layout"
        f" LEFT JOIN asset ON asset.id = layout.asset WHERE {condition} ORDER BY path",
        values,
    )
    kinds = {int(kind): kind for kind in EntryKind}
    for package, path, kind, mode, uid, gid, digest, link_target, xattrs in rows:
        yield package, Entry(path, kinds[kind], mode, uid, gid, digest, link_target, xattrs or NO_XATTRS)


def owners_of(database: Database, asset: Asset) -> list[tuple[str, str]]:
    """The packages on record that have this asset: each one's label, and one of its paths that it is at."""
    rows = database.connection.execute(
        "SELECT package, min(path) FROM asset CROSS JOIN layout ON layout.asset = asset.id"
        f" WHERE {has_digest('?1')} AND permissions = ?2 AND asset.uid = ?3 AND asset.gid = ?4 AND xattrs = ?5"
        " GROUP BY package ORDER BY package",
        asset,
    )
    return [(metadata_of(database, PackageId(package)).label, str(path)) for package, path in list(rows)]
