"""Reading what a repository offers into the cache: its stone.index. (A Debian mirror's: apt_packages.py.)

    ask(...) -> source              which files, and their digest (asking.py): nothing more is read when it is known
    source.read(...) -> universe    into the cache's tables, and compiled
"""

import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from moss.debian.compiled import Compiled
from moss.errors import CorruptData
from moss.package import Published
from moss.repository import Contents
from moss.stone import StoneKind, open_stone
from solver.values import value

if TYPE_CHECKING:
    from moss.debian.index import Paragraph

Offer = Callable[["Iterable[Published | Paragraph]"], None]


@value
class StoneSource:
    """A stone.index, whole: it is small."""

    uri: str
    digest: str
    content: bytes

    def read(self, _: str, offer: Offer, __: Compiled | None) -> Contents:
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
