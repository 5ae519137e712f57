"""What a generation boots with, out of its layout; and where the person said that $BOOT is."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from moss.db.connection import Database
from moss.db.packages import Asset, replacements
from moss.generation import PackageId
from moss.layout import Entry, EntryKind
from moss.merge import better
from moss.root import GenerationId
from solver.values import value

KERNELS, MODULES = "lib/kernel", "lib/modules"
"""Where kernels are below /usr, each in a folder that its version names."""


@value
class BootFile:
    """A regular file of a generation."""

    path: str
    """Below /usr."""
    asset: Asset
    size: int
    """Bytes."""


def record_failed(database: Database, generation: GenerationId, tries: int, now: int) -> None:
    """A generation was tried and did not come up."""
    database.connection.execute(
        "INSERT OR REPLACE INTO failed_boot (generation, tries, noticed_at) VALUES (?, ?, ?)", (generation, tries, now)
    )


def forget_failed(database: Database, generation: GenerationId) -> None:
    """Whatever came of it before: it is the one that runs."""
    database.connection.execute("DELETE FROM failed_boot WHERE generation = ?", (generation,))


def failed_generations(database: Database) -> dict[GenerationId, int]:
    """Those that were tried and did not come up, each with how often."""
    rows = database.connection.execute("SELECT generation, tries FROM failed_boot ORDER BY generation")
    return {GenerationId(number): tries for number, tries in rows}


def file_at(database: Database, generation: GenerationId, paths: Sequence[str]) -> BootFile | None:
    """The first of these paths that the generation has a regular file at."""
    for path in paths:
        for found in _files(database, generation, "layout.path = ?", (path,)):
            return found
    return None


def kernel_images(database: Database, generation: GenerationId) -> list[tuple[str, BootFile]]:
    """Every kernel that a generation has, by version: upstream's place for one comes before Debian's."""
    found = []
    for version in sorted({*folders_in(database, KERNELS), *folders_in(database, MODULES)}):
        places = [f"{KERNELS}/{version}/vmlinuz", f"{MODULES}/{version}/vmlinuz"]
        image = file_at(database, generation, places)
        if image is not None:
            found.append((version, image))
    return found


def files_in(database: Database, generation: GenerationId, directory: str, ending: str) -> list[BootFile]:
    """The regular files directly in a directory whose names end so, by name."""
    low, high = f"{directory}/", f"{directory}0"
    found = {
        one.path: one
        for one in _files(database, generation, "layout.path > ? AND layout.path < ?", (low, high))
        if one.path.endswith(ending) and "/" not in one.path[len(low) :]
    }
    return [found[path] for path in sorted(found)]


def folders_in(database: Database, directory: str) -> list[str]:
    """The names of the folders in a directory, of whatever packages there are: few steps, however full they are."""
    names: dict[str, None] = {}
    low, high = f"{directory}/", f"{directory}0"
    while True:
        row = database.connection.execute(
            "SELECT path FROM layout WHERE path > ? AND path < ? ORDER BY path LIMIT 1", (low, high)
        ).fetchone()
        if row is None:
            return list(names)
        name = str(row[0])[len(directory) + 1 :].split("/")[0]
        names[name] = None
        # Behind all that is in the folder: `0` comes after `/`. The folder itself may be a row of its own.
        low = row[0] if row[0] == f"{directory}/{name}" else f"{directory}/{name}0"


def _files(
    database: Database, generation: GenerationId, where: str, values: Sequence[str]
) -> Iterator[BootFile]:
    rows = database.connection.execute(
        "SELECT layout.path, layout.package, name, kind, mode, layout.uid, layout.gid, link_target, asset.digest,"
        " permissions, asset.uid, asset.gid, xattrs, size"
        " FROM layout JOIN selection USING (package) JOIN package ON package.id = layout.package"
        " LEFT JOIN asset ON asset.id = layout.asset"
        f" WHERE {where} AND selection.generation = ? ORDER BY layout.path, layout.package",
        (*values, generation),
    ).fetchall()
    for path, at_path in groupby(rows, key=itemgetter(0)):
        *asset, size = _winner(database, list(at_path))[8:]
        if size is not None:
            yield BootFile(path, Asset(*asset), size)


def _winner(database: Database, rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Of what packages and triggers have at one path, what the generation has: as merging its layout says it."""
    won = rows[0]
    for row in rows[1:]:
        replaces = replacements(database, [PackageId(won[1]), PackageId(row[1])])
        one, other = _named(won), _named(row)
        if better(one, other, replaces) is other:
            won = row
    return won


def _named(row: tuple[Any, ...]) -> tuple[str, Entry]:
    path, _, name, kind, mode, uid, gid, target, digest = row[:9]
    return name, Entry(path, EntryKind(kind), mode, uid, gid, digest, target)


def said_place(database: Database) -> tuple[str, str] | None:
    """Where the person said that the EFI system partition and $BOOT are."""
    row = database.connection.execute("SELECT esp, boot FROM boot_place").fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def say_place(database: Database, esp: str, boot: str) -> None:
    database.connection.execute(
        "INSERT INTO boot_place (one, esp, boot) VALUES (1, ?, ?)"
        " ON CONFLICT (one) DO UPDATE SET esp = excluded.esp, boot = excluded.boot",
        (esp, boot),
    )


def forget_place(database: Database) -> bool:
    """Whether there was one."""
    database.connection.execute("DELETE FROM boot_place")
    return database.connection.changes() == 1
