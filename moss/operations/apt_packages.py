"""Reading what a Debian mirror offers into the cache: its Packages."""

import hashlib
from itertools import islice
from typing import TYPE_CHECKING

from moss.debian.compiled import Compiled
from moss.debian.index import read_index
from moss.debian.source import AptSource
from moss.debian.universe import IndexCompiler
from moss.effects import as_moss_error
from moss.foreign.apt import IndexFile, digest_of, index_files, plain_pieces
from moss.repository import Contents
from solver.uncollected import uncollected
from solver.values import value

if TYPE_CHECKING:
    from moss.operations.indexes import Offer  # with it all of the format of stones comes along

_TOGETHER = 2000
"""Packages that are handed on at once."""


@value
class PackagesSource:
    """The Packages indexes of a Debian repository."""

    digest: str
    files: tuple[IndexFile, ...]
    architecture: str
    companions: bool = False
    """Whether its packages are to be beside those of the machine's own architecture (`moss.debian.companion`)."""

    def read(self, repository: str, offer: "Offer", before: Compiled | None) -> Contents:
        """As of a stone.index. A package that several indexes list is the first's. `before`: what was read of this
        repository before, compiled; paragraphs that were there then are not taken apart again."""
        with uncollected():
            compiler = IndexCompiler(repository, before)
            for index in self.files:
                with as_moss_error(f"read {index.path}"):
                    wanted = (self.architecture,) if self.companions else (self.architecture, "all")
                    paragraphs = read_index(plain_pieces(index.path), index.path, wanted, self.companions)
                    while together := list(islice(filter(compiler.take, paragraphs), _TOGETHER)):
                        offer(together)
            count = len(compiler)
            return Contents(count, compiler.compiled())


def packages_source(uri: str, machine: str) -> PackagesSource:
    """What the indexes of a Debian mirror are now, for a machine of that architecture. NotFound, CorruptData,
    UsageError."""
    apt = AptSource.parse(uri)
    companions = apt.is_beside(machine)
    files = index_files(apt)
    with as_moss_error(f"read the index of {uri}"):
        text = f"{apt}\n{'companions' if companions else ''}{digest_of(files)}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        return PackagesSource(digest, tuple(files), apt.wanted_architecture, companions)
