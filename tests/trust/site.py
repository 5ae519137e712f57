"""TUF repositories of every kind, made with the library's own metadata classes, and tests/tuf_client as the client."""

import importlib.util
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

from moss.trust import SecretKey, new_key
from moss.tuf.folder import KeySigner
from tests.conftest import PROJECT
from tests.simulator import Server

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
        self.signers: dict[str, list[Signer]] = {}
        self.with_hashes = True
        """Whether snapshot and timestamp tell hashes and lengths."""
        self.root = Root(expires=later)
        self.timestamp = Timestamp(expires=later)
        self.snapshot, self.said = Snapshot(expires=later), Targets(expires=later)
        self.delegated: dict[str, Targets] = {}
        for role in ROLES:
            self.give(role, new_key())
        self.publish(root=True)

    def give(self, role: str, secret: SecretKey) -> None:
        """Let this key alone sign as this role."""
        self.let(role, [KeySigner(secret)])

    def let(self, role: str, signers: list[Signer], threshold: int = 1) -> None:
        """Let these keys sign as this role, so many of them together; all of them do."""
        for key in list(self.root.roles[role].keyids):
            self.root.revoke_key(key, role)
        for signer in signers:
            self.root.add_key(signer.public_key, role)
        self.root.roles[role].threshold = threshold
        self.signers[role] = signers

    def rotate(self, role: str) -> None:
        """A new root with another key for the role, signed by the old root keys too."""
        old = self.signers["root"]
        self.give(role, new_key())
        self.next_root([*old, *self.signers["root"]])

    def next_root(self, signers: list[Signer] | None = None) -> None:
        """Publish the root with its next number, signed by these instead of its own keys."""
        self.root.version += 1
        self.write(f"{self.root.version}.root", self.root, self.signers["root"] if signers is None else signers)

    def write(self, name: str, signed: Any, signers: list[Signer]) -> bytes:
        metadata = Metadata(deepcopy(signed))
        for signer in {signer.public_key.keyid: signer for signer in signers}.values():
            metadata.sign(signer, append=True)
        content = metadata.to_bytes()
        path = self.metadata / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return content

    def publish(self, *, root: bool = False) -> None:
        """Sign all roles, with the numbers that they have."""
        if root:
            self.write(f"{self.root.version}.root", self.root, self.signers["root"])
        for name, signed in (*self.delegated.items(), ("targets", self.said)):
            self.snapshot.meta[f"{name}.json"] = self._meta(name, signed)
        self.timestamp.snapshot_meta = self._meta("snapshot", self.snapshot)
        self.write("timestamp", self.timestamp, self.signers["timestamp"])

    def _meta(self, name: str, signed: Any) -> MetaFile:
        numbered = f"{signed.version}.{name}" if self.root.consistent_snapshot else name
        content = self.write(numbered, signed, self.signers[name])
        return MetaFile.from_data(signed.version, content, ["sha256"]) if self.with_hashes else MetaFile(signed.version)

    def next(self) -> None:
        """All roles anew, each with its next number."""
        for signed in (self.timestamp, self.snapshot, self.said, *self.delegated.values()):
            signed.version += 1
        self.publish()

    def offer(self, path: str, content: bytes, by: Targets | None = None, algorithm: str = "sha256") -> None:
        target = TargetFile.from_data(path, content, [algorithm])
        (by or self.said).targets[path] = target
        place = self.targets / path
        place.parent.mkdir(parents=True, exist_ok=True)
        named = f"{target.hashes[algorithm]}.{place.name}" if self.root.consistent_snapshot else place.name
        place.with_name(named).write_bytes(content)

    def delegate(
        self, name: str, patterns: list[str] | None, by: Targets | None = None, *,
        terminating: bool = False, prefixes: list[str] | None = None,
    ) -> Targets:  # fmt: skip
        """A role that the targets, or another role, delegate paths to."""
        if name not in self.delegated:
            self.signers[name] = [KeySigner(new_key())]
            self.delegated[name] = Targets(expires=self.said.expires)
        key = self.signers[name][0].public_key
        delegations = self._delegations(by)
        delegations.keys[key.keyid] = key
        assert delegations.roles is not None
        delegations.roles[name] = DelegatedRole(name, [key.keyid], 1, terminating, patterns, prefixes)
        return self.delegated[name]

    def delegate_to_bins(self, bits: int) -> dict[str, Targets]:
        """All paths, to 2**bits roles with one key, by the paths' digests."""
        signer = KeySigner(new_key())
        bins = SuccinctRoles([signer.public_key.keyid], 1, bits, "bin")
        self.said.delegations = Delegations({signer.public_key.keyid: signer.public_key}, None, bins)
        made = {name: Targets(expires=self.said.expires) for name in bins.get_roles()}
        self.delegated |= made
        self.signers |= {name: [signer] for name in made}
        return made

    def _delegations(self, by: Targets | None) -> Delegations:
        delegator = by or self.said
        if delegator.delegations is None:
            delegator.delegations = Delegations({}, {})
        return delegator.delegations


class Client:
    """The program, with a directory of its own."""

    def __init__(self, site: Site, server: Server, folder: Path) -> None:
        self.site, self.server = site, server
        self.trusted, self.got = folder / "trusted", folder / "got"
        assert self.run("init", site.metadata / "1.root.json") == 0
        assert not server.asked

    def asked(self) -> list[str]:
        """What was asked of the server since it was asked this last, as it was written."""
        found = [one.raw.rpartition("/")[2].removesuffix(".json") for one in self.server.asked]
        self.server.forget()
        return found

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
