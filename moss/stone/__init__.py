"""The .stone format, read strictly and written deterministically; docs/stone-format.md is its page.

**Reading.** `open_stone(file, name)` judges everything but the content and returns a `Stone`; its
`contents()` streams the rest, each content verified. `check_stone` reads a file whole and raises the
first fault. `read_index(path)` gives the packages of a repository.

**Writing.** Fill a `ContentSpool` (`add` gives each content's digest, `open` reads it back), make the
layout, then `write_stone_file(path, metadata, layout, spool)`. `write_index_file(path, published)`
writes what a repository offers. The same input gives the same bytes.

**Faults** are CorruptData with file and byte offset, or FormatTooNew where a later moss may know
better. `OSError`s pass through, to be told by the operation (`moss.effects.as_moss_error`).

A stone's `provides` does not list the package's own name; whoever solves adds it. Capabilities are
written sorted and each once, as the format asks, and come back so.
"""

from moss.stone.check import check_stone, notes_of
from moss.stone.container import DEFAULT_LIMITS, Limits, PayloadKind, StoneKind, Strictness
from moss.stone.content import Content
from moss.stone.reader import Stone, open_stone
from moss.stone.repository_index import read_index, write_index, write_index_file
from moss.stone.spool import ContentSpool, SpooledContent
from moss.stone.streams import compress_stream, decompress_stream, zstd_faults
from moss.stone.writer import DEFAULT_LEVEL, ContentSource, replacing, write_stone, write_stone_file

__all__ = [
    "DEFAULT_LEVEL",
    "DEFAULT_LIMITS",
    "Content",
    "ContentSource",
    "ContentSpool",
    "Limits",
    "PayloadKind",
    "SpooledContent",
    "Stone",
    "StoneKind",
    "Strictness",
    "check_stone",
    "compress_stream",
    "decompress_stream",
    "notes_of",
    "open_stone",
    "read_index",
    "replacing",
    "write_index",
    "write_index_file",
    "write_stone",
    "write_stone_file",
    "zstd_faults",
]
