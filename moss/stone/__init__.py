"""The .stone format, read strictly and written deterministically; docs/stone-format.md is its page.

Reading: `open_stone(file, name)` judges everything but the content and returns a `Stone`, whose
`contents()` streams the rest, verified. `read_index(path)` gives the packages of a repository.

Writing: fill a `ContentSpool`, then `write_stone_file(path, metadata, layout, spool)`.

A stone's `provides` does not list the package's own name; who solves adds it.
"""

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
    "compress_stream",
    "decompress_stream",
    "open_stone",
    "read_index",
    "replacing",
    "write_index",
    "write_index_file",
    "write_stone",
    "write_stone_file",
    "zstd_faults",
]
