"""Many files at once: each right in every byte or not there at all, whatever servers do."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from moss.digest import PackageDigest
from moss.effects import Effects
from moss.errors import CorruptData, NetworkFailure, NoSpace, NotFound
from moss.fetch.files import Wanted, fetch_files
from moss.fetch.manners import Manners
from moss.fetch.network import Network
from moss.reporter import Silence
from tests.simulator import Server
from tests.simulator.behaviour import (
    cut,
    drip,
    endless,
    ignoring_ranges,
    other,
    says_length,
    stall,
    status,
    together,
    unmeasured,
    wrong_bytes,
    wrong_range,
)
from tests.simulator.server import Exchange

SIZE = 600_000


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    made = tmp_path / "cache"
    made.mkdir()
    return made


def publish(folder: Path, name: str, size: int = SIZE) -> bytes:
    content = (hashlib.sha256(name.encode()).digest() * (size // 32 + 1))[:size]
    (folder / name).write_bytes(content)
    return content


def wanted(content: bytes, *uris: str) -> Wanted:
    return Wanted(uris[0], uris, PackageDigest(hashlib.sha256(content).hexdigest()), len(content))


def fetch(one: Wanted, cache: Path, network: Network) -> bytes:
    """The one file; and no wrong byte has its name, whatever came of it."""
    try:
        (file,) = fetch_files(
            [one], str(cache), transport=network, effects=Effects(apply_owners=False), reporter=Silence()
        )
        with file:
            assert os.path.samestat(os.fstat(file.fileno()), os.stat(cache / one.digest))
            return file.read()
    finally:
        named = cache / one.digest
        if named.exists():
            assert hashlib.sha256(named.read_bytes()).hexdigest() == one.digest
        part = cache / f"{one.digest}.part"
        assert not part.exists() or part.stat().st_size <= one.size


@pytest.mark.parametrize(
    "bad", [cut(200_000), stall(200_000), drip(0.05, 10), says_length(0), unmeasured, status(500), cut(0)]
)
def test_after_a_bad_answer_the_rest_is_fetched(
    server: Server, network: Network, folder: Path, cache: Path, bad: object
) -> None:
    content = publish(folder, "a")
    server.plan("a", bad)  # type: ignore[arg-type]
    assert fetch(wanted(content, server.uri("a")), cache, network) == content
    # A little more: what the 500 says, and what was under way when nobody listened any more.
    assert server.sent["a"] <= SIZE + 100_000
    assert os.listdir(cache) == [hashlib.sha256(content).hexdigest()]


def test_what_is_there_is_not_fetched_again(server: Server, network: Network, folder: Path, cache: Path) -> None:
    one = wanted(publish(folder, "a"), server.uri("a"))
    fetch(one, cache, network)
    server.forget()
    fetch(one, cache, network)
    assert server.asked == []


def test_what_went_bad_in_the_cache_is_fetched_again(
    server: Server, network: Network, folder: Path, cache: Path
) -> None:
    content = publish(folder, "a")
    one = wanted(content, server.uri("a"))
    (cache / one.digest).write_bytes(b"x" * SIZE)
    assert fetch(one, cache, network) == content


def test_a_part_is_gone_on_with_and_a_spoilt_part_is_not_believed(
    server: Server, network: Network, folder: Path, cache: Path
) -> None:
    content = publish(folder, "a")
    one = wanted(content, server.uri("a"))
    part = cache / f"{one.digest}.part"
    part.write_bytes(content[:400_000])
    assert fetch(one, cache, network) == content
    assert server.sent["a"] == SIZE - 400_000
    (cache / one.digest).unlink()
    part.write_bytes(b"\0" * 400_000)
    assert fetch(one, cache, network) == content
    for strange in (b"x" * (SIZE + 5), b"y" * SIZE, content):
        (cache / one.digest).unlink()
        part.write_bytes(strange)
        server.forget()
        assert fetch(one, cache, network) == content
        assert not any(asked.range for asked in server.asked), "nothing was expected behind its end"
    assert server.asked == [], "all of it was there"


@pytest.mark.parametrize("bad", [wrong_bytes, other(b"too short"), other(b"x" * (SIZE + 1))])
def test_wrong_bytes_are_refused(server: Server, patient: Network, folder: Path, cache: Path, bad: object) -> None:
    content = publish(folder, "a")
    server.always("a", bad)  # type: ignore[arg-type]
    one = wanted(content, server.uri("a"))
    with pytest.raises(CorruptData):
        fetch(one, cache, patient)
    assert len(server.asked) == 1
    assert server.sent["a"] <= SIZE + (1 << 20)
    assert not (cache / one.digest).exists()


def test_of_endless_data_no_more_is_read_than_the_file_has(
    server: Server, network: Network, folder: Path, cache: Path
) -> None:
    content = publish(folder, "a")
    server.always("a", endless)
    assert fetch(wanted(content, server.uri("a")), cache, network) == content
    (folder / "a").write_bytes(b"")
    with pytest.raises(CorruptData):
        fetch(wanted(b"x" * SIZE, server.uri("a")), cache, network)


def test_a_range_that_is_ignored_or_wrong_does_no_harm(
    server: Server, network: Network, folder: Path, cache: Path
) -> None:
    content = publish(folder, "a")
    server.plan("a", cut(300_000), ignoring_ranges)
    assert fetch(wanted(content, server.uri("a")), cache, network) == content
    content = publish(folder, "b")
    server.plan("b", cut(300_000), wrong_range)
    with pytest.raises(NetworkFailure, match="not 300000 as asked"):
        fetch(wanted(content, server.uri("b")), cache, network)
    assert fetch(wanted(content, server.uri("b")), cache, network) == content


def test_a_file_that_changes_between_tries_is_noticed(
    server: Server, network: Network, folder: Path, cache: Path
) -> None:
    """First a wrong file, cut; then the right one: what came before is forgotten, by If-Range or by the digest."""
    content = publish(folder, "a")

    def wrong_and_cut(exchange: object) -> None:
        exchange.give = lambda _: type(exchange).give(exchange, b"w" * SIZE)  # type: ignore[attr-defined]
        cut(300_000)(exchange)  # type: ignore[arg-type]

    server.plan("a", wrong_and_cut)
    assert fetch(wanted(content, server.uri("a")), cache, network) == content
    assert server.asked_for("a")[1].headers["if-range"].startswith('"')
    assert len(server.asked) == 2


def test_the_next_mirror_takes_over_where_one_fails(
    server: Server, network: Network, folder: Path, cache: Path
) -> None:
    content = publish(folder, "a")
    publish(folder, "good")
    (folder / "good").write_bytes(content)
    server.plan("a", cut(300_000))
    server.always("a", status(503))
    one = wanted(content, server.uri("none"), server.uri("a"), server.uri("good"))
    assert fetch(one, cache, network) == content
    assert server.asked_for("good")[0].range == "bytes=300000-", "what one mirror has sent the next need not"


def test_a_mirror_that_sends_wrong_bytes_is_named_and_left(
    server: Server, network: Network, folder: Path, cache: Path
) -> None:
    content = publish(folder, "a")
    (folder / "good").write_bytes(content)
    server.always("a", wrong_bytes)
    said: list[str] = []

    class Listening(Silence):
        def warning(self, text: str) -> None:
            said.append(text)

    one = wanted(content, server.uri("a"), server.uri("good"))
    effects = Effects(apply_owners=False)
    (file,) = fetch_files([one], str(cache), transport=network, effects=effects, reporter=Listening())
    with file:
        assert file.read() == content
    (text,) = said
    assert server.uri("a") in text


def test_when_all_mirrors_fail_each_is_told(server: Server, network: Network, cache: Path) -> None:
    server.always("a", status(500))
    one = wanted(b"content", server.uri("none"), server.uri("a"))
    with pytest.raises(NetworkFailure, match="500") as caught:
        fetch(one, cache, network)
    assert "404" in caught.value.because[0]
    with pytest.raises(NotFound):
        fetch(wanted(b"content", server.uri("none")), cache, network)


def test_eight_are_fetched_at_once(server: Server, network: Network, folder: Path, cache: Path) -> None:
    meet = together(8)
    files = []
    for number in range(16):
        files.append(wanted(publish(folder, f"f{number}", 1000 + number), server.uri(f"f{number}")))
        server.always(f"f{number}", meet)
    effects = Effects(apply_owners=False)
    found = fetch_files(files, str(cache), transport=network, effects=effects, reporter=Silence())
    for file, one in zip(found, files, strict=True):
        with file:
            assert hashlib.sha256(file.read()).hexdigest() == one.digest, "in the order in which they were asked for"
    assert server.at_once == 8
    assert len(server.asked) == 16, "fewer, who were given up and asked again, are not eight"


def test_one_failure_ends_the_others_and_keeps_what_they_have(
    server: Server, network: Network, folder: Path, cache: Path
) -> None:
    content = publish(folder, "slow")
    server.always("slow", stall(400_000))
    server.plan("none", together(2, 0.3))
    files = [wanted(content, server.uri("slow")), wanted(b"content", server.uri("none"))]
    patient, began = Network(manners=Manners(silence=15.0)), time.monotonic()
    with pytest.raises(NotFound):
        fetch_files(
            files, str(cache), transport=patient, effects=Effects(apply_owners=False), reporter=Silence()
        )
    assert time.monotonic() - began < 2, "nobody waited for the silent one"
    server.always("slow", Exchange.honest)
    server.forget()
    assert fetch(files[0], cache, network) == content
    assert server.sent["slow"] <= SIZE - 200_000


def test_files_of_this_machine_are_read_where_they_lie(network: Network, folder: Path, cache: Path) -> None:
    content = publish(folder, "a")
    one = wanted(content, f"file://{folder}/a")
    (file,) = fetch_files(
        [one], str(cache), transport=network, effects=Effects(apply_owners=False), reporter=Silence()
    )
    with file:
        assert file.read() == content
    assert os.listdir(cache) == []
    (folder / "a").write_bytes(b"x" * SIZE)
    with pytest.raises(CorruptData):
        fetch_files([one], str(cache), transport=network, effects=Effects(apply_owners=False), reporter=Silence())


def test_what_has_no_room_is_not_begun(server: Server, network: Network, cache: Path) -> None:
    one = Wanted("big", (server.uri("big"),), PackageDigest("0" * 64), 1 << 60)
    with pytest.raises(NoSpace):
        fetch(one, cache, network)
    assert server.asked == []
