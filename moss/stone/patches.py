"""Patches: a content told as its difference from another one, in one zstd frame.

The old content stands before the new one as the frame's history (what `zstd --patch-from` does), so a
patch is a zstd frame that only who has the old content can unpack.
"""

import zstandard

from moss.errors import CorruptData

MAX_PATCHED = 16 << 20
"""Contents up to this size, old and new, are patched: both lie in memory, and a table as large as the old one."""

_MAX_WINDOW = 1 << 26


def make_patch(old: bytes, new: bytes, level: int) -> bytes:
    # The table must have a place for every position of the old content, or it finds next to nothing there.
    bits = min(max(len(old).bit_length(), 10), 24)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level,
        window_log=min(max((len(old) + len(new)).bit_length(), 10), 26),
        hash_log=bits,
        chain_log=bits,
        strategy=zstandard.STRATEGY_DFAST,
        write_checksum=False,
    )
    history = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdCompressor(dict_data=history, compression_params=parameters).compress(new)


def apply_patch(old: bytes, patch: bytes, size: int, name: str) -> bytes:
    """The new content, which must have `size` bytes; CorruptData when the patch does not give that."""
    history = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    decompressor = zstandard.ZstdDecompressor(dict_data=history, max_window_size=_MAX_WINDOW)
    try:
        if zstandard.get_frame_parameters(patch).content_size not in (zstandard.CONTENTSIZE_UNKNOWN, size):
            raise CorruptData(f"a patch does not give {size} bytes", file=name)
        new = decompressor.decompress(patch, max_output_size=size + 1, allow_extra_data=False)
    except zstandard.ZstdError as fault:
        raise CorruptData(f"a patch is damaged ({fault})", file=name) from fault
    if len(new) != size:
        raise CorruptData(f"a patch gives {len(new)} bytes, {size} were announced", file=name)
    return new
