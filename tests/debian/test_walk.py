"""Systems from real Debian packages and real upstream stones: install, update, roll back.

Everything goes through the command line, as a person would do it; after each step the tree is
compared with the record by `tests.trees`, which shares no code with moss.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.debian.closure import ESSENTIAL, AptUnavailable, closure, downloaded
from tests.trees import active_generation, differences

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
UPSTREAM = PROJECT.parent / "shared" / "stones"
BASE = tuple(dict.fromkeys((*ESSENTIAL, "gawk", "python3-minimal", "ca-certificates")))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")


def moss(*arguments: str | Path, root: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moss", *(["-D", str(root)] if root else []), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)


def moss_ok(*arguments: str | Path, root: Path | None = None) -> str:
    done = moss(*arguments, root=root)
    assert done.returncode == 0, f"moss {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
    return done.stdout


def in_root(root: Path, *command: str) -> str:
    done = subprocess.run(
        ["chroot", root, *command], capture_output=True, text=True, env={"PATH": "/usr/bin:/usr/sbin"}, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def debs(names: Sequence[str], *, suite: str | None = None, only: bool = False) -> list[str]:
    try:
        return (downloaded if only else closure)(names, suite=suite)
    except AptUnavailable as fault:
        pytest.skip(str(fault))


def publish(folder: Path, packages: Sequence[str]) -> None:
    moss_ok("convert", *packages, "-o", folder)
    moss_ok("index", folder)


def check(root: Path, generation: int) -> None:
    assert active_generation(root) == generation
    assert differences(root) == []


def names_installed(root: Path) -> dict[str, str]:
    listed = json.loads(moss_ok("list", "installed", "--json", root=root))["data"]
    return {package["name"]: f"{package['version']}-{package['release']}" for package in listed}


TLS = """
import ssl
context = ssl.create_default_context()
assert context.cert_store_stats()["x509_ca"] > 100, context.cert_store_stats()
print(len(context.get_ca_certs()))
"""


@needs_root
def test_a_debian_system_from_an_empty_folder(tmp_path: Path) -> None:
    root, packages = tmp_path / "root", tmp_path / "packages"
    publish(packages, debs(BASE))
    moss_ok("repo", "add", "debian", packages / "stone.index", "--unsigned", root=root)
    moss_ok("install", "-y", *BASE, root=root)
    check(root, 1)
    assert in_root(root, "bash", "-c", "echo $((6 * 7))") == "42\n"
    assert in_root(root, "getent", "passwd", "root").startswith("root:x:0:0:root:/root:/bin/bash")
    assert int(in_root(root, "python3", "-B", "-c", TLS)) > 100
    check(root, 1)

    publish(packages, debs(("tzdata",), only=True))
    moss_ok("repo", "update", root=root)
    moss_ok("install", "-y", "tzdata", root=root)
    check(root, 2)
    assert "Berlin" in in_root(root, "ls", "/usr/share/zoneinfo/Europe")

    before = names_installed(root)["ca-certificates"]
    publish(packages, debs(("ca-certificates",), suite="trixie", only=True))
    moss_ok("update", "-y", root=root)
    check(root, 3)
    assert names_installed(root)["ca-certificates"] != before
    assert int(in_root(root, "python3", "-B", "-c", TLS)) > 100

    moss_ok("state", "activate", "-y", "1", root=root)
    check(root, 1)
    assert names_installed(root)["ca-certificates"] == before
    assert in_root(root, "bash", "-c", "echo still here") == "still here\n"
    moss_ok("state", "activate", "-y", "3", root=root)
    check(root, 3)
    moss_ok("rollback", "-y", root=root)
    check(root, 1)


@needs_root
def test_the_real_nano_stones_run_beside_debian_packages(tmp_path: Path) -> None:
    if not UPSTREAM.is_dir():
        pytest.skip("../shared/stones is not here")
    root, packages = tmp_path / "root", tmp_path / "packages"
    publish(packages, debs(("libc6", "libmagic1", "libncursesw6", "libmagic-mgc"), suite="trixie"))
    # Upstream's binaries ask for their loader below /usr/lib; Debian has it in lib64.
    link = tmp_path / "loader" / "usr" / "lib"
    link.mkdir(parents=True)
    (link / "ld-linux-x86-64.so.2").symlink_to("../lib64/ld-linux-x86-64.so.2")
    moss_ok(
        *("pack", tmp_path / "loader", "--name", "loader-link", "--version", "1", "-o", packages),
        *("--provides", "interpreter(/usr/lib/ld-linux-x86-64.so.2(x86_64))", "--depends", "libc6"),
    )
    shutil.copy(UPSTREAM / "nano-8.2-29-1-x86_64.stone", packages)
    moss_ok("index", packages)
    moss_ok("repo", "add", "mixed", packages / "stone.index", "--unsigned", root=root)
    moss_ok("install", "-y", "nano", root=root)
    check(root, 1)
    assert "version 8.2" in in_root(root, "/usr/bin/nano", "--version")

    for generation, stone, version in (
        (2, "nano-8.3-33-1", "8.3-33"), (3, "nano-8.4-34-1", "8.4-34"), (4, "nano-8.4-35-1", "8.4-35"),
    ):  # fmt: skip
        shutil.copy(UPSTREAM / f"{stone}-x86_64.stone", packages)
        moss_ok("index", packages)
        moss_ok("update", "-y", root=root)
        check(root, generation)
        assert names_installed(root)["nano"] == version
        assert f"version {version.split('-')[0]}" in in_root(root, "/usr/bin/nano", "--version")
    moss_ok("rollback", "-y", root=root)
    check(root, 3)
    assert names_installed(root)["nano"] == "8.4-34"
    moss_ok("state", "activate", "-y", "1", root=root)
    check(root, 1)
    assert "version 8.2" in in_root(root, "/usr/bin/nano", "--version")


def test_upstreams_declared_conflict_is_refused_and_explained(tmp_path: Path) -> None:
    if not UPSTREAM.is_dir():
        pytest.skip("../shared/stones is not here")
    root, packages = tmp_path / "root", tmp_path / "packages"
    packages.mkdir()
    for name in ("italian-pizza-1-1-1", "pineapple-1-1-1"):
        shutil.copy(UPSTREAM / f"{name}-x86_64.stone", packages)
    moss_ok("index", packages)
    moss_ok("repo", "add", "kitchen", packages / "stone.index", "--unsigned", root=root)
    refused = moss("install", "-y", "italian-pizza", "pineapple", root=root)
    assert refused.returncode == 4
    assert "italian-pizza" in refused.stderr and "pineapple" in refused.stderr and "conflict" in refused.stderr
    assert not (root / "usr").exists()
    moss_ok("install", "-y", "italian-pizza", root=root)
    check(root, 1)
    assert moss("install", "-y", "pineapple", root=root).returncode == 4
    check(root, 1)
