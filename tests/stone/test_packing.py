"""A tree becomes a stone, a folder of stones an index."""

import os
import re
import socket
import stat
import struct
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from moss.capability import Capability
from moss.errors import CorruptData, MossError, NotFound, UsageError
from moss.indexing import index
from moss.layout import EntryKind
from moss.packing import Packed, pack
from moss.relation_texts import texts_of
from moss.said_relations import relations_said, with_relations
from moss.stone import Strictness, check_stone, open_stone, read_index
from moss.stone.writer import replacing
from moss.xattrs import attributes_in
from solver.version import Scheme
from tests.conftest import PROJECT

from . import plainly
from .test_scan import an_elf

NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
"""cap_net_raw=ep."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    usr = tmp_path / "tree" / "usr"
    for folder in ("bin", "share/empty", "share/private", "lib"):
        (usr / folder).mkdir(parents=True)
    for path in (usr.parent, usr, *(path for path in usr.rglob("*"))):
        path.chmod(0o755)
    (usr / "bin/hello").write_bytes(an_elf(("libc.so.6", "libhello.so.1"), interpreter="/lib64/ld.so"))
    (usr / "bin/hello").chmod(0o4755)
    (usr / "lib/libhello.so.1").write_bytes(an_elf(("libc.so.6",), "libhello.so.1"))
    (usr / "lib/libhello.so.1").chmod(0o644)
    os.link(usr / "lib/libhello.so.1", usr / "lib/hard")
    (usr / "lib/libhello.so").symlink_to("libhello.so.1")
    (usr / "share/private/secret").write_bytes(b"")
    (usr / "share/private/secret").chmod(0o600)
    (usr / "share/private").chmod(0o700)
    return usr.parent


def packed(tree: Path, **options: bool) -> Packed:
    return pack(str(tree), plainly.STATEMENT, str(tree.parent / "out"), **options)


def test_a_tree_becomes_a_stone_that_holds_what_it_holds(tree: Path) -> None:
    made = packed(tree)
    assert made.path == str(tree.parent / "out" / "small-1.0-3-1-x86_64.stone")
    assert made.digest == plainly.sha256(Path(made.path).read_bytes())
    with open(made.path, "rb") as file:
        assert check_stone(file, made.path) == ()
        file.seek(0)
        stone = open_stone(file, made.path)
        assert [(entry.path, entry.kind, oct(stat.S_IMODE(entry.mode))) for entry in stone.layout] == [
            ("bin/hello", EntryKind.REGULAR, "0o4755"),
            ("lib/hard", EntryKind.REGULAR, "0o644"),
            ("lib/libhello.so", EntryKind.SYMLINK, "0o777"),
            ("lib/libhello.so.1", EntryKind.REGULAR, "0o644"),
            ("share/empty", EntryKind.DIRECTORY, "0o755"),
            ("share/private", EntryKind.DIRECTORY, "0o700"),
            ("share/private/secret", EntryKind.REGULAR, "0o600"),
        ]
        contents = {content.digest: b"".join(content.chunks()) for content in stone.contents()}
    assert len(contents) == 3, "two hard links are one content"
    for entry in stone.layout:
        if entry.digest is not None:
            assert contents[entry.digest] == (tree / "usr" / entry.path).read_bytes()
        if entry.link_target is not None:
            assert entry.link_target == os.readlink(tree / "usr" / entry.path)


def test_paths_are_sorted_as_texts_and_not_folder_by_folder(tree: Path) -> None:
    (tree / "usr/lib/a").mkdir()
    for path in ("lib/a/b", "lib/a-b"):
        (tree / "usr" / path).write_bytes(b"")
    made = packed(tree)
    with open(made.path, "rb") as file:
        paths = [entry.path for entry in open_stone(file, made.path).layout]
    assert paths == sorted(paths)
    assert "lib/a/b" in paths


def test_what_scanning_finds_joins_what_was_given(tree: Path) -> None:
    statement = replace(
        plainly.STATEMENT,
        depends=(Capability.parse("vim"), Capability.parse("soname(libc.so.6(x86_64))")),
        provides=(Capability.parse("interpreter(/lib64/ld.so(x86_64))"),),
        conflicts=(Capability.parse("large"),),
    )
    made = pack(str(tree), statement, str(tree.parent / "out"))
    with open(made.path, "rb") as file:
        metadata = open_stone(file, made.path).metadata
    assert metadata == made.metadata
    assert list(map(str, metadata.depends)) == ["vim", "soname(libc.so.6(x86_64))"]
    assert list(map(str, metadata.provides)) == [
        "binary(hello)",
        "interpreter(/lib64/ld.so(x86_64))",
        "soname(libhello.so.1(x86_64))",
    ]
    assert list(map(str, metadata.conflicts)) == ["large"]


def test_owners_are_root_unless_they_are_to_be_kept(tree: Path) -> None:
    for keep, owner in ((False, (0, 0)), (True, (os.getuid(), os.getgid()))):
        made = packed(tree, keep_owners=keep)
        with open(made.path, "rb") as file:
            entries = open_stone(file, made.path).layout
        assert {(entry.uid, entry.gid) for entry in entries} == {owner}


def test_a_directory_that_is_not_roots_is_recorded_when_owners_are_kept(tree: Path) -> None:
    if os.getuid() == 0:
        os.chown(tree / "usr/lib", 7, 8)
    status = (tree / "usr/lib").stat()
    made = packed(tree, keep_owners=True)
    with open(made.path, "rb") as file:
        (entry,) = [entry for entry in open_stone(file, made.path).layout if entry.path == "lib"]
    assert (entry.uid, entry.gid) == (status.st_uid, status.st_gid) != (0, 0)


def test_the_same_tree_gives_the_same_stone(tree: Path) -> None:
    first = packed(tree).digest
    os.utime(tree / "usr/bin/hello", (1, 1))
    assert packed(tree).digest == first


def test_everything_a_stone_cannot_hold_is_named_at_once(tree: Path) -> None:
    os.mkfifo(tree / "usr/share/pipe")
    (tree / "etc").mkdir()
    (tree / "opt").mkdir()
    (tree / "usr/share/line\nbreak").write_bytes(b"")
    os.close(os.open(os.fsencode(tree / "usr/share") + b"/\xff", os.O_CREAT))
    with pytest.raises(UsageError) as caught:
        packed(tree)
    assert len(caught.value.because) == 5
    reasons = "; ".join(caught.value.because)
    for said in (
        "etc is outside usr/",
        "opt is outside usr/",
        "usr/share/pipe is a pipe",
        "control character",
        "UTF-8",
    ):
        assert said in reasons
    assert caught.value.remedies
    assert os.listdir(tree.parent / "out") == []


def test_sockets_are_refused_by_name(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "usr/share")  # a socket's name is at most 107 bytes
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("bus")
        with pytest.raises(UsageError) as caught:
            packed(tree)
    assert caught.value.because == ("usr/share/bus is a socket: have it made at boot, by tmpfiles.d",)


@pytest.mark.parametrize("kind", ["missing", "link", "file"])
def test_a_tree_without_usr_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "tree").mkdir()
    if kind == "link":
        (tmp_path / "tree/usr").symlink_to("/usr")
    if kind == "file":
        (tmp_path / "tree/usr").write_bytes(b"")
    with pytest.raises(UsageError, match="has no directory 'usr'"):
        packed(tmp_path / "tree")


def test_a_tree_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(MossError, match=r"cannot pack .*nowhere"):
        packed(tmp_path / "nowhere")


def test_extended_attributes_of_files_are_in_the_stone(tree: Path) -> None:
    file = tree / "usr/lib/libhello.so.1"
    os.setxattr(file, "user.note", b"kept")
    if os.geteuid() == 0:
        os.setxattr(tree / "usr/bin/hello", "security.capability", NET_RAW)
    made = packed(tree)
    assert made.notes == ()
    with open(made.path, "rb") as opened:
        entries = {entry.path: attributes_in(entry.xattrs) for entry in open_stone(opened, made.path).layout}
    wanted = {"lib/libhello.so.1": {"user.note": b"kept"}, "lib/hard": {"user.note": b"kept"}}
    if os.geteuid() == 0:
        wanted["bin/hello"] = {"security.capability": NET_RAW}
    assert {path: found for path, found in entries.items() if found} == wanted


def test_attributes_that_a_stone_cannot_say_are_a_note(tree: Path) -> None:
    os.setxattr(tree / "usr/share/private/secret", "user.overlay.opaque", b"y")
    os.setxattr(tree / "usr/lib", "user.note", b"of a directory")
    assert packed(tree).notes == (
        "usr/lib loses its extended attributes: user.note",
        "usr/share/private/secret loses its extended attributes: user.overlay.opaque",
    )


def test_more_attributes_than_a_file_can_keep_are_refused(tree: Path) -> None:
    os.setxattr(tree / "usr/bin/hello", "user.large", bytes(2040))
    with pytest.raises(UsageError) as caught:
        packed(tree)
    assert "2050 bytes, at most 2048" in caught.value.because[0]


def test_a_folder_of_stones_becomes_an_index(tree: Path) -> None:
    out = tree.parent / "out"
    first = packed(tree)
    epoch = replace(plainly.STATEMENT, name="a", version="2:1.0", scheme=Scheme.DEB)
    (out / "pool").mkdir()
    second = pack(str(tree), epoch, str(out / "pool"))
    made = index(str(out))
    assert made.path == str(out / "stone.index")
    published = read_index(made.path, strictness=Strictness.CHECK)
    assert [package.metadata for package in published] == [second.metadata, first.metadata]
    assert [package.digest for package in published] == [second.digest, first.digest]
    for package, stone in zip(published, (second, first), strict=True):
        # The place is a URI, so that a name with %3a in it is found.
        path = out / unquote(package.uri)
        assert str(path) == stone.path
        assert package.size == path.stat().st_size
    assert published[0].uri == "pool/a-2%253a1.0-3-1-x86_64.stone"
    assert index(str(out)).published == made.published


def test_a_stone_that_lies_there_twice_is_listed_once(tree: Path) -> None:
    made = packed(tree)
    out = tree.parent / "out"
    (out / "again.stone").write_bytes(Path(made.path).read_bytes())
    (out / ".half.stone").write_bytes(b"half")
    indexed = index(str(out))
    assert len(indexed.published) == 1
    assert "is the same stone as again.stone" in indexed.notes[0]


def test_what_is_no_package_is_named_and_the_old_index_stays(tree: Path) -> None:
    packed(tree)
    out = tree.parent / "out"
    before = Path(index(str(out)).path).read_bytes()
    (out / "bad.stone").write_bytes(b"bad")
    with pytest.raises(CorruptData, match=r"bad\.stone"):
        index(str(out))
    (out / "worse.stone").write_bytes(plainly.put_together(3, []))
    with pytest.raises(CorruptData, match="2 stones in") as caught:
        index(str(out))
    assert "bad.stone" in caught.value.because[0]
    assert "worse.stone is not a package" in caught.value.because[1]
    assert (out / "stone.index").read_bytes() == before


def test_an_empty_folder_has_an_empty_index(tmp_path: Path) -> None:
    assert Path(index(str(tmp_path)).path).read_bytes() == plainly.put_together(3, [])
    with pytest.raises(NotFound):
        index(str(tmp_path / "nowhere"))


def test_a_signal_right_after_a_file_got_its_name_is_not_taken_for_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed = os.rename

    def rename(one: str, other: str) -> None:
        renamed(one, other)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(KeyboardInterrupt), replacing(str(tmp_path / "file")) as target:
        target.write(b"whole")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"whole")]


def test_what_plain_words_can_say_is_said_in_them() -> None:
    said = {"depends": ("lib", "binary(sh)"), "provides": ("editor",), "conflicts": ("old",)}
    stated = with_relations(plainly.STATEMENT, relations_said(said))
    assert stated.rich_relations is None
    assert [str(one) for one in (*stated.depends, *stated.provides, *stated.conflicts)] == [
        "lib", "binary(sh)", "editor", "old",
    ]  # fmt: skip


def test_versions_and_choices_are_carried_beside_what_others_can_read(tree: Path) -> None:
    said = {
        "depends": ("lib (>= 2)", "a | b", "c if arch(x86_64)", "libc"),
        "recommends": ("docs",), "supplements": ("x & y",),
        "provides": ("editor (= 4)",), "conflicts": ("old (< 3)", "other"), "breaks": ("p (< 1)",), "replaces": ("p",),
    }  # fmt: skip
    stated = with_relations(plainly.STATEMENT, relations_said(said))
    made = pack(str(tree), stated, str(tree.parent / "out"))
    with open(made.path, "rb") as file:
        metadata = open_stone(file, made.path).metadata
    assert {"lib", "libc"} < {str(one) for one in metadata.depends}
    assert not {"a", "b", "c"} & {str(one) for one in metadata.depends}
    assert [str(one) for one in metadata.conflicts] == ["other"]
    texts = texts_of(metadata.relations)
    scanned = texts["depends"][4:]
    assert "soname(libc.so.6(x86_64))" in scanned and "soname(libhello.so.1(x86_64))" not in scanned
    assert texts["provides"][:1] == ["editor (= 4)"] and "soname(libhello.so.1(x86_64))" in texts["provides"]
    assert {word: tuple(texts[word])[: len(said[word])] for word in said} == said


@pytest.mark.parametrize(
    ("word", "text", "wrong"),
    [
        ("depends", "lib (<> 2)", "expected"), ("depends", "name(vim)", "write 'vim'"),
        ("depends", "red(x)", "no kind"), ("breaks", "a (", "expected"),
        ("provides", "x (< 2)", "(= version)"), ("conflicts", "a | b", "one capability"),
        ("conflicts", "arch(x86_64)", "no package provides"), ("depends", "x (>= -1)", "no version"),
    ],
)  # fmt: skip
def test_what_is_no_relation_is_refused(word: str, text: str, wrong: str) -> None:
    with pytest.raises(UsageError) as caught:
        relations_said({word: (text,)})
    assert caught.value.message.startswith(f"--{word} {text!r}: ") and wrong in caught.value.message


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        relations_said({"breaks": ("a (", "b", "c |"), "depends": ("d", "red(x)")})
    assert "'a ('" in caught.value.message
    assert ["'c |'" in caught.value.because[0], "'red(x)'" in caught.value.because[1]] == [True, True]


def test_what_the_page_on_choosing_shows_can_be_said() -> None:
    page = (PROJECT / "docs" / "choosing.md").read_text(encoding="utf-8")
    shown = re.search(r"are formulas: (.*?)\.\nA condition .*?, (`.*?`):", page, re.DOTALL)
    assert shown is not None
    formulas = re.findall(r"`([^`]+)`", shown[1] + shown[2])
    assert len(formulas) == 7
    assert len(relations_said({"depends": formulas}).depends) == 7
