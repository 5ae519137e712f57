"""Small file systems of their own for tests, in an image file: they fill up, and run out of links."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists(),
    reason="needs root, e2fsprogs and loop devices",
)


@contextmanager
def mounted(folder: Path, kind: str, size: int, *options: str) -> Iterator[Path]:
    """An ext2 or ext4 file system of `size` bytes, mounted below `folder`."""
    image, point = folder / f"{kind}.image", folder / kind
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run([f"mkfs.{kind}", "-q", "-F", *options, str(image)], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)
        image.unlink()


def open_to_all(place: Path) -> None:
    """Let every user reach a folder of a test's own, through all that pytest keeps for itself above it."""
    for folder in (place, *place.parents):
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(0o755)
