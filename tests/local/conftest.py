"""An empty root and an empty generation for each test."""

from pathlib import Path

import pytest

from tests.local.systems import System


@pytest.fixture
def system(tmp_path: Path) -> System:
    (tmp_path / "root").mkdir()
    (tmp_path / "spare" / "usr").mkdir(parents=True)
    return System(tmp_path / "root", tmp_path / "spare" / "usr")
