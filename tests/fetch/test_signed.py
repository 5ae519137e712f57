"""Signed repositories on a server: the same promises, whatever it does with the metadata."""

import hashlib
from pathlib import Path

import pytest

from tests.fetch.stores import Machine
from tests.simulator import Server
from tests.simulator.behaviour import cut, drip_head, endless, stall, status, wrong_bytes
from tests.trust.signed import Maker

TIMESTAMP = "tuf/timestamp.json"


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    made = Maker(tmp_path)
    made.keys("own")
    made.stone("hello", "1.0")
    made.publish()
    return made


@pytest.fixture
def fingerprint(maker: Maker) -> str:
    return "sha256:" + hashlib.sha256((maker.metadata / "1.root.json").read_bytes()).hexdigest()


def test_a_signed_repository_is_used_from_a_server(tmp_path: Path, maker: Maker, fingerprint: str) -> None:
    machine = Machine(tmp_path / "root")
    with Server(maker.repository) as server:
        machine.must("repo", "add", "main", server.uri("stone.index"), "--trust", fingerprint)
        machine.must("install", "-y", "hello")
        server.forget()
        machine.must("repo", "update")
        assert {one.path for one in server.asked} == {"tuf/2.root.json", TIMESTAMP}, "nothing is new"
        maker.stone("hello", "1.1")
        maker.publish()
        machine.must("update", "-y")
        assert (machine.root / "usr/share/hello").read_text() == "hello 1.1"


@pytest.mark.parametrize(
    ("bad", "code"),
    [(wrong_bytes, 6), (endless, 6), (status(500), 5), (cut(9), 5), (stall(9), 5), (drip_head(0.05), 5)],
)
def test_metadata_that_do_not_come_as_they_are_change_nothing(
    tmp_path: Path, maker: Maker, fingerprint: str, bad: object, code: int
) -> None:
    machine = Machine(tmp_path / "root")
    with Server(maker.repository) as server:
        machine.must("repo", "add", "main", server.uri("stone.index"), "--trust", fingerprint)
        maker.stone("hello", "1.1")
        maker.publish()
        server.always(TIMESTAMP, bad)  # type: ignore[arg-type]
        machine.manners += " tries=1"
        ended = machine.moss("repo", "update")
        assert (ended.code, ended.err.startswith("error: ")) == (code, True), ended
        assert "1.0" in machine.must("list", "available").out


def test_a_mirror_that_nobody_trusts_may_have_what_is_signed(tmp_path: Path, maker: Maker, fingerprint: str) -> None:
    machine = Machine(tmp_path / "root", "pause=0.01 tries=1")
    copy = maker.copy(tmp_path / "mirror").parent
    with Server(maker.repository) as server, Server(copy) as mirror:
        machine.must(
            "repo", "add", "main", server.uri("stone.index"), "--trust", fingerprint,
            "--mirror", mirror.uri("stone.index"),
        )  # fmt: skip
        for path in (TIMESTAMP, "hello-1.0-1-1-x86_64.stone"):
            server.always(path, status(503))
        machine.must("repo", "update")
        machine.must("install", "-y", "hello")
        assert mirror.asked_for(TIMESTAMP) and mirror.asked_for("hello-1.0-1-1-x86_64.stone")
