"""Packages whose files are in the store, with their layouts and assets."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from moss.db.connection import Database
from moss.db.statements import metadata_from, statement_of
from moss.digest import ContentDigest, PackageDigest
from moss.generation import PackageId
from moss.layout import Entry, EntryKind
from moss.package import Metadata


class Asset(NamedTuple):
    """A file object in the store: content and metadata together, since hard links share both."""

    digest: ContentDigest
    permissions: int
    """st_mode & 07777."""
    uid: int
    gid: int


def asset_of(entry: Entry) -> Asset:
    """The asset that a regular file is a link to."""
    assert entry.digest is not None
    return Asset(entry.digest, entry.mode & 0o7777, entry.uid, entry.gid)


def unpacked(database: Database, digest: PackageDigest) -> PackageId | None:
    """The package's row, if all its files are in the store."""
    for (identity,) in database.connection.execute("SELECT id FROM package WHERE digest = ?", (digest,)):
        return PackageId(identity)
    return None


def by_candidate_key(database: Database, key: str) -> PackageId | None:
    """A package in the store that the solver knows by this key; the newest row if there are several."""
    rows = database.connection.execute(
        "SELECT id FROM package WHERE candidate_key = ? ORDER BY id DESC LIMIT 1", (key,)
    )
    for (identity,) in rows:
        return PackageId(identity)
    return None


def present_assets(database: Database, assets: Iterable[Asset]) -> set[Asset]:
    """Which of these the store has: a row says so, never a file on disk."""
    find = "SELECT 1 FROM asset WHERE digest = ? AND permissions = ? AND uid = ? AND gid = ?"
    cursor = database.connection.cursor()
    return {asset for asset in assets if cursor.execute(find, asset).fetchone() is not None}


def record_package(
    database: Database,
    metadata: Metadata,
    digest: PackageDigest,
    *,
    candidate_key: str,
    repository: str,
    stone_size: int,
    layout: Sequence[Entry],
    sizes: dict[ContentDigest, int],
) -> PackageId:
    """Write down that a package is unpacked: its files are durable in the store from now on.

    `sizes` gives the bytes of every content the layout names.
    """
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
        assets = {asset_of(entry) for entry in layout if entry.kind is EntryKind.REGULAR}
        identities = _asset_identities(database, assets, sizes)
        database.connection.executemany(
            "INSERT INTO layout (package, path, kind, mode, uid, gid, asset, link_target)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    package, entry.path, int(entry.kind), entry.mode, entry.uid, entry.gid,
                    identities[asset_of(entry)] if entry.digest is not None else None, entry.link_target,
                )
                for entry in layout
            ),
        )  # fmt: skip
    return package


def _insert_package(database: Database, values: tuple[object, ...]) -> PackageId:
    insert = (
        "INSERT INTO package (digest, candidate_key, name, version, release, build_release, architecture,"
        " scheme, statement, repository, stone_size, installed_size)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
    )
    ((identity,),) = database.connection.execute(insert, values)
    return PackageId(identity)


def _asset_identities(
    database: Database, assets: set[Asset], sizes: dict[ContentDigest, int]
) -> dict[Asset, int]:
    """Each asset's row, made where there is none."""
    cursor = database.connection.cursor()
    identities: dict[Asset, int] = {}
    for asset in sorted(assets):
        cursor.execute(
            "INSERT INTO asset (digest, permissions, uid, gid, size) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (*asset, sizes[asset.digest]),
        )
        row = cursor.execute(
            "SELECT id FROM asset WHERE digest = ? AND permissions = ? AND uid = ? AND gid = ?", asset
        ).fetchone()
        assert row is not None
        identities[asset] = row[0]
    return identities


def metadata_of(database: Database, package: PackageId) -> Metadata:
    row = database.connection.execute(
        "SELECT name, version, release, build_release, architecture, scheme, statement"
        " FROM package WHERE id = ?",
        (package,),
    ).fetchone()
    assert row is not None, f"package {package} has no row"
    return metadata_from(*row)


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
        "SELECT layout.package, path, kind, mode, layout.uid, layout.gid, digest, link_target FROM layout"
        f" LEFT JOIN asset ON asset.id = layout.asset WHERE {condition} ORDER BY path",
        values,
    )
    kinds = {int(kind): kind for kind in EntryKind}
    for package, path, kind, mode, uid, gid, digest, link_target in rows:
        yield package, Entry(path, kinds[kind], mode, uid, gid, digest, link_target)
