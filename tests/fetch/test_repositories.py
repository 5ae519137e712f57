"""Repositories on a server: whatever it does, the right thing comes of it."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.fetch.conftest import QUICK
from tests.fetch.stores import Machine, publish, stone
from tests.simulator import Server
from tests.simulator.behaviour import (
    cut,
    drip,
    drip_head,
    endless,
    ignoring_ranges,
    other,
    redirect,
    says_length,
    stall,
    status,
    together,
    wrong_bytes,
)
from tests.simulator.server import Exchange

INDEX = "pool/stone.index"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")


@pytest.fixture
def ready(machine: Machine, server: Server, folder: Path) -> Machine:
    """A machine that knows the repository, which offers `a` and `b`."""
    publish(folder, "a", "b", bytes_each=50_000)
    machine.must("repo", "add", "main", server.uri(INDEX), "--unsigned")
    server.forget()
    return machine


def test_packages_come_from_a_server_and_what_was_fetched_leaves_the_cache(
    ready: Machine, server: Server, folder: Path
) -> None:
    ready.must("install", "-y", "a", "b")
    assert (ready.root / "usr/share/a").stat().st_size == 50_000
    assert server.sent[f"pool/{stone(folder, 'a').name}"] == stone(folder, "a").stat().st_size
    assert ready.downloads == []


def test_an_unchanged_index_costs_one_request_and_a_changed_one_is_read(
    ready: Machine, server: Server, folder: Path
) -> None:
    ended = ready.must("repo", "update", "--json")
    assert ended.data == [{"repository": "main", "package_count": 2, "changed": False}]
    assert [one.path for one in server.asked] == [INDEX]
    assert server.sent[INDEX] == 0
    publish(folder, "c")
    assert ready.must("repo", "update", "--json").data == [
        {"repository": "main", "package_count": 3, "changed": True}
    ]


@pytest.mark.parametrize(
    ("bad", "code"),
    [(wrong_bytes, 7), (other(b"no index"), 7), (endless, 7), (status(404), 3), (status(500), 5), (cut(50), 5),
     (stall(50), 5), (drip(0.05), 5), (drip_head(0.05), 5), (redirect("/elsewhere"), 3), (says_length(9), 5)],
)  # fmt: skip
def test_a_bad_index_changes_nothing(ready: Machine, server: Server, folder: Path, bad: object, code: int) -> None:
    publish(folder, "c")
    server.always(INDEX, bad)  # type: ignore[arg-type]
    ready.manners += " tries=1"
    ended = ready.moss("repo", "update")
    assert (ended.code, ended.err.startswith("error: ")) == (code, True), ended
    assert [one["name"] for one in ready.must("list", "available", "--json").data] == ["a", "b"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("bad", "code"),
    [(wrong_bytes, 7), (other(b"no stone"), 7), (status(404), 3), (status(500), 5), (stall(50), 5), (drip(0.05), 5)],
)
def test_a_bad_package_changes_nothing(ready: Machine, server: Server, folder: Path, bad: object, code: int) -> None:
    server.always(f"pool/{stone(folder, 'b').name}", bad)  # type: ignore[arg-type]
    ready.manners += " tries=1"
    ended = ready.moss("install", "-y", "a", "b")
    assert (ended.code, "error: " in ended.err) == (code, True), ended
    assert not (ready.root / "usr").exists()
    ready.manners = QUICK
    assert ready.must("install", "-y", "a").code == 0


@pytest.mark.parametrize("bad", [cut(9000), ignoring_ranges, endless, status(503), stall(9000)])
def test_a_bad_moment_is_got_over(ready: Machine, server: Server, folder: Path, bad: object) -> None:
    server.plan(f"pool/{stone(folder, 'b').name}", bad)  # type: ignore[arg-type]
    ready.must("install", "-y", "b")


def test_eight_packages_come_at_once(machine: Machine, server: Server, folder: Path) -> None:
    names = [f"p{number}" for number in range(9)]
    publish(folder, *names)
    machine.must("repo", "add", "main", server.uri(INDEX), "--unsigned")
    server.forget()
    meet = together(8)
    for name in names[:8]:
        server.always(f"pool/{stone(folder, name).name}", meet)
    machine.must("install", "-y", *names)
    assert server.at_once == 8
    assert len(server.asked) == 9, "fewer, who were given up and asked again, are not eight"


def test_after_sigkill_the_rest_is_fetched(machine: Machine, server: Server, folder: Path) -> None:
    publish(folder, "big", bytes_each=3_000_000)
    path = f"pool/{stone(folder, 'big').name}"
    size = stone(folder, "big").stat().st_size
    machine.must("repo", "add", "main", server.uri(INDEX), "--unsigned")
    server.plan(path, stall(2_000_000))
    machine.manners = "silence=20"
    process = subprocess.Popen(machine.command("install", "-y", "big"), env=machine.environment)
    until = time.monotonic() + 20
    while not (machine.downloads and _part(machine).stat().st_size == 2_000_000):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.forget()
    machine.must("repo", "list")
    ended = machine.moss("install", "-y", "big")
    while ended.code == 13:  # what was interrupted was recovered first
        ended = machine.moss("install", "-y", "big")
    assert ended.code == 0, ended
    assert server.asked_for(path)[-1].range == "bytes=2000000-"
    assert server.sent[path] == size - 2_000_000
    assert machine.downloads == []


def _part(machine: Machine) -> Path:
    (name,) = machine.downloads
    return machine.root / ".moss/cache/downloads" / name


def test_ctrl_c_ends_a_silent_download_at_once(ready: Machine, server: Server, folder: Path) -> None:
    path = f"pool/{stone(folder, 'a').name}"
    server.plan(path, stall(9000))
    ready.manners = "silence=30"
    process = subprocess.Popen(
        ready.command("install", "-y", "a"), env=ready.environment, stderr=subprocess.PIPE, text=True
    )
    while not server.asked_for(path):
        time.sleep(0.02)
    time.sleep(0.2)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "nothing was changed" in err
    assert time.monotonic() - began < 12, "not when the silence is over"


def test_a_mirror_takes_over(machine: Machine, server: Server, folder: Path) -> None:
    publish(folder, "a", "b")
    with Server(folder) as mirror:
        uri = server.uri(INDEX)
        machine.must("repo", "add", "main", uri, "--mirror", mirror.uri(INDEX), "--unsigned")
        assert mirror.asked == []
        server.always(INDEX, status(404))
        server.always(f"pool/{stone(folder, 'a').name}", wrong_bytes)
        publish(folder, "c")
        assert machine.must("repo", "update", "--json").data == [
            {"repository": "main", "package_count": 3, "changed": True}
        ]
        server.plan(INDEX, Exchange.honest)
        machine.must("repo", "update")
        assert "if-none-match" not in server.asked[-1].headers, "a server is told its own validators only"
        ended = machine.must("install", "-y", "a", "b")
        assert "warning: " in ended.err and server.address in ended.err, "who sends wrong bytes is named"
        assert mirror.sent[f"pool/{stone(folder, 'b').name}"] == 0
    (state,) = machine.must("repo", "list", "--json").data  # type: ignore[misc]
    assert state["mirrors"] == [mirror.uri(INDEX)]


def test_a_proxy_is_gone_through(ready: Machine, folder: Path) -> None:
    with Server(folder) as proxy:
        known = ready.root / ".moss"
        ready.must("repo", "add", "far", f"http://far.invalid/{INDEX}", "--unsigned", http_proxy=proxy.address)
        ready.must("install", "-y", "--from", "far", "a", http_proxy=proxy.address)
        assert known.is_dir()
        assert {one.headers["host"] for one in proxy.asked} == {"far.invalid"}


def test_offline_what_is_here_serves_and_says_how_old_it_is(ready: Machine, server: Server, folder: Path) -> None:
    ended = ready.moss("install", "-y", "--offline", "a")
    assert ended.code == 5
    assert "less than two hours ago" in ended.err
    assert stone(folder, "a").name in ended.err
    assert "less than two hours ago" in ready.must("repo", "update", "--offline").err
    assert ready.moss("repo", "add", "other", server.uri(INDEX), "--unsigned", "--offline").code == 5
    assert server.asked == []
    ready.must("install", "-y", "a")
    server.forget()
    ready.must("remove", "-y", "a", "--offline")
    ready.must("undo", "-y", "--offline")
    assert server.asked == []


def test_without_a_network_the_error_says_what_can_be_done(ready: Machine, server: Server) -> None:
    server.always(INDEX, status(503))
    ready.manners += " tries=1"
    ended = ready.moss("update", "-y")
    assert ended.code == 5
    assert "--offline" in ended.err


def test_one_repository_that_fails_keeps_no_other_from_being_read(
    ready: Machine, server: Server, folder: Path, tmp_path: Path
) -> None:
    publish(tmp_path / "local", "c")
    ready.must("repo", "add", "zlocal", str(tmp_path / "local/pool/stone.index"), "--unsigned")
    publish(tmp_path / "local", "d")
    server.always(INDEX, status(404))
    assert ready.moss("repo", "update").code == 3
    names = [one["name"] for one in ready.must("list", "available", "--json").data]  # type: ignore[attr-defined]
    assert names == ["a", "b", "c", "d"]


def test_what_nobody_needs_leaves_the_cache_and_cache_clean_empties_it(
    ready: Machine, server: Server, folder: Path
) -> None:
    downloads = ready.root / ".moss/cache/downloads"
    server.always(f"pool/{stone(folder, 'b').name}", status(404))
    ready.moss("install", "-y", "a", "b")
    assert len(ready.downloads) == 2, "a's stone, and the beginning of b's"
    (downloads / ("0" * 64)).write_bytes(b"on offer nowhere")
    (downloads / ("1" * 64 + ".part")).write_bytes(b"nor this")
    (downloads / "bundle").write_bytes(b"not moss's to take")
    ready.must("install", "-y", "a")
    assert len(ready.downloads) == 2
    ready.must("cache", "clean", "-y")
    assert ready.downloads == []


def test_progress_is_told_in_bytes(ready: Machine, folder: Path) -> None:
    reading, writing = os.pipe()
    ended = subprocess.run(
        ready.command("install", "-y", "a", "b", "--json", "--progress-fd", str(writing)),
        env=ready.environment, pass_fds=[writing], capture_output=True, timeout=60,
    )  # fmt: skip
    os.close(writing)
    assert ended.returncode == 0
    with open(reading) as events:
        said = [json.loads(line) for line in events]
    begun = said.index({"event": "stage", "text": "fetching 2 packages"})
    size = stone(folder, "a").stat().st_size + stone(folder, "b").stat().st_size
    last = [one for one in said[begun + 1 :] if one["event"] == "progress" and one["total"] == size][-1]
    assert last == {"event": "progress", "done": size, "total": size, "unit": "bytes"}


def test_a_versioned_repository_is_followed_from_state_to_state(
    machine: Machine, server: Server, folder: Path
) -> None:
    def state(number: str, *names: str) -> None:
        publish(folder, *names)
        at = folder / f"main/history/{number}/x86_64"
        at.mkdir(parents=True)
        for file in (folder / "pool").iterdir():
            (at / file.name).write_bytes(file.read_bytes())
        root = {
            "formats": {"v0": {}},
            "streams": {"volatile": {"format": "v0", "history": number}},
            "tags": {"first": {"format": "v0", "history": "1"}, "later": {"format": "v9", "history": "1"}},
            "history": {"1": {"format": "v0"}, number: {"format": "v0"}},
        }
        (folder / "main/moss-root-index.json").write_text(json.dumps(root))

    state("1", "a")
    add = ("--unsigned", "--arch", "x86_64", "--version")
    machine.must("repo", "add", "volatile", server.address, *add, "stream/volatile")
    machine.must("repo", "add", "first", server.address, *add, "tag/first")
    assert machine.moss("repo", "add", "no", server.address, *add, "tag/later").code == 11
    assert machine.moss("repo", "add", "no", server.address, *add, "stream/none").code == 3
    assert machine.moss("repo", "add", "no", server.address, *add, "volatile").code == 2
    state("2", "b")
    ended = machine.must("repo", "update", "--json").data
    assert ended == [
        {"repository": "first", "package_count": 1, "changed": False},
        {"repository": "volatile", "package_count": 2, "changed": True},
    ]
    machine.must("install", "-y", "b")
    server.forget()
    machine.must("repo", "update")
    assert [one.path for one in server.asked] == ["main/moss-root-index.json"] * 2, "one request each"
    root = folder / "main/moss-root-index.json"
    root.write_text(root.read_text().replace('"formats"', '"news"'))
    server.forget()
    machine.must("repo", "update", "volatile")
    assert [one.path for one in server.asked] == ["main/moss-root-index.json"], "it leads where it led"
    escaping = b'{"streams": {"volatile": {"format": "v0", "history": "../x"}}}'
    for bad in (b"[]", b"[" * 100_000, b'{"streams": 1}', escaping):
        (folder / "main/moss-root-index.json").write_bytes(bad)
        assert machine.moss("repo", "update", "volatile").code == 7


def test_a_disabled_repository_offers_nothing_and_a_higher_priority_wins(
    ready: Machine, server: Server, tmp_path: Path
) -> None:
    publish(tmp_path / "local", "a", version="0.5")
    ready.must("repo", "add", "mine", str(tmp_path / "local/pool/stone.index"), "--unsigned")
    ready.must("repo", "priority", "mine", "5")
    assert "a 0.5-1" in ready.must("install", "a", "-n").out
    ready.must("repo", "disable", "mine")
    assert "a 1-1" in ready.must("install", "a", "-n").out
    ready.must("repo", "enable", "mine")
    ready.must("repo", "priority", "main", "6")
    assert "a 1-1" in ready.must("install", "a", "-n").out
    for words in (("enable", "none"), ("disable", "none"), ("priority", "none", "1")):
        assert ready.moss("repo", *words).code == 3
