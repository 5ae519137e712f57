"""What of a Debian package belongs outside /usr: the factory, and the lines that bring it out."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from moss.errors import CorruptData
from moss.foreign import tmpfiles
from moss.foreign.deb import NoticeKind
from tests.foreign.debmaker import Deb, Item, converted, folder, hard_link, link


def lines(directory: Path, *files: Item) -> list[str]:
    return converted(Deb(files), directory)[1].lines()


def test_files_of_etc_go_to_the_factory_and_are_copied_from_there(tmp_path: Path) -> None:
    _, read = converted(
        Deb([folder("./etc/"), Item("./etc/tool/shadow", b"secret", mode=0o640, gid=42)]), tmp_path
    )
    factory = read.entries["share/factory/etc/tool/shadow"]
    assert (factory.mode & 0o7777, factory.gid) == (0o640, 42)
    assert read.contents["share/factory/etc/tool/shadow"] == b"secret"
    assert read.lines() == ["C /etc/tool/shadow - - - -"]


def test_links_of_etc_are_made_where_they_belong(tmp_path: Path) -> None:
    assert lines(tmp_path, link("./etc/os-release", "../usr/lib/os-release")) == [
        "L /etc/os-release - - - - ../usr/lib/os-release"
    ]


def test_a_hard_link_in_etc_is_a_second_copy(tmp_path: Path) -> None:
    made = lines(tmp_path, Item("./etc/a", b"a"), hard_link("./etc/b", "./etc/a"))
    assert made == ["C /etc/a - - - -", "C /etc/b - - - -"]


def test_directories_are_named_only_where_nothing_else_makes_them_so(tmp_path: Path) -> None:
    assert lines(
        tmp_path,
        folder("./etc/full/"),
        Item("./etc/full/x", b"x"),
        folder("./etc/empty/"),
        folder("./etc/private/", 0o700, 101, 102),
        Item("./etc/private/x", b"x"),
    ) == [
        "d /etc/empty - - - -",
        "C /etc/full/x - - - -",
        "d /etc/private 0700 101 102 -",
        "C /etc/private/x - - - -",
    ]


def test_of_var_directories_links_and_files_are_brought_out(tmp_path: Path) -> None:
    _, read = converted(
        Deb(
            [
                folder("./var/"),
                folder("./var/lib/"),
                folder("./var/lib/tool/"),
                folder("./var/mail/", 0o2775, 0, 8),
                folder("./var/tmp/", 0o1777),
                link("./var/spool/mail", "../mail"),
                Item("./var/lib/other/db", b"db"),
            ]
        ),
        tmp_path,
    )
    assert read.lines() == [
        "C /var/lib/other/db - - - -",
        "d /var/lib/tool - - - -",
        "d /var/mail 2775 0 8 -",
        "L /var/spool/mail - - - - ../mail",
        "d /var/tmp 1777 0 0 -",
    ]
    assert read.contents["share/factory/var/lib/other/db"] == b"db"


def test_what_lies_in_var_run_is_made_in_run(tmp_path: Path) -> None:
    assert lines(tmp_path, folder("./var/run/tool/", 0o750), Item("./var/lock/x", b"x")) == [
        "C /run/lock/x - - - - /usr/share/factory/var/lock/x",
        "d /run/tool 0750 0 0 -",
    ]


def test_links_that_every_root_has_are_not_made_again(tmp_path: Path) -> None:
    assert lines(tmp_path, link("./var/run", "/run"), link("./var/lock", "../run/lock")) == []


def test_start_scripts_and_enablement_are_left_out_and_said(tmp_path: Path) -> None:
    done, read = converted(
        Deb(
            [
                Item("./etc/init.d/tool", b"#!"),
                link("./etc/rc2.d/S01tool", "../init.d/tool"),
                folder("./etc/rcS.d/"),
                link(
                    "./etc/systemd/system/multi-user.target.wants/tool.service",
                    "/lib/systemd/system/tool.service",
                ),
                Item("./etc/systemd/system.conf", b"conf"),
            ]
        ),
        tmp_path,
    )
    assert {notice.kind: notice.paths for notice in done.warnings} == {
        NoticeKind.SYSV: ("/etc/init.d/tool", "/etc/rc2.d/S01tool"),
        NoticeKind.ENABLEMENT: ("/etc/systemd/system/multi-user.target.wants/tool.service",),
    }
    assert read.lines() == ["C /etc/systemd/system.conf - - - -"]


def test_a_package_that_stays_in_usr_has_no_lines(tmp_path: Path) -> None:
    _, read = converted(Deb([Item("./usr/bin/tool", b"x"), folder("./etc/")]), tmp_path)
    assert list(read.entries) == ["bin/tool"]


def test_a_package_cannot_have_the_file_that_moss_writes(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match="a name that moss keeps for itself"):
        lines(tmp_path, Item("./usr/lib/tmpfiles.d/moss-tool.conf", b""), Item("./etc/x", b""))


def test_configuration_in_usr_is_said_to_be_replaced_by_updates(tmp_path: Path) -> None:
    conffiles = "/etc/x\n/usr/share/tool.conf\nremove-on-upgrade /etc/gone\n"
    deb = Deb([Item("./etc/x", b""), Item("./usr/share/tool.conf", b"")], control={"conffiles": conffiles})
    done, _ = converted(deb, tmp_path)
    (notice,) = done.warnings
    assert (notice.kind, notice.paths) == (NoticeKind.CONFFILE, ("/usr/share/tool.conf",))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (tmpfiles.copy("/etc/a b"), 'C "/etc/a b" - - - -'),
        (tmpfiles.copy("/etc/100%"), 'C "/etc/100%%" - - - -'),
        (tmpfiles.copy('/etc/it\'s "q"'), r'C "/etc/it' "'" r's \"q\"" - - - -'),
        (tmpfiles.copy("/etc/back\\slash"), r'C "/etc/back\\slash" - - - -'),
        (tmpfiles.link("/etc/\u00e9", "a b"), "L /etc/\u00e9 - - - - a b"),
        (tmpfiles.link("/etc/x", "100% \\ "), r"L /etc/x - - - - 100%% \\\x20"),
        (tmpfiles.link("/etc/x", "-"), r"L /etc/x - - - - \x2d"),
        (tmpfiles.directory("/var/x", 0o755), "d /var/x - - - -"),
        (tmpfiles.directory("/var/x", 0o755, 1), "d /var/x 0755 1 0 -"),
    ],
)
def test_what_has_a_meaning_in_the_format_is_quoted(line: tmpfiles.Line, text: str) -> None:
    assert str(line) == text


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="needs systemd-tmpfiles")
def test_systemd_reads_odd_names_as_they_were_meant(tmp_path: Path) -> None:
    names = ["a b", "100%", 'it\'s "q"', "back\\slash", "\u00e9", "#x", "x:y", "$HOME"]
    for directory in ("etc", "root", "usr/lib/tmpfiles.d", "usr/share/factory/etc"):
        (tmp_path / directory).mkdir(parents=True)
    lines = []
    for name in names:
        (tmp_path / "usr/share/factory/etc" / name).write_text(name)
        lines.append(tmpfiles.copy(f"/etc/{name}"))
        lines.append(tmpfiles.copy(f"/root/{name}", f"/usr/share/factory/etc/{name}"))
        lines.append(tmpfiles.directory(f"/etc/{name}.d", 0o750, os.getuid(), os.getgid()))
        lines.append(tmpfiles.link(f"/etc/{name}.l", name))
    lines += [tmpfiles.link("/etc/blank", " x "), tmpfiles.link("/etc/dash", "-")]
    (tmp_path / "usr/lib/tmpfiles.d/moss-x.conf").write_bytes(tmpfiles.as_file(lines, "x"))
    command = ["systemd-tmpfiles", f"--root={tmp_path}", "--create"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in names:
        assert (tmp_path / "etc" / name).read_text() == name
        assert (tmp_path / "root" / name).read_text() == name
        assert (tmp_path / "etc" / f"{name}.d").stat().st_mode & 0o7777 == 0o750
        assert (tmp_path / "etc" / f"{name}.l").readlink() == Path(name)
    assert os.readlink(tmp_path / "etc/blank") == " x "
    assert os.readlink(tmp_path / "etc/dash") == "-"


def test_a_file_of_lines_is_sorted_and_says_each_once() -> None:
    lines = [tmpfiles.copy("/etc/b"), tmpfiles.directory("/etc/a", 0o755), tmpfiles.copy("/etc/b")]
    assert tmpfiles.as_file(lines, "tool").decode().splitlines()[1:] == [
        "d /etc/a - - - -",
        "C /etc/b - - - -",
    ]
