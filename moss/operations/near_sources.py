"""Where a lost content may be on this machine besides the store and the trees: files in the cache, and bundles.

    downloads   CACHE/downloads/<digest>: a stone, or a .deb that a stone was made from; the digest is held to
    bundles     repositories that are bundles, and bundle files in the cache; somebody must vouch for them

Only the heads of bundle files are read before something is to be mended from them.
"""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from moss.bundle.arrival import patched
from moss.bundle.read import Bundle
from moss.db.cuts import stored_with_content
from moss.db.origins import Origin
from moss.digest import ContentDigest, PackageDigest, content_digest
from moss.errors import MossError
from moss.fetch.uris import path_of, uri_of_path
from moss.fetch.verify import open_uri, verify, wrong_digest
from moss.operations.bundled import open_vouched
from moss.operations.system import System
from moss.repository import BUNDLE_PREFIX, Repository
from moss.stone import Content, open_stone
from moss.stone.container import MAGIC
from moss.stone.patches import MAX_PATCHED
from moss.store import Store
from solver.values import value

_READ_BYTES = 1 << 20


@value
class CachedPackage:
    """A file in the download cache that should be a package with some of the contents wanted."""

    path: str
    origin: Origin
    wanted: frozenset[ContentDigest]

    def __str__(self) -> str:
        return f"{self.origin.label} in the download cache"


@value
class BundleFile:
    """A bundle that should have some of the contents wanted."""

    place: str
    """Its URI."""
    unsigned: bool
    """The person said that nobody needs to vouch for it."""
    wanted: frozenset[ContentDigest]

    def __str__(self) -> str:
        return f"the bundle {path_of(self.place)}"


def cached_packages(system: System, origins: Mapping[Origin, Collection[ContentDigest]]) -> list[CachedPackage]:
    """What the download cache has of these packages, by its name alone."""
    found = []
    for origin, digests in sorted(origins.items()):
        for name in dict.fromkeys((origin.digest, _file_digest(origin))):
            path = os.path.join(system.root.downloads, name)
            if os.path.isfile(path):
                found.append(CachedPackage(path, origin, frozenset(digests)))
    return found


def cached_bundles(system: System, wanted: Iterable[ContentDigest]) -> list[BundleFile]:
    """The bundle files in the cache that somebody vouches for and that have some of these contents."""
    found = []
    digests = frozenset(wanted)
    for path in _bundle_files((system.root.cache, system.root.downloads)) if digests else ():
        try:
            with open(path, "rb") as file:
                has = _carried(open_vouched(system, file, path, unsigned=False).bundle, digests)
        except (MossError, OSError):  # of no use; nobody asked for this very file
            continue
        if has:
            found.append(BundleFile(uri_of_path(path), False, has))
    return found


def bundle_repository(repository: Repository, wanted: Collection[ContentDigest]) -> BundleFile:
    """A repository that is a bundle, as a place to have contents from."""
    return BundleFile(repository.uri.removeprefix(BUNDLE_PREFIX), repository.unsigned, frozenset(wanted))


@contextmanager
def contents_of_cached(system: System, source: CachedPackage) -> Iterator[Iterator[Content]]:
    """Its contents, once the file was held to the digest that it is named after. MossError where it is not that."""
    digest = os.path.basename(source.path)
    with ExitStack() as open_files:
        file = open_files.enter_context(open(source.path, "rb"))
        if digest == source.origin.digest:
            verify(file, source.path, digest=source.origin.digest, size=source.origin.stone_size)
            yield open_stone(file, source.path).contents()
            return
        hasher = hashlib.sha256()
        while piece := file.read(_READ_BYTES):
            hasher.update(piece)
        if hasher.hexdigest() != digest:
            raise wrong_digest(source.path, hasher.hexdigest(), PackageDigest(digest))
        from moss.debian.companion import is_companion
        from moss.foreign.convert import convert  # a second package system: only where it is used

        directory = os.path.join(system.root.cache, "converted")
        shutil.rmtree(directory, ignore_errors=True)  # a crash may have left some
        open_files.callback(shutil.rmtree, directory, ignore_errors=True)
        made = convert(source.path, directory, companion=is_companion(source.origin.name))
        stone = open_files.enter_context(open(made.stone, "rb"))
        yield open_stone(stone, made.stone).contents()


@contextmanager
def contents_of_bundle(system: System, source: BundleFile, store: Store) -> Iterator[Iterator[Content]]:
    """Those of the contents wanted that the bundle has. MossError where it cannot be had, or nobody vouches for it."""
    with open_uri(source.place) as file:
        vouched = open_vouched(system, file, source.place, unsigned=source.unsigned)
        yield _contents(system, vouched.bundle, source, store)


def _contents(system: System, bundle: Bundle, source: BundleFile, store: Store) -> Iterator[Content]:
    if any(delta.new in source.wanted for delta in bundle.deltas):
        for delta, frame in bundle.patches():
            old = _sound(system, delta.old, store) if delta.new in source.wanted else None
            if old is not None:
                new = patched(delta, frame, old, bundle.name)
                yield Content(delta.new, delta.size, iter((memoryview(new),)))
    yield from bundle.some_contents(source.wanted)


def _sound(system: System, digest: ContentDigest, store: Store) -> bytes | None:
    """A content as the store has it; None where it has not, or only damaged ones."""
    for asset in stored_with_content(system.record, digest):
        try:
            with open(store.path_of(asset), "rb") as file:
                content = file.read(MAX_PATCHED + 1)
        except OSError:
            continue
        if content_digest(content) == digest:
            return content
    return None


def _carried(bundle: Bundle, wanted: frozenset[ContentDigest]) -> frozenset[ContentDigest]:
    return wanted & {delta.new for delta in bundle.deltas} | {digest for digest in wanted if digest in bundle.index}


def _file_digest(origin: Origin) -> str:
    """The SHA-256 of the file that a package was made from."""
    return origin.candidate_key.rpartition(":")[2]


def _bundle_files(directories: Iterable[str]) -> Iterator[str]:
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError:
            continue
        for name in names:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and _begins_as_ours(path):
                yield path


def _begins_as_ours(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
