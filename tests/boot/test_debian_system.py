"""A whole Debian system made by moss alone: converted, indexed, installed, its triggers run; and it runs."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.debian.closure import AptUnavailable, closure
from tests.trees import differences

PROJECT = Path(__file__).resolve().parents[2]
MOSS = (sys.executable, "-m", "moss")
WANTED = (
    "base-files", "base-passwd", "libc-bin", "ncurses-base", "ncurses-bin", "bash", "dash", "coreutils", "sed",
    "grep", "gzip", "tar", "findutils", "diffutils", "debianutils", "hostname", "util-linux", "mount", "login",
    "passwd", "procps", "kmod", "e2fsprogs", "iproute2", "less", "mawk", "perl-base", "systemd", "systemd-sysv",
    "systemd-boot", "systemd-boot-efi", "udev", "dbus", "libpam-systemd", "libnss-systemd", "python3",
    "python3-zstandard", "ca-certificates", "openssl", "zstd", "xz-utils", "linux-image-cloud-amd64",
    "busybox-static", "libglib2.0-bin", "libgdk-pixbuf2.0-bin", "glib-networking", "gsettings-desktop-schemas",
    "fontconfig", "fonts-dejavu-core", "hicolor-icon-theme", "gtk-update-icon-cache", "desktop-file-utils",
    "shared-mime-info", "man-db",
)  # fmt: skip
OVER_THE_TREE = sorted(path.stem for path in (PROJECT / "fixtures/triggers/debian/tx.d").iterdir())
"""These packages bring all of them."""
REPORT = """\
[Unit]
Description=Say what has failed, and end
After=multi-user.target

[Service]
Type=oneshot
StandardOutput=journal+console
ExecStart=/bin/sh -c 'echo "REPORT multi-user=$$(systemctl is-active multi-user.target)" \
  "failed=[$$(systemctl --failed --no-legend --plain | cut -d" " -f1 | xargs)]" \
  "certificates=$$(python3 -c "import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 50)")"'
ExecStartPost=/usr/bin/systemctl --no-block poweroff
"""

pytestmark = pytest.mark.boots


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can own all the files of a system")
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("systemd-nspawn is not installed")
    try:
        debs = closure(WANTED)
    except AptUnavailable as why:
        pytest.skip(str(why))
    assert len(debs) > 190
    folder = tmp_path_factory.mktemp("debian")
    root, stones = folder / "root", folder / "stones"
    moss("convert", *debs, "-o", str(stones))
    moss("index", str(stones))
    moss("-D", str(root), "repo", "add", "debian", str(stones / "stone.index"), "--unsigned")
    moss("-D", str(root), "install", "-y", *WANTED)
    yield root
    shutil.rmtree(folder)


def moss(*words: str) -> str:
    done = subprocess.run([*MOSS, *words], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_every_trigger_has_run_and_every_file_is_as_recorded(system: Path) -> None:
    shown = json.loads(moss("-D", str(system), "state", "show", "--json"))["data"]["triggers"]
    assert {one["name"]: one["outcome"] for one in shown} == dict.fromkeys(OVER_THE_TREE, "done")
    assert differences(system) == []
    moss("-D", str(system), "verify")
    for made in ("lib/udev/hwdb.bin", "share/mime/mime.cache", "share/glib-2.0/schemas/gschemas.compiled"):
        assert (system / "usr" / made).stat().st_size > 100, made
    compiled = list((system / "usr/lib/python3.11").rglob("*.pyc"))
    assert any(path.name.startswith("ssl.") for path in compiled)
    by_time = [path for path in compiled if path.read_bytes()[4:8] != b"\1\0\0\0"]
    assert not by_time, "Python would write these anew, into a generation"
    (modules,) = (system / "usr/lib/modules").iterdir()
    assert "virtio" in (modules / "modules.dep").read_text()
    (initrd,) = modules.glob("initrd*")
    assert initrd.stat().st_size > 1 << 20
    assert (system / "etc/ld.so.cache").exists() and (system / "etc/shadow").exists()


def test_it_reaches_multi_user_with_no_failed_unit(system: Path) -> None:
    unit = system / "etc/systemd/system/report.service"
    wants = system / "etc/systemd/system/multi-user.target.wants/report.service"
    wants.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text(REPORT)
    wants.symlink_to("../report.service")
    # A /run of its own: this machine's may be read by a systemd that runs.
    container = (
        "mount -t tmpfs run /run; exec systemd-nspawn -q --register=no --keep-unit --volatile=overlay -b"
        f" -D {system} systemd.firstboot=no"
    )
    command = ["unshare", "-m", "sh", "-c", container]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    said = done.stdout.decode(errors="replace")
    report = re.search(r"REPORT multi-user=(\S+) failed=\[(.*)\] certificates=(\S+)", said)
    assert report is not None, said[-4000:]
    assert report.groups() == ("active", "", "True"), said[-4000:]


def test_a_second_change_runs_what_it_must_and_nothing_else(system: Path, tmp_path: Path) -> None:
    before = runs_on_the_system(system)
    told = json.loads(moss("-D", str(system), "remove", "-y", "--json", "hostname"))["data"]
    assert outcomes(told) == dict.fromkeys(OVER_THE_TREE, "reused")
    after = runs_on_the_system(system)
    assert {name for name in after if after[name] != before[name]} == {"man-db"}, "it had a manual page"
    before = after
    fonts = tmp_path / "font/usr/share/fonts/truetype/other"
    fonts.mkdir(parents=True)
    shutil.copy(system / "usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", fonts / "Other.ttf")
    moss("pack", str(tmp_path / "font"), "--name", "font", "--version", "1", "-o", str(tmp_path / "packages"))
    moss("index", str(tmp_path / "packages"))
    moss("-D", str(system), "repo", "add", "own", str(tmp_path / "packages/stone.index"), "--unsigned")
    told = json.loads(moss("-D", str(system), "install", "-y", "--json", "font"))["data"]
    assert outcomes(told) == dict.fromkeys(OVER_THE_TREE, "reused")
    after = runs_on_the_system(system)
    assert {name for name in after if after[name] != before[name]} == {"fontconfig"}
    moss("-D", str(system), "verify")


def outcomes(told: dict[str, dict[str, list[dict[str, str]]]]) -> dict[str, str]:
    """Of the triggers over the tree."""
    return {one["name"]: one["outcome"] for one in told["outcome"]["triggers"]}


def runs_on_the_system(system: Path) -> dict[str, tuple[int, float]]:
    """When each of the system's triggers ran last, and how long that took; of those that are not kept from it."""
    with sqlite3.connect(f"file:{system}/.moss/db/moss.db?mode=ro", uri=True) as record:
        rows = record.execute("SELECT name, run_at, seconds FROM system_trigger WHERE outcome = 'done'").fetchall()
    return {name: (run_at, seconds) for name, run_at, seconds in rows}
