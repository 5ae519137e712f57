"""Where the paths of a Debian package go."""

import stat
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from moss.errors import CorruptData
from moss.foreign.deb import NoticeKind, convert
from moss.layout import EntryKind
from moss.xattrs import attributes_in
from tests.foreign.debmaker import Deb, Item, Read, converted, folder, hard_link, link


def laid_out(directory: Path, *files: Item) -> Read:
    return converted(Deb(files), directory)[1]


def warnings(directory: Path, *files: Item) -> dict[NoticeKind, tuple[str, ...]]:
    done, _ = converted(Deb(files), directory)
    return {notice.kind: notice.paths for notice in done.warnings}


@pytest.mark.parametrize("top", ["bin", "sbin", "lib", "lib32", "lib64", "libx32"])
def test_the_old_top_directories_become_part_of_usr(tmp_path: Path, top: str) -> None:
    read = laid_out(tmp_path, folder(f"./{top}/"), Item(f"./{top}/x", b"content", mode=0o755))
    assert list(read.entries) == [f"{top}/x"]
    assert read.contents[f"{top}/x"] == b"content"


def test_what_is_in_usr_stays(tmp_path: Path) -> None:
    read = laid_out(tmp_path, Item("./usr/lib64/ld.so", b"loader"), Item("./usr/share/doc/x", b"text"))
    assert list(read.entries) == ["lib64/ld.so", "share/doc/x"]


def test_owners_setuid_bits_and_modes_are_kept(tmp_path: Path) -> None:
    read = laid_out(
        tmp_path,
        Item("./usr/bin/su", b"su", mode=0o4755),
        Item("./usr/bin/wall", b"wall", mode=0o2755, gid=5),
        folder("./usr/lib/private/", 0o710, 33, 34),
        Item("./usr/lib/private/x", b"x", uid=33),
    )
    assert read.entries["bin/su"].mode == stat.S_IFREG | 0o4755
    assert (read.entries["bin/wall"].mode, read.entries["bin/wall"].gid) == (stat.S_IFREG | 0o2755, 5)
    private = read.entries["lib/private"]
    assert (private.mode, private.uid, private.gid) == (stat.S_IFDIR | 0o710, 33, 34)
    assert read.entries["lib/private/x"].uid == 33


def test_of_directories_only_empty_and_unusual_ones_are_named(tmp_path: Path) -> None:
    read = laid_out(
        tmp_path, folder("./usr/lib/full/"), Item("./usr/lib/full/x", b"x"), folder("./usr/lib/empty/")
    )
    assert list(read.entries) == ["lib/empty", "lib/full/x"]


def test_a_kernel_goes_where_its_modules_are(tmp_path: Path) -> None:
    read = laid_out(
        tmp_path,
        folder("./boot/"),
        Item("./boot/vmlinuz-6.1.0-9-amd64", b"kernel"),
        Item("./boot/config-6.1.0-9-amd64", b"config"),
        Item("./boot/System.map-6.1.0-9-amd64", b"map"),
    )
    directory = "lib/modules/6.1.0-9-amd64"
    assert list(read.entries) == [f"{directory}/{name}" for name in ("System.map", "config", "vmlinuz")]


def test_other_things_in_boot_are_left_out_and_said(tmp_path: Path) -> None:
    assert warnings(tmp_path, Item("./boot/vmlinuz-6/x", b"x"), Item("./boot/vmlinuz-", b"x")) == {
        NoticeKind.OUTSIDE: ("/boot/vmlinuz-", "/boot/vmlinuz-6/x")
    }


def test_a_hard_link_is_the_same_content_with_the_same_mode_and_owner(tmp_path: Path) -> None:
    read = laid_out(
        tmp_path,
        Item("./usr/bin/perl", b"perl", mode=0o4755, gid=7),
        hard_link("./usr/bin/perl5", "./usr/bin/perl"),
    )
    first, second = read.entries["bin/perl"], read.entries["bin/perl5"]
    assert second == first._replace(path="bin/perl5")


def test_a_hard_link_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        CorruptData, match=r"'usr/bin/b' is a hard link to 'usr/bin/a', which is no file before"
    ):
        laid_out(tmp_path, hard_link("./usr/bin/b", "./usr/bin/a"))


def test_a_hard_link_to_what_is_left_out_is_left_out_too(tmp_path: Path) -> None:
    done = warnings(tmp_path, Item("./opt/a", b"a"), hard_link("./usr/bin/a", "./opt/a"))
    assert done == {NoticeKind.OUTSIDE: ("/opt/a", "/usr/bin/a")}


@pytest.mark.parametrize(
    ("path", "target", "becomes"),
    [
        ("usr/bin/a", "b", "b"),
        ("usr/bin/a", "../lib/b", "../lib/b"),
        ("usr/lib/a", "/usr/share/b", "/usr/share/b"),
        ("usr/lib/a", "/lib/b", "/lib/b"),
        ("usr/lib/a", "/etc/b", "/etc/b"),
        ("usr/lib/x/a", "../../../etc/b", "../../../etc/b"),
        ("usr/lib/a", "../../lib/b", "../../lib/b"),
        ("lib64/ld.so", "/lib/x86_64-linux-gnu/ld.so", "/lib/x86_64-linux-gnu/ld.so"),
        ("lib/x/a", "../y/b", "../y/b"),
        # what is moved one directory deeper
        ("lib/x/y", "../../etc/foo", "../../../etc/foo"),
        ("lib/x/y", "../../usr/lib/z", "../z"),
        ("lib/libz.so", "../usr/lib/libz.so.1", "libz.so.1"),
        ("bin/a", "../sbin/b", "../sbin/b"),
        ("sbin/a", "../../../../etc/b", "../../etc/b"),
        # what points at something that has moved
        ("usr/lib/k", "/boot/vmlinuz-6.1", "/usr/lib/modules/6.1/vmlinuz"),
        ("usr/lib/k", "../../boot/vmlinuz-6.1", "modules/6.1/vmlinuz"),
        ("usr/lib/r", "/var/run/x", "/var/run/x"),
        ("usr/lib/r", "../../var/lock/x", "../../var/lock/x"),
    ],
)
def test_symlinks_are_rewritten_only_where_they_would_mean_something_else(
    tmp_path: Path, path: str, target: str, becomes: str
) -> None:
    read = laid_out(tmp_path, link(f"./{path}", target))
    (entry,) = read.entries.values()
    assert entry.kind is EntryKind.SYMLINK
    assert entry.link_target == becomes


def test_the_links_of_a_merged_root_are_the_skeletons_matter(tmp_path: Path) -> None:
    done, read = converted(Deb([link("./bin", "usr/bin"), link("./lib64", "usr/lib64")]), tmp_path)
    assert not read.entries
    assert not done.warnings


def test_a_link_that_bridged_the_two_directories_goes(tmp_path: Path) -> None:
    read = laid_out(
        tmp_path,
        Item("./bin/which", b"which"),
        link("./usr/bin/which", "/bin/which"),
        link("./bin/awk", "../usr/bin/awk"),
        Item("./usr/bin/awk", b"awk"),
    )
    assert read.contents == {"bin/which": b"which", "bin/awk": b"awk"}


def test_the_same_file_in_both_directories_is_one(tmp_path: Path) -> None:
    read = laid_out(tmp_path, Item("./bin/x", b"same"), Item("./usr/bin/x", b"same"))
    assert read.contents == {"bin/x": b"same"}


@pytest.mark.parametrize(
    "second",
    [
        Item("./usr/bin/x", b"other"),
        Item("./usr/bin/x", b"one", mode=0o755),
        link("./usr/bin/x", "y"),
        folder("./usr/bin/x/"),
    ],
)
def test_different_things_that_become_one_path_are_refused_by_name(tmp_path: Path, second: Item) -> None:
    with pytest.raises(CorruptData, match=r"'/bin/x' and '/usr/bin/x' become one path"):
        laid_out(tmp_path, Item("./bin/x", b"one"), second)
    assert list((tmp_path / "stones").iterdir()) == []


def test_of_two_directories_that_become_one_the_unusual_one_counts(tmp_path: Path) -> None:
    for first, second in ((0o700, 0o755), (0o755, 0o700)):
        read = laid_out(tmp_path, folder("./lib/x/", first), folder("./usr/lib/x/", second))
        assert read.entries["lib/x"].mode == stat.S_IFDIR | 0o700


def test_an_empty_directory_elsewhere_is_said_too(tmp_path: Path) -> None:
    assert warnings(tmp_path, folder("./opt/"), folder("./opt/x/")) == {NoticeKind.OUTSIDE: ("/opt/x",)}


def test_files_of_the_oldest_tar_are_files(tmp_path: Path) -> None:
    read = laid_out(tmp_path, Item("./usr/x", b"x", type=tarfile.AREGTYPE))
    assert read.contents == {"x": b"x"}


def test_links_that_no_file_system_can_hold_are_left_out_and_said(tmp_path: Path) -> None:
    done = warnings(tmp_path, link("./usr/x", "x/" * 2048), link("./usr/y", "a\nb"))
    assert done == {NoticeKind.NAME: ("/usr/x", "/usr/y")}


def test_a_path_below_a_link_or_file_of_the_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match=r"'/usr/lib/a/b' lies below '/usr/lib/a', which is no directory"):
        laid_out(tmp_path, link("./usr/lib/a", "/etc"), Item("./usr/lib/a/b", b"x"))


def test_what_lies_elsewhere_is_left_out_and_said(tmp_path: Path) -> None:
    done, read = converted(
        Deb([folder("./opt/"), folder("./opt/x/"), Item("./opt/x/y", b"y"), Item("./srv/www", b"w")]),
        tmp_path,
    )
    assert not read.entries
    (notice,) = done.warnings
    assert notice.kind is NoticeKind.OUTSIDE
    assert notice.paths == ("/opt/x/y", "/srv/www")
    assert str(notice) == "/opt/x/y, /srv/www: left out, being outside /usr, /etc, /boot and /var"


def test_only_the_deepest_of_what_is_left_out_is_said(tmp_path: Path) -> None:
    done = warnings(tmp_path, folder("./opt/a/"), Item("./opt/a-b", b""), Item("./opt/a/c", b""))
    assert done == {NoticeKind.OUTSIDE: ("/opt/a/c", "/opt/a-b")}


def test_the_directories_every_root_has_are_not_worth_a_word(tmp_path: Path) -> None:
    tops = (
        "proc",
        "sys",
        "dev",
        "run",
        "tmp",
        "root",
        "home",
        "mnt",
        "opt",
        "srv",
        "media",
        "etc",
        "var",
        "usr",
    )
    done, read = converted(Deb([folder(f"./{top}/") for top in tops]), tmp_path)
    assert not done.warnings
    assert not read.entries


def test_a_file_with_a_name_of_the_skeletons_is_said(tmp_path: Path) -> None:
    assert warnings(tmp_path, link("./home", "var/home")) == {NoticeKind.OUTSIDE: ("/home",)}
    assert warnings(tmp_path, Item("./lib", b"a file")) == {NoticeKind.OUTSIDE: ("/lib",)}


def test_devices_are_left_out_and_said(tmp_path: Path) -> None:
    done = warnings(
        tmp_path, Item("./usr/lib/null", type=tarfile.CHRTYPE), Item("./usr/lib/p", type=tarfile.FIFOTYPE)
    )
    assert done == {NoticeKind.DEVICE: ("/usr/lib/null", "/usr/lib/p")}


def test_names_that_are_not_text_are_left_out_and_said(tmp_path: Path) -> None:
    bad = b"./usr/share/caf\xe9".decode("utf-8", "surrogateescape")
    done = warnings(
        tmp_path, Item(bad, b"x"), Item("./usr/share/new\nline", b"x"), Item("./usr/share/\u00e9", b"kept")
    )
    assert done == {NoticeKind.NAME: ("/usr/share/caf\\xe9", "/usr/share/new\\nline")}


def test_names_need_not_begin_with_a_dot(tmp_path: Path) -> None:
    read = laid_out(
        tmp_path, folder("usr"), Item("usr/bin/a", b"a"), Item("/usr/bin/b", b"b"), Item(".//usr/./c", b"c")
    )
    assert list(read.entries) == ["bin/a", "bin/b", "c"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_every_form_of_tar(tmp_path: Path, form: int) -> None:
    long = "/".join(["usr", "share", "d" * 60, "e" * 60, "f" * 80])
    target = "t" * (90 if form == tarfile.USTAR_FORMAT else 200)
    done = convert(
        Deb([Item(f"./{long}", b"x"), link("./usr/l", target)], form=form).write(tmp_path),
        str(tmp_path / "stones"),
    )
    assert done.metadata.name == "tool"
    read = converted(Deb([Item(f"./{long}", b"x"), link("./usr/l", target)], form=form), tmp_path)[1]
    assert set(read.entries) == {long.removeprefix("usr/"), "l"}
    assert read.entries["l"].link_target == target


def test_extended_attributes_in_pax_records_are_the_files(tmp_path: Path) -> None:
    value = "\1\0\0\2" + 16 * "\0"
    ping = Item("./usr/bin/ping", b"x", mode=0o755, pax={"SCHILY.xattr.security.capability": value})
    again = hard_link("./usr/bin/ping4", "./usr/bin/ping")
    config = Item("./etc/tool.conf", b"x", pax={"SCHILY.xattr.user.note": "some", "SCHILY.xattr.security.selinux": "x"})
    plain = Item("./usr/bin/plain", b"x", mode=0o755)
    deb = Deb([ping, again, config, plain], form=tarfile.PAX_FORMAT)
    done, read = converted(deb, tmp_path)
    capability = {"security.capability": b"\1\0\0\2" + bytes(16)}
    assert {path: attributes_in(entry.xattrs) for path, entry in read.entries.items() if entry.xattrs} == {
        "bin/ping": capability,
        "bin/ping4": capability,
        "share/factory/etc/tool.conf": {"user.note": b"some"},
    }
    assert not [notice for notice in done.warnings if notice.kind is NoticeKind.XATTR]


def test_extended_attributes_that_a_stone_cannot_hold_are_said(tmp_path: Path) -> None:
    acl = {"SCHILY.xattr.system.posix_acl_access": "x"}
    items = [Item("./usr/a", b"", pax=acl), folder("./usr/d"), replace(folder("./usr/e"), pax=acl)]
    done, read = converted(Deb(items, form=tarfile.PAX_FORMAT), tmp_path)
    assert [notice.paths for notice in done.warnings if notice.kind is NoticeKind.XATTR] == [("/usr/a", "/usr/e")]
    assert all(not entry.xattrs for entry in read.entries.values())


def test_names_and_owners_beyond_ustar_are_read_from_pax(tmp_path: Path) -> None:
    item = Item("./usr/share/\u00fc" + "x" * 200, b"x", uid=5_000_000, gid=2**31)
    read = converted(Deb([item], form=tarfile.PAX_FORMAT), tmp_path)[1]
    (entry,) = read.entries.values()
    assert (entry.path, entry.uid, entry.gid) == (item.name.removeprefix("./usr/"), 5_000_000, 2**31)
