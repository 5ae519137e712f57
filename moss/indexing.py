"""A folder of stones becomes a repository: `stone.index` lists them, and says what subscriptions mean.

    DIR/**/*.stone            packages
    DIR/subscriptions/*.kdl   definitions, see docs/subscriptions.md
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from moss.definition_files import files_of_definitions, read_text
from moss.definitions import parse_definitions
from moss.digest import PackageDigest
from moss.effects import as_moss_error
from moss.errors import CorruptData, MossError, NotFound, UsageError
from moss.package import Published
from moss.stone import open_stone, write_index_file
from moss.stone.content_id import content_id_of
from solver.values import value

INDEX_NAME = "stone.index"
DEFINITIONS = "subscriptions"

_IN_A_URI = "/-_.~!$&'()*+,;=@"


@value
class Indexed:
    """An index that was written."""

    path: str
    published: tuple[Published, ...]
    notes: tuple[str, ...]
    """Stones that were passed over, and why."""
    subscriptions: tuple[str, ...] = ()
    """The names of those that it defines."""


def index(directory: str, content_ids: Mapping[PackageDigest, str] | None = None) -> Indexed:
    """Write `directory/stone.index` of all stones in the directory and below it.

    Each stone is judged but for its content, which its SHA-256 covers. CorruptData names every file
    that is no package, UsageError what is wrong with definitions; the old index stays then. With
    `content_ids`, those that are known already, the index has every package's; for the others the whole
    stone is read.
    """
    with as_moss_error(f"index {directory}"):
        published: dict[PackageDigest, Published] = {}
        notes, faults = [], []
        for path in _stones(directory):
            uri = quote(os.path.relpath(path, directory), safe=_IN_A_URI)
            try:
                package = publish(path, uri, content_ids)
            except MossError as fault:
                faults.append(fault)
                continue
            if package.digest in published:
                notes.append(
                    f"{path} is the same stone as {published[package.digest].uri} and was passed over"
                )
            else:
                published[package.digest] = package
        if len(faults) == 1:
            raise faults[0]  # with its own exit code
        if faults:
            raise CorruptData(
                f"{len(faults)} stones in {directory} cannot be indexed",
                because=[fault.message for fault in faults],
                remedies=["remove these files, or build them again"],
            )
        target = os.path.join(directory, INDEX_NAME)
        texts, defined = _definitions(os.path.join(directory, DEFINITIONS))
        write_index_file(target, published.values(), texts)
        return Indexed(target, tuple(published.values()), tuple(notes), defined)


def _definitions(folder: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The texts of definitions by the names of their files, and which subscriptions they define."""
    texts, found = dict[str, str](), dict[str, str]()
    for path in files_of_definitions(folder):
        text = read_text(path)
        for one in parse_definitions(text, path, path):
            if one.name in found:
                raise UsageError(
                    f"{path}: the subscription {one.name} is defined in {found[one.name]} too",
                    remedies=["leave one of the two"],
                )
            found[one.name] = path
        texts[os.path.basename(path)] = text
    return texts, tuple(sorted(found))


def publish(path: str, uri: str, content_ids: Mapping[PackageDigest, str] | None = None) -> Published:
    """What an index says of a stone: its statement, its place relative to the index, SHA-256 and size; with
    `content_ids` also its content id, which is taken from there where it is known."""
    with open(path, "rb") as file:
        stone = open_stone(file, path)
        metadata, installed_size = stone.metadata, stone.content_size
        file.seek(0)
        digest = PackageDigest(hashlib.file_digest(file, "sha256").hexdigest())
        identity = None
        if content_ids is not None:
            file.seek(0)
            identity = content_ids.get(digest) or content_id_of(open_stone(file, path))
        return Published(metadata, uri, digest, os.fstat(file.fileno()).st_size, installed_size, identity)


def _stones(directory: str) -> Iterator[str]:
    """Stones in the folder and its folders, sorted; hidden names are half-written files, or others'."""
    if not os.path.isdir(directory):
        raise NotFound(f"{directory} is not a directory", remedies=["give the folder that holds the stones"])
    with os.scandir(directory) as listing:
        found = sorted(listing, key=lambda entry: entry.name)
    for entry in found:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _stones(entry.path)
        elif entry.name.endswith(".stone") and entry.is_file():
            yield entry.path
