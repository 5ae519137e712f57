"""tests/tuf_client, as the public conformance suite would run it, against repositories made with the library's own
metadata classes and served by a real server on the loopback."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from moss.trust import new_key
from moss.tuf.folder import KeySigner
from tests.simulator import Server
from tests.simulator.behaviour import status
from tests.trust.site import PROGRAM, ROLES, Client, Site


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    site = Site(tmp_path / "site")
    with Server(tmp_path / "site") as server:
        yield Client(site, server, tmp_path)


def test_a_refresh_takes_the_newest_and_a_second_one_asks_for_little(client: Client) -> None:
    assert client.refresh() == 0
    assert client.versions() == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
    for role, name in (("root", "1.root"), ("timestamp", "timestamp"), ("targets", "1.targets")):
        published = (client.site.metadata / f"{name}.json").read_bytes()
        assert (client.trusted / f"{role}.json").read_bytes() == published, "byte for byte"
    client.server.forget()
    assert client.refresh() == 0
    assert [one.path for one in client.server.asked] == ["metadata/2.root.json", "metadata/timestamp.json"]
    client.site.next()
    client.server.forget()
    assert client.refresh() == 0
    assert client.versions() == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}
    assert [one.path.rpartition("/")[2] for one in client.server.asked] == [
        "2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json",
    ]  # fmt: skip


def test_roots_are_followed_one_by_one(client: Client) -> None:
    for role in ("root", "timestamp", "root", "snapshot", "targets"):
        client.site.rotate(role)
    client.site.next()
    assert client.refresh() == 0
    assert client.versions()["root"] == 6 and client.versions()["timestamp"] == 2


def expire(what: str) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        signed = getattr(site, what)
        signed.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(days=5)
        if what == "root":
            site.rotate("root")
        site.next()

    return change


def older(what: str) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        signed = getattr(site, what)
        for other in (site.timestamp, site.snapshot, site.said):
            other.version += 0 if other is signed else 1
        signed.version -= 1
        site.publish()

    return change


def stranger(role: str) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        site.signers[role] = [KeySigner(new_key())]
        if role == "root":
            site.root.version += 1
            site.publish(root=True)
        site.next()

    return change


def skip_a_root(site: Site) -> None:
    site.rotate("root")
    site.rotate("root")
    (site.metadata / "3.root.json").rename(site.metadata / "2.root.json")


def long_timestamp(site: Site) -> None:
    site.next()
    with open(site.metadata / "timestamp.json", "ab") as file:
        file.write(b" " * 20_000)


def other_snapshot(site: Site) -> None:
    site.next()
    path = site.metadata / f"{site.snapshot.version}.snapshot.json"
    path.write_bytes(path.read_bytes().replace(b"{", b"{ ", 1))


BAD: dict[str, Callable[[Site], None]] = {
    **{f"expired {what}": expire(what) for what in ("root", "timestamp", "snapshot", "said")},
    **{f"older {what}": older(what) for what in ("timestamp", "snapshot", "said")},
    **{f"a stranger's {role}": stranger(role) for role in ROLES},
    "a root skipped": skip_a_root, "a long timestamp": long_timestamp, "another snapshot": other_snapshot,
    "no timestamp": lambda site: (site.metadata / "timestamp.json").unlink(),
}  # fmt: skip


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_what_may_not_be_ends_with_1_and_nothing_bad_is_trusted(change: Callable[[Site], None], client: Client) -> None:
    client.site.next()
    assert client.refresh() == 0
    before = client.versions()
    change(client.site)
    assert client.refresh() == 1
    after = client.versions()
    assert after.keys() == before.keys()
    assert all(after[role] >= before[role] for role in ROLES), "what is trusted never goes back"
    assert after["targets"] == before["targets"]


def test_targets_are_fetched_once_and_again_when_they_changed(client: Client) -> None:
    site = client.site
    site.offer("deep/er/file name.txt", b"first")
    site.next()
    assert client.download("deep/er/file name.txt") == 0
    assert client.contents() == [b"first"]
    client.server.forget()
    assert client.download("deep/er/file name.txt") == 0
    assert not [one for one in client.server.asked if one.path.startswith("targets/")]
    site.offer("deep/er/file name.txt", b"second")
    site.next()
    assert client.download("deep/er/file name.txt") == 0
    assert client.contents() == [b"second"], "under the same name"
    next(client.got.iterdir()).write_bytes(b"damaged")
    assert client.download("deep/er/file name.txt") == 0
    assert client.contents() == [b"second"]


def test_a_target_that_is_not_the_named_one_is_not_kept(client: Client) -> None:
    site = client.site
    site.offer("file", b"right")
    site.next()
    for wrong in (b"wrong", b"right and more", b"r"):
        next(site.targets.glob("*.file")).write_bytes(wrong)
        assert client.download("file") == 1
        assert not client.got.exists() or client.contents() == []
    assert client.download("nothing of that name") == 1


def test_delegated_targets_are_found_and_only_where_they_are_delegated(client: Client) -> None:
    site = client.site
    docs = site.delegate("docs", ["docs/*"])
    site.offer("docs/page", b"page", docs)
    site.offer("bin/tool", b"tool", docs)
    site.next()
    assert client.download("docs/page") == 0
    assert client.contents() == [b"page"]
    assert client.versions()["docs"] == docs.version
    assert client.download("bin/tool") == 1


@pytest.mark.parametrize(("code", "exit_code"), [(404, 0), (403, 0), (500, 1), (401, 1)])
def test_there_is_no_further_root_where_the_server_says_so(code: int, exit_code: int, client: Client) -> None:
    client.server.always("metadata/2.root.json", status(code))
    assert client.refresh() == exit_code
    client.server.always("metadata/timestamp.json", status(code))
    assert client.refresh() == 1


def test_it_is_a_program(client: Client) -> None:
    words = client.words("refresh", metadata_url=client.server.uri("metadata"))
    assert subprocess.run([sys.executable, PROGRAM, *words], check=False, cwd="/").returncode == 0
    assert client.versions()["timestamp"] == 1
    (client.site.metadata / "timestamp.json").unlink()
    ended = subprocess.run([sys.executable, PROGRAM, *words], check=False, capture_output=True, text=True)
    assert ended.returncode == 1 and "timestamp.json" in ended.stderr and "Traceback" not in ended.stderr
