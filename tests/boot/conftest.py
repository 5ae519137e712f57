"""What the tests that boot whole systems share: one root, one disk of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot import machines
from tests.debian.closure import AptUnavailable
from tests.debian.test_walk import moss_ok


@pytest.fixture(scope="session")
def machine_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root by `machines.built`, which nobody changes; `packages` is beside it."""
    reason = machines.why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("machine")
    try:
        yield machines.built(folder)
    except AptUnavailable as why:
        pytest.skip(str(why))
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def machine_disk(machine_root: Path) -> Path:
    """A disk of it by `moss image disk`, to be copied."""
    disk = machine_root.parent / "disk.img"
    moss_ok("image", "disk", "-o", disk, "--cmdline", machines.WORDS, root=machine_root)
    return disk
