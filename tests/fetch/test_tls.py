"""HTTPS: only to who proves to be the server, and never out of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.errors import NetworkFailure
from moss.fetch.document import Document, fetch_document
from moss.fetch.network import Network
from tests.fetch.stores import Machine, publish
from tests.simulator import Server
from tests.simulator.behaviour import drip_head, redirect, stall
from tests.simulator.certificates import certificate


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    return certificate(tmp_path)


@pytest.fixture
def secure(folder: Path, trusted: Path) -> Iterator[Server]:
    (folder / "file").write_bytes(b"content")
    with Server(folder, trusted) as server:
        yield server


def fetched(server: Server, network: Network, path: str = "file") -> bytes:
    found = fetch_document(server.uri(path), 1000, transport=network)
    assert isinstance(found, Document)
    return found.content


def test_a_server_that_proves_who_it_is_is_read(
    secure: Server, network: Network, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert fetched(secure, network) == b"content"
    secure.plan("file", stall(2), drip_head(0.05))
    assert fetched(secure, network) == b"content"


def test_who_cannot_prove_it_is_not_asked_twice(secure: Server, network: Network) -> None:
    with pytest.raises(NetworkFailure, match="no safe connection") as caught:
        fetched(secure, network)
    assert "date" in caught.value.remedies[0]
    assert secure.asked == []


def test_a_redirect_out_of_https_is_not_followed(
    secure: Server, network: Network, server: Server, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    secure.always("away", redirect(server.uri("file")))
    with pytest.raises(NetworkFailure, match="out of https"):
        fetched(secure, network, "away")
    assert server.asked == []
    server.always("to", redirect(secure.uri("file")))
    assert fetched(server, network, "to") == b"content"


def test_packages_come_over_https(
    tmp_path: Path, secure: Server, folder: Path, trusted: Path
) -> None:
    publish(folder, "a", "b")
    machine = Machine(tmp_path / "root")
    tls = {"SSL_CERT_FILE": str(trusted)}
    machine.must("repo", "add", "main", secure.uri("pool/stone.index"), "--unsigned", **tls)
    machine.must("install", "-y", "a", "b", **tls)
    assert machine.moss("repo", "update").code == 5
