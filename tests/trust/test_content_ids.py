"""A content id is about what a package is: the same for the same files, another for any other."""

import hashlib
from pathlib import Path

import pytest

from moss.stone import open_stone
from moss.stone.content_id import content_id, content_id_of
from moss.stone.repository_index import read_index
from moss.xattrs import xattrs_of
from solver.values import replace
from tests.builders import Dir, File, Link, metadata, write_package
from tests.trust.signed import Maker

FILES = {
    "bin/tool": "tool", "share/none": "", "share/dir": Dir(0o700), "lib/link": Link("tool"),
    "lib/same": "tool", "bin/able": File(b"able", 0o755, xattrs={"user.note": b"x"}),
}  # fmt: skip


def made(folder: Path) -> tuple[str, Path]:
    path, _ = write_package(folder, metadata("tool"), FILES)
    with open(path, "rb") as file:
        return content_id_of(open_stone(file, str(path))), path


def test_it_is_what_its_definition_says(tmp_path: Path) -> None:
    """Made by hand, from the format's page."""
    identity, path = made(tmp_path)
    plain = hashlib.sha256(b"moss.content-id/1\n")
    with open(path, "rb") as file:
        stone = open_stone(file, str(path))
        from moss.stone.records import encode_attributes
        from moss.stone.streams import unpack_payload

        payloads = {}
        for payload in stone.payloads:
            file.seek(payload.place.offset + 32)
            stored = file.read(payload.header.stored_size)
            payloads[int(payload.header.kind)] = unpack_payload(stored, payload.header, payload.place)
        attributes = encode_attributes({k: v for k, v in stone.attributes.items() if k != "moss.census/1"})
    layout = b""
    for entry in sorted(stone.layout, key=lambda one: one.path.encode()):
        content = FILES[entry.path]
        said = content.encode() if isinstance(content, str) else content.content if isinstance(content, File) else b""
        source = hashlib.sha256(said).digest() if entry.digest else (entry.link_target or "").encode()
        raw = entry.path.encode()
        for number, size in ((entry.uid, 4), (entry.gid, 4), (entry.mode, 4), (0, 4), (len(source), 2), (len(raw), 2)):
            layout += number.to_bytes(size, "big")
        layout += bytes([entry.kind]) + bytes(11) + source + raw
    for part in (payloads[1], attributes, layout):
        plain.update(len(part).to_bytes(8, "big") + part)
    assert identity == plain.hexdigest()


def test_packing_again_changes_nothing_and_any_other_word_does(tmp_path: Path) -> None:
    identity, path = made(tmp_path / "one")
    assert made(tmp_path / "two")[0] == identity
    with open(path, "rb") as file:
        stone = open_stone(file, str(path))
        digests = {one.digest: hashlib.sha256(b"".join(one.chunks())).digest() for one in stone.contents()}
    about, layout = stone.metadata, stone.layout
    assert content_id(about, list(reversed(layout)), digests.__getitem__) == identity
    first = next(entry for entry in layout if entry.digest)
    others = [
        content_id(replace(about, summary="another"), layout, digests.__getitem__),
        content_id(replace(about, source_digest="sha256:" + "0" * 64), layout, digests.__getitem__),
        content_id(about, layout[1:], digests.__getitem__),
        content_id(about, layout, lambda digest: digests[digest][::-1]),
    ]
    changes = ({"mode": first.mode ^ 0o4000}, {"uid": 7}, {"path": "bin/other"}, {"xattrs": xattrs_of({"user.a": b""})})
    for change in changes:
        changed = [entry._replace(**change) if entry is first else entry for entry in layout]
        others.append(content_id(about, changed, digests.__getitem__))
    assert len({identity, *others}) == len(others) + 1


def test_a_signed_index_has_them_and_an_unsigned_one_does_not(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    maker.keys("own")
    stone = maker.stone("hello", "1.0")
    maker.done("index", maker.repository)
    assert [one.content_id for one in read_index(str(maker.index))] == [None]
    maker.publish()
    with open(stone, "rb") as file:
        assert [one.content_id for one in read_index(str(maker.index))] == [content_id_of(open_stone(file, str(stone)))]


def test_stones_that_are_signed_already_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from moss import indexing

    read = []
    real = indexing.content_id_of
    monkeypatch.setattr(indexing, "content_id_of", lambda stone: read.append(stone.name) or real(stone))
    maker = Maker(tmp_path)
    maker.keys("own")
    maker.stone("hello", "1.0")
    maker.publish()
    maker.stone("other", "1.0")
    maker.publish()
    assert [name.rpartition("/")[2].partition("-")[0] for name in read] == ["hello", "other"]
    before = read_index(str(maker.index))
    maker.index.write_bytes(maker.index.read_bytes() + b"x")  # nobody vouches for what it says now
    maker.publish()
    assert len(read) == 4 and read_index(str(maker.index)) == before
