"""tests/tuf_client, as the public conformance suite would run it, against repositories made with the library's own
metadata classes and served by a real server on the loopback."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from moss.trust import SecretKey, new_key
from moss.tuf.folder import KeySigner
from tests.conftest import PROJECT
from tests.simulator import Server
from tests.simulator.behaviour import status

PROGRAM = PROJECT / "tests" / "tuf_client"
ROLES = ("root", "timestamp", "snapshot", "targets")


def loaded() -> ModuleType:
    loader = SourceFileLoader("tuf_client", str(PROGRAM))
    spec = importlib.util.spec_from_loader("tuf_client", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


CLIENT = loaded()


class Site:
    """A TUF repository in a folder: DIR/metadata and DIR/targets. What it says is changed, then published."""

    def __init__(self, folder: Path) -> None:
        self.metadata, self.targets = folder / "metadata", folder / "targets"
        self.metadata.mkdir(parents=True)
        self.targets.mkdir()
        later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
        self.signers: dict[str, list[KeySigner]] = {}
        self.root = Root(expires=later)
        self.timestamp = Timestamp(expires=later)
        self.snapshot, self.said = Snapshot(expires=later), Targets(expires=later)
        self.delegated: dict[str, Targets] = {}
        for role in ROLES:
            self.give(role, new_key())
        self.publish(root=True)

    def give(self, role: str, secret: SecretKey) -> None:
        """Let this key alone sign as this role."""
        for signer in self.signers.get(role, ()):
            self.root.revoke_key(signer.public_key.keyid, role)
        self.signers[role] = [KeySigner(secret)]
        self.root.add_key(self.signers[role][0].public_key, role)

    def rotate(self, role: str) -> None:
        """A new root with another key for the role, signed by the old root keys too."""
        old = self.signers["root"]
        self.root.version += 1
        self.give(role, new_key())
        self.write(f"{self.root.version}.root", self.root, [*old, *self.signers["root"]])

    def write(self, name: str, signed: Any, signers: list[KeySigner]) -> bytes:
        metadata = Metadata(deepcopy(signed))
        for signer in {signer.public_key.keyid: signer for signer in signers}.values():
            metadata.sign(signer, append=True)
        content = metadata.to_bytes()
        (self.metadata / f"{name}.json").write_bytes(content)
        return content

    def publish(self, *, root: bool = False) -> None:
        """Sign all roles anew, each with the next number."""
        if root:
            self.write(f"{self.root.version}.root", self.root, self.signers["root"])
        for name, delegated in self.delegated.items():
            content = self.write(f"{delegated.version}.{name}", delegated, self.signers[name])
            self.snapshot.meta[f"{name}.json"] = MetaFile.from_data(delegated.version, content, ["sha256"])
        content = self.write(f"{self.said.version}.targets", self.said, self.signers["targets"])
        self.snapshot.meta["targets.json"] = MetaFile.from_data(self.said.version, content, ["sha256"])
        content = self.write(f"{self.snapshot.version}.snapshot", self.snapshot, self.signers["snapshot"])
        self.timestamp.snapshot_meta = MetaFile.from_data(self.snapshot.version, content, ["sha256"])
        self.write("timestamp", self.timestamp, self.signers["timestamp"])

    def next(self) -> None:
        for signed in (self.timestamp, self.snapshot, self.said, *self.delegated.values()):
            signed.version += 1
        self.publish()

    def offer(self, path: str, content: bytes, by: Targets | None = None) -> None:
        target = TargetFile.from_data(path, content, ["sha256"])
        (by or self.said).targets[path] = target
        place = self.targets / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_name(f"{target.hashes['sha256']}.{place.name}").write_bytes(content)

    def delegate(self, name: str, patterns: list[str]) -> Targets:
        signer = KeySigner(new_key())
        self.signers[name] = [signer]
        role = DelegatedRole(name, [signer.public_key.keyid], 1, False, patterns)
        if self.said.delegations is None:
            self.said.delegations = Delegations({}, {})
        assert self.said.delegations.roles is not None
        self.said.delegations.keys[signer.public_key.keyid] = signer.public_key
        self.said.delegations.roles[name] = role
        self.delegated[name] = Targets(expires=self.said.expires)
        return self.delegated[name]


class Client:
    """The program, with a directory of its own."""

    def __init__(self, site: Site, server: Server, folder: Path) -> None:
        self.site, self.server = site, server
        self.trusted, self.got = folder / "trusted", folder / "got"
        assert self.run("init", site.metadata / "1.root.json") == 0
        assert not server.asked

    def words(self, command: str, *more: object, **options: object) -> list[str]:
        said = [f"--{name.replace('_', '-')}={text}" for name, text in options.items()]
        return [f"--metadata-dir={self.trusted}", *said, command, *map(str, more)]

    def run(self, command: str, *more: object, **options: object) -> int:
        code: int = CLIENT.main(self.words(command, *more, **options))
        return code

    def refresh(self) -> int:
        return self.run("refresh", metadata_url=self.server.uri("metadata"))

    def download(self, path: str) -> int:
        return self.run(
            "download", metadata_url=self.server.uri("metadata"), target_name=path,
            target_base_url=self.server.uri("targets"), target_dir=self.got,
        )  # fmt: skip

    def versions(self) -> dict[str, int]:
        """What it trusts: every file is metadata."""
        found = {path.stem: Metadata.from_file(str(path)).signed.version for path in self.trusted.glob("*.json")}
        return {role: found.pop(role) for role in ROLES if role in found} | found

    def contents(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.got.rglob("*")) if path.is_file()]


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
