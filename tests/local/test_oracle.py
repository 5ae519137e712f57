"""Our applier against systemd's own tools: the same lines, the same root afterwards.

Where moss means to differ, docs/etc-and-var.md says so, and the comparison has no such lines.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SYSUSERS = shutil.which("systemd-sysusers") or shutil.which("systemd-sysusers.standalone")
TMPFILES = shutil.which("systemd-tmpfiles") or shutil.which("systemd-tmpfiles.standalone")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="systemd's tools want to be root for --root"),
    pytest.mark.skipif(not (SYSUSERS and TMPFILES), reason="systemd-sysusers, systemd-tmpfiles are not here"),
]

DEBIAN_PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
DEBIAN_GROUP = """\
root:x:0:
daemon:x:1:
tty:x:5:
mail:x:8:
sudo:x:27:
www-data:x:33:
shadow:x:42:
utmp:x:43:
users:x:100:
nogroup:x:65534:
"""

ACCOUNTS = {
    "new users and groups": ["u app -", "u web 80", "g data -", "g fixed 70", 'u n 81 "N N" /srv/n /bin/sh'],
    "groups of users": ["g data 60", "u a 5:60", "u b 6:data", "u c 9:users"],
    "members": ["u app -", "g data -", "m app data", "m app sudo", "m www-data sudo", "m late later"],
    "ids in use": ["u web 33", "g other 42", "u mine 8", "u app -"],
    "a range": ["r - 500-505", "u app -", "u web -", "g data -"],
    "systemd's own": [
        *("g systemd-journal - -", 'u systemd-network - "systemd Network Management"'),
        *('u systemd-timesync - "systemd Time Synchronization"', 'u messagebus - "System Message Bus"'),
        *('u polkitd - "polkit" /nonexistent', "g adm 4 -", "g kmem 15 -", "g render -", "g sgx -"),
    ],
    "one name twice": ["u app 300", "u app 300"],
    "a user in a group made for it": ["g app -", "u app -", "u other -", "g other2 -"],
}


def two_roots(system, tmp_path: Path) -> Path:
    """The root as moss finds it, copied for systemd with the generation in place."""
    theirs = tmp_path / "theirs"
    subprocess.run(["cp", "-a", system.root, theirs], check=True)
    subprocess.run(["cp", "-a", system.usr, theirs / "usr"], check=True)
    return theirs


def run(tool: str | None, *arguments: str) -> None:
    assert tool is not None
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "SYSTEMD_LOG_LEVEL": "debug"}
    subprocess.run([tool, *arguments], env=environment, check=False, capture_output=True)


def listing(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.startswith("usr"):
            continue
        status = path.lstat()
        content: object = os.readlink(path) if path.is_symlink() else None
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        found[name] = (oct(status.st_mode), status.st_uid, status.st_gid, content)
    return found


@pytest.mark.parametrize("case", ACCOUNTS)
@pytest.mark.parametrize("first", [True, False], ids=["an empty root", "a root with Debian's accounts"])
def test_the_same_accounts_as_systemd_sysusers(system, tmp_path, case, first):
    (system.root / "etc").mkdir()
    if not first:
        system.have("etc/passwd", DEBIAN_PASSWD)
        system.have("etc/group", DEBIAN_GROUP)
    lines = ["g users 100", *ACCOUNTS[case]] if first else ACCOUNTS[case]
    system.sysusers(*lines)
    theirs = two_roots(system, tmp_path)
    run(SYSUSERS, f"--root={theirs}")
    system.apply()
    for name in ("passwd", "group"):
        ours = (system.root / "etc" / name).read_text().splitlines()
        assert ours == (theirs / "etc" / name).read_text().splitlines()
    for name in ("shadow", "gshadow"):  # without the day of the last change: it is no function of the root
        ours = [line.split(":") for line in (system.root / "etc" / name).read_text().splitlines()]
        expected = [line.split(":") for line in (theirs / "etc" / name).read_text().splitlines()]
        if name == "shadow":
            expected = [[*fields[:2], "", *fields[3:]] for fields in expected]
        assert ours == expected


FILES = {
    "directories": [
        *("d /var/lib/app 0750 daemon mail", "D /var/cache/app 1777 - -", "v /srv/v", "q /srv/q 0711"),
        *("Q /srv/Q", "d /var/lib/root/sub/deep", "e /var/lib/app 0700 - -", "d /srv/set 2755 - mail"),
    ],
    "files": [
        *("f /etc/empty", r"f /etc/text 0600 daemon - - one\ttwo\x21\n", "F /etc/trunc - - - - t"),
        *('f /etc/quoted - - - - "as it is"', "f~ /etc/encoded - - - - aGVsbG8=", "f /a/b/c 0640 - mail - x"),
        "f /etc/escaped%%name - - - - 100%%",
    ],
    "links": [
        *("L /var/run - - - - ../run", "L /etc/app.conf", "L+ /etc/mtab - - - - ../proc/self/mounts"),
        *("L /etc/spaced - - - - with space", "d /var/lib"),
    ],
    "copies": [
        "C /etc/changed 0600 daemon mail - /usr/share/factory/etc/app.conf",
        *("C /etc/app.conf", "C /etc/app.d"),
        *("C /etc/none", "C /etc/dir 0700 - - - /usr/share/factory/etc/app.d"),
    ],
    "adjustments": [
        *("d /var/log/app 0755", "f /var/log/app/one 0600", "f /var/log/app/two.sh 0755"),
        *("Z /var/log/app ~0640 daemon mail", "z /var/log/app 2755", "z /var/log/app/o* - - users"),
        *("d /var/log/other 0700", "m /var/log/other 0711"),
    ],
    "the first of two": ["d /srv/x 0700", "d /srv/x 0755", "f /srv/y - - - - one", "f /srv/y - - - - two"],
    "what is there": [
        *("d /etc/there 0755", "f /etc/mine - - - - theirs", "L /etc/mine - - - - x", "C /etc/mine"),
        *("d /etc/there/new :0700", "L /etc/link - - - - elsewhere"),
    ],
    "through links": ["d /var/spool/through/new 0711", "f /abs/two - - - - x", "L /up/three - - - - x"],
    "bad lines between good ones": [
        *("d /srv/good", "d relative", "nonsense /x", "d /srv/no 0999", "d /srv/%n"),
        *("d /srv/nobody - nosuchuser", "d /srv/good2"),
    ],
    "systemd's and Debian's own": [
        *("q /var 0755 - - -", "L /var/run - - - - ../run", "d /var/log 0755 - - -", "d /var/cache 0755"),
        *("f /var/log/wtmp 0664 root utmp -", "f /var/log/btmp 0660 root utmp -", "d /var/lib 0755 - - -"),
        *("L /var/lock - - - - ../run/lock", "r! /forcefsck", "L+ /etc/mtab  -  -  -  - ../proc/mounts"),
        *("Q /home 0755 - - -", "q /srv 0755 - - -", "D /tmp 1777 root root -", "q /var/tmp 1777 root root"),
        *("x /tmp/systemd-private-%b-*", "R! /tmp/systemd-private-*", "h /var/log/journal - - - - +C"),
        *("d /var/lib/private 0700 root root -", "d /var/lib/systemd/coredump 0755 root root 3d"),
        *("z /var/log/journal 2755 root mail - -", "d /etc/polkit-1/rules.d 0700 daemon root - -"),
        *("d- /root :0700 root :root -", "d- /root/.ssh :0700 root :root -"),
        *("d /var/cache/man 0755 mail mail 1w", "d /var/lib/dbus 0755 - - -"),
        "L /var/lib/dbus/machine-id - - - - /etc/machine-id",
    ],
    "quoting": ['d "/srv/c d" 0700', "d '/srv/e f'", "d //srv//g//h/"],
}


@pytest.mark.parametrize("case", FILES)
def test_the_same_files_as_systemd_tmpfiles(system, tmp_path, case):
    system.have("etc/passwd", DEBIAN_PASSWD)
    system.have("etc/group", DEBIAN_GROUP)
    system.have("etc/mine", "mine", 0o600)
    (system.root / "etc/link").symlink_to("here")
    system.have("etc/there/old", mode=0o640)
    (system.root / "srv/data/through").mkdir(parents=True)
    (system.root / "var").mkdir()
    (system.root / "var/spool").symlink_to("../srv/data")
    (system.root / "abs").symlink_to("/srv/data")
    (system.root / "up").symlink_to("srv/../srv/data")
    system.ship("share/factory/etc/app.conf", "factory", 0o640)
    system.ship("share/factory/etc/app.d/one", "1", 0o600)
    system.ship("share/factory/etc/app.d/sub/two", "2")
    (system.usr / "share/factory/etc/app.d/link").symlink_to("sub/two")
    (system.usr / "share/factory/etc/app.d/sub").chmod(0o711)
    os.chown(system.usr / "share/factory/etc/app.d/one", 1, 8)
    system.tmpfiles(*FILES[case])
    theirs = two_roots(system, tmp_path)
    run(TMPFILES, f"--root={theirs}", "--create")
    system.apply()
    assert listing(system.root) == listing(theirs)
