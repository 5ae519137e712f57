"""The triggers for Debian: which of them a change of some path calls for, and no other."""

from pathlib import Path

import pytest

from moss.digest import ContentDigest
from moss.layout import Entry, directory, regular, symlink
from moss.triggers.reading import read_trigger
from moss.triggers.values import Scope
from moss.triggers.work import Matcher

TOP = Path(__file__).parents[2] / "fixtures/triggers/debian"
MATCHERS = [
    Matcher(read_trigger(path.read_bytes(), path.name, scope))
    for scope in Scope
    for path in sorted((TOP / f"{scope.value}.d").iterdir())
]
FILE = ContentDigest(b"a" * 16)


@pytest.mark.parametrize(
    ("entry", "called"),
    [
        (regular("share/fonts/truetype/dejavu/DejaVuSans.ttf", FILE), "fontconfig"),
        (directory("share/fonts/truetype/dejavu"), "fontconfig"),
        (regular("share/doc/bash/README", FILE), ""),
        (regular("bin/bash", FILE), ""),
        (regular("lib/modules/6.1/kernel/fs/fat/vfat.ko", FILE), "depmod initrd"),
        (regular("lib/modules/6.1/vmlinuz", FILE), "initrd"),
        (regular("lib/udev/hwdb.d/20-usb.hwdb", FILE), "hwdb"),
        (regular("share/glib-2.0/schemas/org.gnome.gschema.xml", FILE), "glib-schemas"),
        (regular("lib/x86_64-linux-gnu/gio/modules/libgiognutls.so", FILE), "gio-modules"),
        (regular("share/mime/packages/freedesktop.org.xml", FILE), "mime"),
        (regular("share/applications/vim.desktop", FILE), "desktop"),
        (regular("share/icons/hicolor/16x16/apps/vim.png", FILE), "icons"),
        (regular("share/ca-certificates/mozilla/ACCVRAIZ1.crt", FILE), "ca-certificates"),
        (regular("lib/python3/dist-packages/debconf.py", FILE), "python"),
        (regular("lib/sysusers.d/dbus.conf", FILE), "sysusers"),
        (regular("lib/tmpfiles.d/dbus.conf", FILE), "tmpfiles"),
        (regular("share/man/man1/ls.1.gz", FILE), "man-db"),
        (regular("lib/systemd/catalog/systemd.catalog", FILE), "journal-catalog"),
        (regular("lib/systemd/system/ssh.service", FILE), "units"),
        (symlink("lib/x86_64-linux-gnu/libz.so.1", "libz.so.1.2"), "ldconfig"),
    ],
)
def test_a_path_calls_for_what_is_about_it(entry: Entry, called: str) -> None:
    assert [one.trigger.name for one in MATCHERS if one.is_about(entry)] == called.split()
