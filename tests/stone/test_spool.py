"""Contents on their way into a stone: each kept once, all of it on disk."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from moss.digest import EMPTY_CONTENT, ContentDigest, content_digest
from moss.errors import CorruptData
from moss.layout import regular
from moss.stone import ContentSpool, write_stone

from . import plainly

PROJECT = Path(__file__).parents[2]


def test_a_content_is_kept_once_however_it_is_given() -> None:
    content = os.urandom(3_000_000)
    with ContentSpool() as spool:
        given = [
            spool.add(content),
            spool.add(io.BytesIO(content)),
            spool.add([content[:5], content[5:2_000_000], b"", content[2_000_000:]]),
            spool.add(iter([bytearray(content)])),
        ]
        assert given == [(content_digest(content), 3_000_000)] * 4
        assert (len(spool), spool.content_size) == (1, 3_000_000)
        assert b"".join(spool.open(given[0][0]).chunks()) == content


def test_a_small_content_in_chunks_is_kept_whole() -> None:
    with ContentSpool() as spool:
        digest, size = spool.add([b"a", b"b", b"c"])
        assert (digest, size) == (content_digest(b"abc"), 3)
        assert spool.add(iter([]))[0] == EMPTY_CONTENT
        assert b"".join(spool.open(digest).chunks()) == b"abc"
        assert [content.size for content in spool.contents()] == [3, 0]


def test_a_file_is_read_as_bytes_and_not_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\ntwo\n")
    with ContentSpool() as spool, path.open("rb") as file:
        assert spool.add(file) == (content_digest(b"one\ntwo\n"), 8)


def test_what_follows_a_repeated_content_is_kept_right() -> None:
    with ContentSpool() as spool:
        spool.add([b"x" * 2_000_000])
        spool.add([b"x" * 1_000_000, b"x" * 1_000_000])
        digest, _ = spool.add(b"after")
        assert spool.open(digest).read_at(0, 100) == b"after"


def test_a_content_can_be_read_anywhere() -> None:
    with ContentSpool() as spool:
        spool.add(b"before")
        digest, _ = spool.add(b"0123456789")
        spool.add(b"after")
        content = spool.open(digest)
        assert content.size == 10
        assert [
            content.read_at(at, size) for at, size in ((0, 4), (8, 9), (10, 1), (1 << 70, 1), (3, 0))
        ] == [
            b"0123",
            b"89",
            b"",
            b"",
            b"",
        ]


def test_contents_come_largest_first_and_then_as_they_were_added() -> None:
    with ContentSpool() as spool:
        for content in (b"cc", b"a", b"dddd", b"bb"):
            spool.add(content)
        assert [b"".join(content.chunks()) for content in spool.contents()] == [b"dddd", b"cc", b"bb", b"a"]


@pytest.mark.parametrize("second", [b"other", b"longer than that", [b"ot", b"her"], [b"z" * 2_000_000]])
def test_two_contents_of_one_digest_are_refused(second: object, monkeypatch: pytest.MonkeyPatch) -> None:
    class Same:
        def update(self, _: object) -> None: ...

        def digest(self) -> bytes:
            return b"s" * 16

    monkeypatch.setattr("moss.stone.spool.content_digest", lambda _: ContentDigest(b"s" * 16))
    monkeypatch.setattr("moss.stone.spool.content_hasher", Same)
    with ContentSpool() as spool:
        spool.add(b"first")
        with pytest.raises(CorruptData, match="two files with different bytes have the digest 7373"):
            spool.add(second)  # type: ignore[arg-type]


def test_a_layout_that_is_not_of_the_spools_contents_is_our_mistake() -> None:
    with ContentSpool() as spool, pytest.raises(AssertionError):
        spool.add(b"left over")
        entry = regular("a", spool.add(b"kept")[0])
        write_stone(io.BytesIO(), plainly.STATEMENT, [entry], spool)


def test_the_spool_leaves_nothing_behind(tmp_path: Path) -> None:
    with ContentSpool(str(tmp_path)) as spool:
        spool.add(os.urandom(5000))
        assert os.listdir(tmp_path) == []


MEMORY = """
import os, resource, sys
sys.path.insert(0, sys.argv[1])
from moss.layout import regular
from moss.package import Metadata
from moss.stone import ContentSpool, open_stone, write_stone_file

directory, size = sys.argv[2], 300 << 20
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_DATA, (160 << 20, 160 << 20))
sparse = os.path.join(directory, "sparse")
with open(sparse, "wb") as file:
    file.truncate(size)
path = os.path.join(directory, "a.stone")
with ContentSpool(directory) as spool, open(sparse, "rb") as file:
    digest, found = spool.add(file)
    assert found == size
    write_stone_file(path, Metadata("a", "1", 1, 1, "x86_64"), [regular("a", digest)], spool, durable=False)
with open(path, "rb") as file:
    stone = open_stone(file, path)
    assert sum(len(chunk) for content in stone.contents() for chunk in content.chunks()) == size
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_content_is_never_in_memory_whole(tmp_path: Path) -> None:
    """Spooled, written and read: 300 MiB take less than 40 MiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(PROJECT), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40 * 1024, f"{int(done.stdout)} KiB more than at the start"
