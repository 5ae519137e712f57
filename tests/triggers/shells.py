"""A shell for trees that run something: busybox with the libraries it needs."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import Content, File, Link

BUSYBOX = shutil.which("busybox")
needs_busybox = pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed")


def shell_files() -> dict[str, Content]:
    """By path below /usr."""
    assert BUSYBOX is not None
    files: dict[str, Content] = {"bin/busybox": File(Path(BUSYBOX).read_bytes(), 0o755), "bin/sh": Link("busybox")}
    listed = subprocess.run(["ldd", BUSYBOX], capture_output=True, text=True, check=False).stdout.split()
    for path in {word for word in listed if word.startswith("/")}:
        files[path.removeprefix("/usr/").lstrip("/")] = File(Path(os.path.realpath(path)).read_bytes(), 0o755)
    return files


def write_files(files: dict[str, Content], top: Path) -> None:
    for path, content in files.items():
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            target.symlink_to(content.target)
        elif isinstance(content, File):
            target.write_bytes(content.content)
            target.chmod(content.permissions)
        else:
            assert isinstance(content, str)
            target.write_text(content)


LONG = str(100_000_000 + os.getpid())
"""Seconds, for what sleeps until it is ended; nobody else's test sleeps as long."""


def sleeps_on() -> bool:
    """Whether anything is left that sleeps so long."""
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if f"sleep\0{LONG}\0" in Path(f"/proc/{name}/cmdline").read_text():
                return True
        except OSError:
            continue
    return False


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
