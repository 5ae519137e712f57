"""Reading what a repository offers into the cache: its stone.index, or a Debian mirror's Packages.

    ask(...) -> source              which files, and their digest (asking.py): nothing more is read when it is known
    source.read(...) -> universe    into the cache's tables, and compiled
"""

import gc
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from moss.debian.index import Listed, read_index
from moss.debian.source import AptSource
from moss.debian.universe import IndexCompiler
from moss.effects import as_moss_error
from moss.errors import CorruptData
from moss.foreign.apt import IndexFile, digest_of, index_files, plain_pieces
from moss.package import Published
from moss.repository import Contents
from moss.stone import StoneKind, open_stone
from solver.values import value

_TOGETHER = 2000
"""Packages that are handed on at once."""

Offer = Callable[[Iterable[Published | Listed]], None]


@value
class StoneSource:
    """A stone.index, whole: it is small."""

    uri: str
    digest: str
    content: bytes

    def read(self, _: str, offer: Offer) -> Contents:
        """Hand on what is on offer."""
        stone = open_stone(io.BytesIO(self.content), self.uri)
        if stone.kind is not StoneKind.INDEX:
            raise CorruptData(
                f"is a {stone.kind.name.lower()} file, not an index",
                file=self.uri,
                remedies=["name the stone.index: moss index DIR makes one"],
            )
        offer(stone.published)
        return Contents(len(stone.published), definitions=stone.definitions)


@value
class PackagesSource:
    """The Packages indexes of a Debian repository."""

    digest: str
    files: tuple[IndexFile, ...]
    architecture: str

    def read(self, repository: str, offer: Offer) -> Contents:
        """As of a stone.index. A package that several indexes list is the first's."""
        with _uncollected():
            compiler = IndexCompiler(repository)
            for index in self.files:
                with as_moss_error(f"read {index.path}"):
                    listed = read_index(plain_pieces(index.path), index.path, (self.architecture, "all"))
                    new = (one for one in listed if compiler.add(one, index.path))
                    while together := list(islice(new, _TOGETHER)):
                        offer(together)
            count = len(compiler)
            return Contents(count, compiler.compiled())


def packages_source(uri: str) -> PackagesSource:
    """What the indexes of a Debian mirror are now. NotFound, CorruptData, UsageError."""
    apt = AptSource.parse(uri)
    files = index_files(apt)
    with as_moss_error(f"read the index of {uri}"):
        return PackagesSource(
            hashlib.sha256(f"{apt}\n{digest_of(files)}".encode()).hexdigest(), tuple(files), apt.wanted_architecture
        )


@contextmanager
def _uncollected() -> Iterator[None]:
    """A million small objects and no garbage: looking for it takes a fifth of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
