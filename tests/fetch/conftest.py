"""A folder that a server publishes, and a transport that loses patience quickly."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.fetch.manners import manners_from
from moss.fetch.network import Network
from tests.simulator import Server

QUICK = "pause=0.01 longest_pause=0.05 silence=0.2 head=0.2 slow=0.2 connect=2"


@pytest.fixture(autouse=True)
def _straight(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "MOSS_FETCH"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "published"
    made.mkdir()
    return made


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with Server(folder) as server:
        yield server


@pytest.fixture
def network() -> Network:
    return Network(manners=manners_from(QUICK))


@pytest.fixture
def patient() -> Network:
    """Where nothing is tried again because the machine is busy."""
    return Network(manners=manners_from("pause=0.01 silence=20 head=20 slow=20 connect=20"))
