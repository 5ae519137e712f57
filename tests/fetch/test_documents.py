"""Small files: whole and right, or a clear word why not; never more than the limit, never for long."""

import time
from pathlib import Path

import pytest

from moss.errors import CorruptData, NetworkFailure, NotFound
from moss.fetch.document import Document, Unchanged, fetch_document
from moss.fetch.manners import Manners
from moss.fetch.network import Network
from moss.fetch.retrying import pause_before
from moss.fetch.transport import Validators
from tests.simulator import Server
from tests.simulator.behaviour import (
    cut,
    drip,
    drip_head,
    endless,
    redirect,
    says_length,
    stall,
    status,
    unmeasured,
)

LIMIT = 100_000
TEXT = b"what it says\n" * 100


@pytest.fixture(autouse=True)
def _published(folder: Path) -> None:
    (folder / "file").write_bytes(TEXT)


def fetched(server: Server, network: Network, path: str = "file", known: Validators | None = None) -> Document:
    found = fetch_document(server.uri(path), LIMIT, known, transport=network)
    assert isinstance(found, Document)
    return found


def test_a_document_is_fetched_and_an_unchanged_one_is_not_sent_again(server: Server, network: Network) -> None:
    found = fetched(server, network)
    assert found.content == TEXT
    server.forget()
    assert fetch_document(server.uri("file"), LIMIT, found.validators, transport=network) == Unchanged(found.uri)
    assert len(server.asked) == 1
    assert server.sent == {"file": 0}


def test_a_changed_document_is_fetched(server: Server, network: Network, folder: Path) -> None:
    known = fetched(server, network).validators
    (folder / "file").write_bytes(b"another")
    assert fetched(server, network, known=known).content == b"another"


def test_a_file_of_this_machine_is_a_document_too(folder: Path, network: Network) -> None:
    found = fetch_document(f"file://{folder}/file", LIMIT, transport=network)
    assert isinstance(found, Document)
    assert found.content == TEXT
    with pytest.raises(NotFound, match="none is not there"):
        fetch_document(f"file://{folder}/none", LIMIT, transport=network)


def test_what_is_not_there_is_not_asked_for_twice(server: Server, network: Network) -> None:
    with pytest.raises(NotFound, match="404"):
        fetched(server, network, "none")
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [500, 503, 429])
def test_a_server_that_recovers_is_asked_again(server: Server, network: Network, code: int) -> None:
    server.plan("file", status(code), status(code, Retry_After="0"), status(code, Retry_After="soon"))
    assert fetched(server, network).content == TEXT
    assert len(server.asked) == 4


def test_pauses_grow_and_are_as_long_as_a_server_wants_and_never_too_long() -> None:
    manners = Manners(pause=1, longest_pause=30)
    for attempt, usual in ((1, 1), (2, 2), (4, 8)):
        assert usual / 2 <= pause_before(attempt, manners) <= usual * 1.5
    assert pause_before(1, manners, wanted=10) == 10
    assert pause_before(1, manners, wanted=1e9) == pause_before(20, manners) == 30


def test_a_server_that_stays_ill_is_given_up(server: Server, network: Network) -> None:
    server.always("file", status(503))
    with pytest.raises(NetworkFailure, match="503"):
        fetched(server, network)
    assert len(server.asked) == network.manners.tries


@pytest.mark.parametrize("code", [400, 401, 403, 451, 505])
def test_what_a_server_refuses_is_not_asked_for_twice(server: Server, network: Network, code: int) -> None:
    server.always("file", status(code))
    with pytest.raises(NetworkFailure, match=str(code)):
        fetched(server, network)
    assert len(server.asked) == 1


@pytest.mark.parametrize("bad", [cut(100), stall(100), drip(0.05), drip_head(0.05), says_length(10)])
def test_after_a_bad_answer_a_good_one_is_taken(server: Server, network: Network, bad: object) -> None:
    server.plan("file", bad)  # type: ignore[arg-type]
    began = time.monotonic()
    assert fetched(server, network).content == TEXT
    assert len(server.asked) == 2
    assert time.monotonic() - began < 2


def test_a_document_may_come_without_a_length(server: Server, network: Network) -> None:
    server.plan("file", unmeasured)
    assert fetched(server, network).content == TEXT


def test_endless_data_ends_at_the_limit(server: Server, network: Network) -> None:
    server.always("file", endless)
    with pytest.raises(CorruptData, match="more than 100000 bytes"):
        fetched(server, network)
    server.ended.set()
    assert len(server.asked) == 1


def test_a_document_that_says_it_is_too_long_is_not_read(server: Server, network: Network, folder: Path) -> None:
    (folder / "file").write_bytes(b"x" * 10_000_000)
    with pytest.raises(CorruptData, match="10000000 bytes"):
        fetched(server, network)


def test_nobody_there_is_a_network_failure(folder: Path, network: Network) -> None:
    with Server(folder) as server:
        uri = server.uri("file")
    with pytest.raises(NetworkFailure, match="refused"):
        fetch_document(uri, LIMIT, transport=network)


def test_redirects_are_followed_and_counted(server: Server, network: Network) -> None:
    server.always("one", redirect("two", 301))
    server.always("two", redirect(server.uri("file"), 307))
    assert fetched(server, network, "one").content == TEXT
    server.always("round", redirect("/round"))
    with pytest.raises(NetworkFailure, match="more than 5 times"):
        fetched(server, network, "round")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/file", "", "//[", "gopher:x"])
def test_redirects_stay_within_http(server: Server, network: Network, target: str) -> None:
    server.always("away", redirect(target))
    with pytest.raises(NetworkFailure, match="where moss does not go"):
        fetched(server, network, "away")


def test_offline_nobody_is_asked(server: Server) -> None:
    with pytest.raises(NetworkFailure, match="--offline was said"):
        fetched(server, Network(offline=True))
    assert server.asked == []


def test_a_proxy_from_the_environment_is_used(
    server: Server, network: Network, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(folder) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address.replace("http://", "http://me:secret@"))
        found = fetch_document("http://nowhere.invalid/file", LIMIT, transport=network)
        assert isinstance(found, Document) and found.content == TEXT
        assert proxy.asked[0].headers["host"] == "nowhere.invalid"
        assert proxy.asked[0].headers["proxy-authorization"].startswith("Basic ")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert fetched(server, Network(manners=network.manners)).content == TEXT
        assert len(proxy.asked) == 1


def test_a_name_and_a_password_go_to_the_server_and_into_no_message(server: Server, network: Network) -> None:
    uri = server.uri("file").replace("http://", "http://me:s%20ecret@")
    fetch_document(uri, LIMIT, transport=network)
    assert server.asked[0].headers["authorization"] == "Basic bWU6cyBlY3JldA=="
    server.always("file", status(401))
    with pytest.raises(NetworkFailure) as caught:
        fetch_document(uri, LIMIT, transport=network)
    assert "ecret" not in caught.value.message
