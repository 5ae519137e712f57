"""What an asset is, and that the store never takes one for another."""

import os
import stat
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from moss.audit import audit
from moss.db import cuts
from moss.digest import content_digest
from moss.effects import Effects
from moss.errors import CorruptData, MossError
from moss.operations.cache import orphans
from moss.operations.system import open_to_read
from moss.operations.upkeep import keep_house, layout_of
from moss.operations.verify import verify
from moss.root import GenerationId
from moss.store import Store, asset_name
from tests.builders import Content, File, metadata
from tests.filesystems import mounted, needs_mounts, open_to_all
from tests.transactions import Repository, changing, check_invariants, make
from tests.trees import OWN_ENTRIES, differences

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root may set file capabilities and become nobody")

NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
"""cap_net_raw=ep, as linux/capability.h has it."""


def published(folder: Path, **files: Mapping[str, File | bytes]) -> Repository:
    repository = Repository(folder)
    for name, content in files.items():
        repository.publish(name, metadata(name), dict(content))
    return repository


def attributes(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


# Identity


def test_a_file_and_its_twin_with_other_attributes_are_two_assets(tmp_path: Path) -> None:
    repository = published(
        tmp_path / "packages",
        plain={"bin/plain": File(b"one", 0o755), "share/none": File(b"", xattrs={"user.note": b"empty"})},
        noted={"bin/noted": File(b"one", 0o755, xattrs={"user.note": b"\x00\xff", "user.a": b""})},
    )
    make(tmp_path / "root", repository, "plain", "noted")
    usr = tmp_path / "root/usr"
    assert attributes(usr / "bin/plain") == {}
    assert attributes(usr / "bin/noted") == {"user.note": b"\x00\xff", "user.a": b""}
    assert attributes(usr / "share/none") == {"user.note": b"empty"}
    assert check_invariants(tmp_path / "root") == 1


@needs_root
def test_file_capabilities_are_applied_and_another_packages_twin_has_none(tmp_path: Path) -> None:
    capable = File(b"#!/bin/sh\n", 0o755, xattrs={"security.capability": NET_RAW})
    repository = published(
        tmp_path / "packages", capable={"bin/ping": capable}, other={"bin/other": File(b"#!/bin/sh\n", 0o755)}
    )
    make(tmp_path / "root", repository, "capable", "other")
    usr = tmp_path / "root/usr"
    assert attributes(usr / "bin/ping") == {"security.capability": NET_RAW}
    assert attributes(usr / "bin/other") == {}


def test_capabilities_are_recorded_and_not_applied_by_an_ordinary_user(tmp_path: Path) -> None:
    xattrs = {"security.capability": NET_RAW, "user.note": b"x"}
    repository = published(
        tmp_path / "packages", capable={"bin/ping": File(b"ping", 0o555, xattrs=xattrs)}
    )
    ordinary = Effects(apply_owners=False)
    make(tmp_path / "root", repository, "capable", effects=ordinary)
    assert attributes(tmp_path / "root/usr/bin/ping") == {"user.note": b"x"}
    with open_to_read(str(tmp_path / "root")) as system, Store(system.root.store, ordinary) as store:
        (entry,) = layout_of(system, GenerationId(1))
        assert b"security.capability" in entry.xattrs
        usr = str(tmp_path / "root/usr")
        assert audit([entry], usr, store, owners=False).is_clean


@needs_root
def test_a_file_system_without_extended_attributes_is_told_and_nothing_is_done(tmp_path: Path) -> None:
    noted = {"bin/noted": File(b"one", 0o755, xattrs={"user.note": b"x"})}
    repository = published(tmp_path / "packages", plain={"bin/plain": b"plain"}, noted=noted)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "none", str(disk)], check=True)
    try:
        make(disk / "root", repository, "plain")
        with pytest.raises(MossError) as caught:
            make(disk / "root", repository, "plain", "noted")
        assert "extended attributes, such as ext4" in caught.value.remedies[0]
        assert check_invariants(disk / "root") == 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("content", [b"", b"some"], ids=["empty", "copied"])
def test_the_audit_sees_attributes_that_are_not_the_layouts(tmp_path: Path, content: bytes) -> None:
    file = File(content, xattrs={"user.note": b"right"})
    repository = published(tmp_path / "packages", noted={"share/file": file, "bin/tool": b"tool"})
    make(tmp_path / "root", repository, "noted")
    usr = tmp_path / "root/usr"
    copy = usr / "share/file.copy"
    copy.write_bytes(content)
    copy.chmod(0o644)
    os.setxattr(copy, "user.note", b"right")
    copy.rename(usr / "share/file")
    with changing(tmp_path / "root", repository) as system, Store(system.root.store, system.effects) as store:
        layout = layout_of(system, GenerationId(1))
        assert audit(layout, str(usr), store, owners=AS_ROOT).is_clean
        os.setxattr(usr / "share/file", "user.note", b"wrong")
        assert audit(layout, str(usr), store, owners=AS_ROOT).changed == ("share/file",)
        os.removexattr(usr / "share/file", "user.note")
        assert audit(layout, str(usr), store, owners=AS_ROOT).changed == ("share/file",)


# Two contents with one digest


def twins(seed: int) -> tuple[bytes, bytes]:
    """Two different contents with the same XXH3-128.

    For 17 to 32 bytes XXH3 multiplies (low ^ s1) by (high ^ s2), s1 and s2 being constants of the
    algorithm, and adds low + high elsewhere. With low = s1, or with high = s2, the product is 0; so two
    inputs of which each has one of these, and the same sum, have the same digest.
    """
    s1, s2 = struct.unpack("<QQ", bytes.fromhex("b8fe6c3923a44bbe7c01812cf721ad1c"))
    first = struct.pack("<QQ", s1, (seed + s2 - s1) % 2**64) + bytes(16)
    second = struct.pack("<QQ", seed, s2) + bytes(16)
    return first, second


def test_two_contents_with_one_digest_never_become_one_file(tmp_path: Path) -> None:
    good, evil = twins(7)
    assert good != evil and content_digest(good) == content_digest(evil)
    repository = published(tmp_path / "packages", good={"bin/good": good}, evil={"bin/evil": evil})
    root = tmp_path / "root"
    make(root, repository, "good")
    with pytest.raises(CorruptData, match=r"/usr/bin/evil of evil 1.0-1 and /usr/bin/good of good 1.0-1") as caught:
        make(root, repository, "good", "evil")
    assert "made to be taken for each other" in caught.value.message
    assert check_invariants(root) == 1
    assert (root / "usr/bin/good").read_bytes() == good


def test_nor_do_they_when_they_come_in_one_transaction_or_with_another_mode(tmp_path: Path) -> None:
    good, evil = twins(8)
    other = {"bin/evil": evil, "share/evil": File(evil, 0o600)}
    repository = published(tmp_path / "packages", good={"bin/good": good}, evil=other)
    for labels in (("good", "evil"), ("evil", "good")):
        with pytest.raises(CorruptData, match="have one digest and are not the same"):
            make(tmp_path / "-".join(labels), repository, *labels)
        assert check_invariants(tmp_path / "-".join(labels)) is None


def test_a_damaged_file_of_the_store_is_told_from_a_twin(tmp_path: Path) -> None:
    repository = published(tmp_path / "packages", first={"bin/a": b"same text"}, second={"bin/b": b"same text"})
    root = tmp_path / "root"
    make(root, repository, "first")
    with open_to_read(str(root)) as system:
        (asset,) = cuts.present(system.record)
    damaged = root / ".moss/assets" / asset_name(asset)
    damaged.write_bytes(b"same tent")
    with pytest.raises(CorruptData, match=r"/usr/bin/b of second .* /usr/bin/a of first .*is damaged") as caught:
        make(root, repository, "first", "second")
    assert caught.value.file == str(damaged)
    assert caught.value.remedies
    damaged.write_bytes(b"same text")
    assert check_invariants(root) == 1


# Links run out


def use_up_the_links(root: Path, asset: str, aside: Path, leave: int) -> None:
    """Link a file of the store until only `leave` more are allowed."""
    file = root / ".moss/assets" / asset
    limit = os.pathconf(file, "PC_LINK_MAX")
    assert limit < 70_000
    for number in range(limit - file.stat().st_nlink - leave):
        if number % 1000 == 0:
            folder = aside / str(number)
            folder.mkdir(parents=True)
        os.link(file, folder / str(number))


@needs_mounts
@pytest.mark.parametrize(
    "by_difference", [pytest.param(False, id="in full", marks=pytest.mark.slow), pytest.param(True, id="by difference")]
)
def test_when_links_run_out_an_asset_gets_another_inode(tmp_path: Path, by_difference: bool) -> None:
    files = {f"share/doc/{name}/licence": File(b"the same text", 0o444) for name in "abcdef"}
    repository = published(tmp_path / "packages", many=files, more={"share/doc/more": File(b"the same text", 0o444)})
    with mounted(tmp_path, "ext2", 24 << 20, "-N", "2000") as disk:
        root = disk / "root"
        make(root, repository, "many")
        if by_difference:
            make(root, repository, "many", "more")
            make(root, repository, "many")
            with changing(root, repository) as system:
                keep_house(system, keep=1)
        with open_to_read(str(root)) as system:
            (name,) = map(asset_name, cuts.present(system.record))
        before = os.stat(root / ".moss/assets" / name).st_ino
        use_up_the_links(root, name, disk / "aside", 0 if by_difference else 3)
        make(root, repository, "many", "more")
        after = os.stat(root / ".moss/assets" / name)
        inodes = {path.stat().st_ino for path in (root / "usr/share/doc").rglob("*") if path.is_file()}
        assert after.st_ino != before
        assert inodes == {before, after.st_ino}, "the first links were to the old inode, the rest are to the new"
        assert stat.S_IMODE(after.st_mode) == 0o444
        assert differences(root) == []
        assert [path.name for path in (root / ".moss/assets").rglob("*.moss-new")] == []
        # What looks at inodes knows: a clean tree is found clean, a change under the old inode is found.
        with changing(root, repository) as system, Store(system.root.store, system.effects) as store:
            number = system.active
            assert number is not None
            layout = layout_of(system, number)
            assert audit(layout, str(root / "usr"), store, owners=True).is_clean
            upkeep = keep_house(system, keep=1)
            assert upkeep.audits == ()
            assert verify(system).is_clean
            assert list(orphans(system)) == []
            files_there = (path for path in (root / "usr/share/doc").rglob("*") if path.is_file())
            old = next(path for path in files_there if path.stat().st_ino == before)
            old.chmod(0o644)
            assert str(old.relative_to(root / "usr")) in audit(layout, str(root / "usr"), store, owners=True).changed


@needs_mounts
@pytest.mark.slow
def test_a_crash_while_an_asset_gets_another_inode_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = published(tmp_path / "packages", one={"share/a": b"the same text"}, two={"share/b": b"the same text"})

    class Crash(BaseException):
        pass

    def crash(self: Effects, *names: str, **more: object) -> None:
        raise Crash

    with mounted(tmp_path, "ext2", 24 << 20, "-N", "2000") as disk:
        root = disk / "root"
        make(root, repository, "one")
        (name,) = [path for path in (root / ".moss/assets").rglob("*") if path.is_file()]
        use_up_the_links(root, str(name.relative_to(root / ".moss/assets")), disk / "aside", 0)
        before = name.stat().st_ino
        with monkeypatch.context() as patch, pytest.raises(Crash):
            patch.setattr(Effects, "rename", crash)
            make(root, repository, "one", "two")
        assert name.stat().st_ino == before
        assert check_invariants(root) == 1
        make(root, repository, "one", "two")
        assert name.stat().st_ino != before
        assert check_invariants(root) == 3


# Out of reach


@needs_root
def test_no_setuid_file_is_within_an_ordinary_users_reach_outside_the_active_tree(tmp_path: Path) -> None:
    """`nobody` looks everywhere it may go, and also asks for each place by name."""
    setuid = File(b"#!/bin/sh\n", 0o4755)
    repository = published(
        tmp_path / "packages",
        first={"bin/su": setuid, "share/1": b"1"},
        second={"bin/su": setuid, "share/2": b"2"},
    )
    open_to_all(tmp_path)
    root = tmp_path / "root"
    make(root, repository, "first")
    make(root, repository, "second")
    make(root, repository, "first", "second")
    places = [path for path in (root / ".moss").rglob("*") if path.is_file() and path.stat().st_mode & 0o4000]
    assert len({path.stat().st_ino for path in places}) == 1 and len(places) >= 3, "store and archives have it"

    def as_nobody(*command: str) -> "subprocess.CompletedProcess[str]":
        words = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    found = as_nobody("find", str(root), "-perm", "/6000", "-type", "f").stdout.split()
    assert found == [str(root / "usr/bin/su")]
    assert as_nobody("test", "-x", str(root / "usr/bin/su")).returncode == 0
    for path in [*places, root / ".moss/db/moss.db", root / ".moss/root/1/usr/share/1"]:
        assert path.exists()
        assert as_nobody("test", "-e", str(path)).returncode != 0
    for directory in (root / ".moss", *(root / ".moss").glob("*/")):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.slow
def test_the_store_of_three_generations_is_their_distinct_contents_and_little_more(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "packages")
    root = tmp_path / "root"
    for version in range(3):
        for package in range(4):
            files: dict[str, Content] = {
                f"share/p{package}/{at % 20}/{at}": f"{at} of {at % 3 and package} in {version * (at % 5 == 0)}" * 9
                for at in range(1500)
            }
            repository.publish(f"p{package}-{version}", metadata(f"p{package}", str(version)), files)
        make(root, repository, *(f"p{package}-{version}" for package in range(4)))
    contents: set[bytes] = set()
    for usr in (root / "usr", root / ".moss/root/1/usr", root / ".moss/root/2/usr"):
        contents |= {path.read_bytes() for path in usr.rglob("*") if path.is_file() and path.name not in OWN_ENTRIES}
    assert len(contents) > 5000
    there = [path.lstat() for path in (root / ".moss/assets").rglob("*")]
    files_there = [status for status in there if stat.S_ISREG(status.st_mode)]
    assert sum(status.st_size for status in files_there) <= 1.05 * sum(map(len, contents))
    assert len({status.st_ino for status in there}) <= 1.05 * len(contents)
