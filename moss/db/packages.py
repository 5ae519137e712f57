"""Packages whose files are in the store, with their layouts and assets."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from moss.db.connection import Database
from moss.db.statements import metadata_from, statement_of
from moss.digest import ContentDigest, PackageDigest
from moss.generation import PackageId
from moss.layout import Entry, EntryKind
from moss.package import Metadata
from moss.xattrs import NO_XATTRS, Xattrs


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


def unpacked(database: Database, digest: PackageDigest) -> PackageId | None:
    """The package's row, if all its files are in the store."""
    for (identity,) in database.connection.execute("SELECT id FROM package WHERE digest = ?", (digest,)):
        return PackageId(identity)
    return None


def digests(database: Database) -> list[PackageDigest]:
    """Every package whose files are in the store."""
    return [PackageDigest(digest) for (digest,) in database.connection.execute("SELECT digest FROM package")]


def by_candidate_key(database: Database, key: str) -> PackageId | None:
    """A package in the store that the solver knows by this key; the newest row if there are several."""
    rows = database.connection.execute(
        "SELECT id FROM package WHERE candidate_key = ? ORDER BY id DESC LIMIT 1", (key,)
    )
    for (identity,) in rows:
        return PackageId(identity)
    return None


def known_keys(database: Database, keys: Iterable[str]) -> set[str]:
    """Those of the keys that packages in the store have."""
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
    sizes: dict[ContentDigest, int],
) -> tuple[PackageId, set[Asset]]:
    """Write down a package; its row, and the assets that the store does not have yet.

    Those must be durable in the store before the transaction that this is called in is committed.
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
        identities, missing = _asset_identities(database, assets, sizes)
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
    return package, missing


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
) -> tuple[dict[Asset, int], set[Asset]]:
    """Each asset's row, and those that had none."""
    cursor = database.connection.cursor()
    identities: dict[Asset, int] = {}
    missing: set[Asset] = set()
    for asset in sorted(assets):
        row = cursor.execute(
            "SELECT id FROM asset WHERE digest = ? AND permissions = ? AND uid = ? AND gid = ? AND xattrs = ?",
            asset,
        ).fetchone()
        if row is None:
            missing.add(asset)
            row = cursor.execute(
                "INSERT INTO asset (digest, permissions, uid, gid, xattrs, size)"
                " VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
                (*asset, sizes[asset.digest]),
            ).fetchone()
        assert row is not None
        identities[asset] = row[0]
    return identities, missing


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
        "SELECT package, min(path) FROM asset JOIN layout ON layout.asset = asset.id"
        " WHERE digest = ? AND permissions = ? AND asset.uid = ? AND asset.gid = ? AND xattrs = ?"
        " GROUP BY package ORDER BY package",
        asset,
    )
    return [(metadata_of(database, PackageId(package)).label, str(path)) for package, path in list(rows)]


def assets(database: Database) -> Iterator[Asset]:
    """Every asset that the store has, by digest."""
    rows = database.connection.execute("SELECT digest, permissions, uid, gid, xattrs FROM asset ORDER BY digest")
    for row in rows:
        yield Asset(*row)


def forget_unused(database: Database) -> set[Asset]:
    """Forget the packages that no generation consists of any more; the assets that went with them.

    Their files are unlinked by the caller after this is committed: a file without a row is nothing.
    """
    with database.transaction():
        unused = database.connection.execute(
            "SELECT id FROM package WHERE NOT EXISTS (SELECT 1 FROM selection WHERE package = package.id)"
        ).fetchall()
        suspects: set[int] = set()
        for (package,) in unused:
            rows = database.connection.execute(
                "SELECT asset FROM layout WHERE package = ? AND asset IS NOT NULL", (package,)
            )
            suspects.update(asset for (asset,) in rows)
            database.connection.execute("DELETE FROM package WHERE id = ?", (package,))
        gone: set[Asset] = set()
        for suspect in sorted(suspects):
            rows = database.connection.execute(
                "DELETE FROM asset WHERE id = ? AND NOT EXISTS (SELECT 1 FROM layout WHERE asset = asset.id)"
                " RETURNING digest, permissions, uid, gid, xattrs",
                (suspect,),
            )
            gone.update(Asset(*row) for row in rows)
    return gone
