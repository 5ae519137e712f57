"""Frames and pieces at their edges: what a stream must notice by itself."""

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from moss.capability import Capability
from moss.errors import CorruptData
from moss.layout import regular
from moss.stone import (
    ContentSpool,
    compress_stream,
    decompress_stream,
    open_stone,
    write_stone,
    write_stone_file,
)

from . import plainly
from .plainly import ATTRIBUTES, CONTENT, INDEX, META, Part

MIB = 1 << 20


@pytest.fixture(autouse=True)
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moss.stone.reader.ONE_SHOT", 0)


def a_stone_of(*contents: bytes, level: int = 3) -> bytes:
    target = io.BytesIO()
    with ContentSpool() as spool:
        entries = [regular(f"f{number}", spool.add(content)[0]) for number, content in enumerate(contents)]
        write_stone(target, plainly.STATEMENT, entries, spool, level=level)
    return target.getvalue()


def read_contents(raw: bytes) -> list[bytes]:
    return [b"".join(content.chunks()) for content in open_stone(io.BytesIO(raw), "a.stone").contents()]


def stored_as(raw: bytes, make: Callable[[bytes], bytes]) -> bytes:
    return plainly.with_part(raw, CONTENT, lambda part: replace(part, stored=make(part.plain), compression=2))


def raw_block(plain: bytes, *, last: bool) -> bytes:
    return (len(plain) << 3 | last).to_bytes(3, "little") + plain


FRAME = bytes.fromhex("28b52ffd") + bytes([0, 13 << 3])
"""A frame's header: no size, no checksum, a window of 8 MiB."""


def test_a_long_contents_digest_is_verified() -> None:
    raw = a_stone_of(b"a" * (2 * MIB), b"b")
    damaged = plainly.with_part(raw, CONTENT, plainly.plain_as(lambda plain: b"A" + plain[1:]))
    with pytest.raises(CorruptData, match="has other bytes than its digest says"):
        read_contents(damaged)
    with pytest.raises(CorruptData, match="has other bytes than its digest says"):
        for _ in open_stone(io.BytesIO(damaged), "a.stone").contents():
            pass  # nobody takes the pieces


def test_a_frame_without_its_last_block_is_refused() -> None:
    raw = stored_as(a_stone_of(b"hello"), lambda plain: FRAME + raw_block(plain, last=False))
    with pytest.raises(CorruptData, match="its zstd frame is cut short"):
        read_contents(raw)
    whole = stored_as(a_stone_of(b"hello"), lambda plain: FRAME + raw_block(plain, last=True))
    assert read_contents(whole) == [b"hello"]


@pytest.mark.parametrize("size", [MIB, 2 * MIB])
def test_a_byte_more_than_announced_is_noticed_at_the_edge_of_a_piece(size: int) -> None:
    # In a block of its own, which nobody would ask for.
    def make(plain: bytes) -> bytes:
        blocks = [raw_block(plain[at : at + 65536], last=False) for at in range(0, len(plain), 65536)]
        return FRAME + b"".join(blocks) + raw_block(b"x", last=True)

    with pytest.raises(CorruptData, match="unpacks to more"):
        read_contents(stored_as(a_stone_of(b"a" * size), make))


def test_a_frame_with_a_checksum_of_its_own_is_read() -> None:
    raw = stored_as(a_stone_of(b"hello"), zstandard.ZstdCompressor(write_checksum=True).compress)
    assert read_contents(raw) == [b"hello"]


def test_a_frame_that_needs_a_dictionary_is_refused() -> None:
    dictionary = zstandard.ZstdCompressionDict(b"hello" * 100, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    trained = zstandard.train_dictionary(
        1024, [f"hello world {n} number {n * 7}".encode() * 5 for n in range(500)]
    )
    assert trained.dict_id() and not dictionary.dict_id()
    raw = stored_as(a_stone_of(b"hello"), zstandard.ZstdCompressor(dict_data=trained).compress)
    with pytest.raises(CorruptData, match="compressed with a dictionary"):
        read_contents(raw)


@pytest.mark.parametrize("level", [3, 22])
def test_our_frames_have_small_windows_and_no_checksum(level: int) -> None:
    target = io.BytesIO()
    with compress_stream(target, level) as writer:
        for _ in range(20):
            writer.write(os.urandom(1000) * 1000)
    parameters = zstandard.get_frame_parameters(target.getvalue())
    assert parameters.window_size <= 8 * MIB
    assert not parameters.has_checksum
    target.seek(0)
    with decompress_stream(target) as reader:
        assert len(reader.read(100 * MIB)) == 20_000_000


def test_what_compression_does_not_make_smaller_is_stored_as_it_is() -> None:
    _, parts = plainly.take_apart(a_stone_of(b"hello"))
    compressions = {part.kind: part.compression for part in parts}
    assert compressions[INDEX] == 1
    assert compressions[CONTENT] == 2


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def test_a_pipe_that_goes_on_after_the_content_is_noticed() -> None:
    stone = open_stone(Pipe(a_stone_of(b"hello") + b"x"), "pipe")
    with pytest.raises(CorruptData, match="bytes follow the last payload"):
        list(stone.contents())


def test_payloads_after_the_content_cannot_come_from_a_pipe() -> None:
    kind, parts = plainly.take_apart(a_stone_of(b"hello"))
    late = [part for part in parts if part.kind != ATTRIBUTES]
    raw = plainly.put_together(kind, [*late, Part(ATTRIBUTES, plainly.attribute(b"k", b"v"), 1)])
    with pytest.raises(CorruptData, match="save it to a file"):
        open_stone(Pipe(raw), "pipe")
    stone = open_stone(io.BytesIO(raw), "file")
    assert stone.attributes == {"k": b"v"}
    assert [b"".join(content.chunks()) for content in stone.contents()] == [b"hello"]


def test_a_later_version_of_a_topic_is_passed_over_beside_one_that_is_known() -> None:
    kind, parts = plainly.take_apart(a_stone_of(b"hello"))
    records = plainly.attribute(b"moss.relations/1", b'{"depends":["x"]}')
    records += plainly.attribute(b"moss.relations/2", b"?") + plainly.attribute(b"moss.other/9", b"?")
    changed = [Part(ATTRIBUTES, records, 3) if part.kind == ATTRIBUTES else part for part in parts]
    stone = open_stone(io.BytesIO(plainly.put_together(kind, changed)), "a.stone")
    assert list(map(str, stone.metadata.relations.depends)) == ["x"]


def test_a_capability_given_twice_is_written_once() -> None:
    vim = Capability.parse("vim")
    statement = replace(plainly.STATEMENT, depends=(vim, vim), provides=(vim, vim), conflicts=(vim, vim))
    records = plainly.meta_records(plainly.part_of(plainly.small_stone(statement), META).plain)
    assert [tag for tag, _, _ in records][-3:] == [8, 9, 10]


def test_a_stone_is_synced_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr("os.fsync", lambda fd: (done.append("sync"), fsync(fd)))
    monkeypatch.setattr("os.rename", lambda old, new: (done.append("rename"), rename(old, new)))
    with ContentSpool() as spool:
        write_stone_file(str(tmp_path / "a"), plainly.STATEMENT, [], spool)
        assert done == ["sync", "rename", "sync"]
        write_stone_file(str(tmp_path / "b"), plainly.STATEMENT, [], spool, durable=False)
        assert done == ["sync", "rename", "sync", "rename"]
