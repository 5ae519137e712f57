"""A materialised tree is exactly its layout, linked out of the store."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.db.packages import Asset, asset_of
from moss.declared import Declared
from moss.digest import EMPTY_CONTENT, content_digest
from moss.effects import Effects
from moss.layout import Entry, EntryKind, directory, regular, symlink, tree_order
from moss.materialise import materialise
from moss.root import GenerationId
from moss.store import Store, asset_name, create_store
from moss.xattrs import xattrs_of

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can give files away")


@pytest.fixture
def effects() -> Effects:
    return Effects(apply_owners=AS_ROOT)


@pytest.fixture
def store(tmp_path: Path, effects: Effects) -> Iterator[Store]:
    create_store(str(tmp_path / "assets"), effects)
    with Store(str(tmp_path / "assets"), effects) as opened:
        yield opened


def put(store: Store, content: bytes, permissions: int = 0o644, uid: int = 0, gid: int = 0) -> Asset:
    asset = Asset(content_digest(content), permissions, uid, gid)
    store.put(asset, content)
    return asset


def make(store: Store, tmp_path: Path, effects: Effects, layout: list[Entry]) -> Path:
    for entry in layout:
        assert entry.kind is not EntryKind.REGULAR or entry.digest is not None
    usr, said = tmp_path / "usr", Declared(GenerationId(7), "what it was to be\n")
    materialise(sorted(layout, key=lambda entry: tree_order(entry.path)), store, str(usr), said, effects)
    return usr


def test_every_entry_is_made_as_it_says(store: Store, tmp_path: Path, effects: Effects) -> None:
    put(store, b"#!/bin/sh\n", 0o755)
    put(store, b"text")
    layout = [
        regular("bin/tool", content_digest(b"#!/bin/sh\n"), 0o755),
        regular("share/doc/tool/text", content_digest(b"text")),
        regular("share/empty", EMPTY_CONTENT, 0o600),
        symlink("bin/alias", "tool"),
        directory("lib/private", 0o700),
        directory("lib/sticky", 0o1777),
    ]
    usr = make(store, tmp_path, effects, layout)
    assert (usr / "bin/tool").read_bytes() == b"#!/bin/sh\n"
    assert stat.S_IMODE((usr / "bin/tool").stat().st_mode) == 0o755
    assert (usr / "share/doc/tool/text").read_bytes() == b"text"
    assert (usr / "share/empty").read_bytes() == b""
    assert stat.S_IMODE((usr / "share/empty").stat().st_mode) == 0o600
    assert os.readlink(usr / "bin/alias") == "tool"
    assert stat.S_IMODE((usr / "lib/private").stat().st_mode) == 0o700
    assert stat.S_IMODE((usr / "lib/sticky").stat().st_mode) == 0o1777
    assert stat.S_IMODE((usr / "lib").stat().st_mode) == 0o755
    assert (usr / ".stateID").read_text() == "7\n"
    assert (usr / ".system-model.kdl").read_text() == "what it was to be\n"
    assert stat.S_IMODE((usr / ".system-model.kdl").stat().st_mode) == 0o600


def test_files_are_links_to_the_store_and_empty_ones_are_not(store: Store, tmp_path: Path, effects: Effects) -> None:
    asset = put(store, b"text")
    layout = [regular("a", asset.digest), regular("b", asset.digest), regular("none", EMPTY_CONTENT)]
    usr = make(store, tmp_path, effects, layout)
    assert (usr / "a").stat().st_ino == (usr / "b").stat().st_ino
    assert (usr / "a").stat().st_nlink == 3
    assert (usr / "none").stat().st_nlink == 1


def test_one_content_with_two_modes_is_two_files(store: Store, tmp_path: Path, effects: Effects) -> None:
    plain = put(store, b"text")
    store.copy(plain, plain._replace(permissions=0o4755))
    usr = make(store, tmp_path, effects, [regular("a", plain.digest), regular("b", plain.digest, 0o4755)])
    assert stat.S_IMODE((usr / "a").stat().st_mode) == 0o644
    assert stat.S_IMODE((usr / "b").stat().st_mode) == 0o4755
    assert (usr / "b").read_bytes() == b"text"


def test_a_directory_nobody_may_write_to_is_filled_first(store: Store, tmp_path: Path, effects: Effects) -> None:
    asset = put(store, b"text")
    usr = make(store, tmp_path, effects, [directory("closed", 0o555), regular("closed/below", asset.digest)])
    assert (usr / "closed/below").read_bytes() == b"text"
    assert stat.S_IMODE((usr / "closed").stat().st_mode) == 0o555


@needs_root
def test_owners_are_applied_to_files_links_and_directories(store: Store, tmp_path: Path, effects: Effects) -> None:
    asset = put(store, b"text", 0o640, 3, 4)
    layout = [
        regular("a", asset.digest, 0o640, 3, 4),
        symlink("link", "a", 5, 6),
        directory("place", 0o2775, 7, 8),
        regular("none", EMPTY_CONTENT, 0o644, 9, 10),
    ]
    usr = make(store, tmp_path, effects, layout)
    found = {name: os.lstat(usr / name) for name in ("a", "link", "place", "none")}
    assert {name: (status.st_uid, status.st_gid) for name, status in found.items()} == {
        "a": (3, 4), "link": (5, 6), "place": (7, 8), "none": (9, 10),
    }  # fmt: skip
    assert stat.S_IMODE(found["place"].st_mode) == 0o2775


def test_what_a_crash_left_in_the_store_is_replaced(store: Store, tmp_path: Path, effects: Effects) -> None:
    asset = Asset(content_digest(b"whole"), 0o644, 0, 0)
    left = tmp_path / "assets" / asset_name(asset)
    left.parent.mkdir(mode=0o700)
    left.write_bytes(b"who")
    store.put(asset, b"whole")
    assert left.read_bytes() == b"whole"


@pytest.mark.parametrize("found", [b"text", b"texts", b"tex", b""])
def test_another_content_with_the_same_digest_is_noticed(store: Store, found: bytes) -> None:
    asset = put(store, b"text")
    assert store.holds(asset, [found[:2], found[2:]]) == (found == b"text")


def test_a_missing_file_of_the_store_is_noticed(store: Store) -> None:
    assert not store.holds(Asset(content_digest(b"never put"), 0o644, 0, 0), [b"never put"])


def test_names_in_the_store_tell_all_but_the_usual_metadata(store: Store) -> None:
    digest = content_digest(b"x")
    assert asset_name(Asset(digest, 0o644, 0, 0)) == f"{digest.hex()[:2]}/{digest.hex()}"
    names = {
        asset_name(asset_of(regular("x", digest, mode, uid, gid)))
        for mode in (0o644, 0o755, 0o4755) for uid in (0, 1) for gid in (0, 1)
    }  # fmt: skip
    assert len(names) == 12
    marked = [regular("x", digest, xattrs=xattrs_of({"user.x": value})) for value in (b"1", b"2")]
    assert len(names | {asset_name(asset_of(entry)) for entry in marked}) == 14
