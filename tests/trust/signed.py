"""A signed repository with small packages, its maker's keys, and systems that trust it."""

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, MetaFile
from tuf.api.serialization.json import JSONSerializer

from moss.cli.main import main
from moss.operations import keys
from moss.operations.system import open_to_read
from moss.trust import SecretKey
from moss.tuf.folder import KeySigner
from tests.builders import metadata, snapshot, write_package

DAY = 86_400


class Maker:
    """Who makes and signs a repository, with keys of any name."""

    def __init__(self, folder: Path) -> None:
        self.root, self.repository = folder / "maker", folder / "repository"
        self.repository.mkdir(parents=True)

    @property
    def index(self) -> Path:
        return self.repository / "stone.index"

    @property
    def metadata(self) -> Path:
        return self.repository / "tuf"

    def moss(self, *words: object) -> int:
        return main(["-D", str(self.root), "-q", *map(str, words)])

    def done(self, *words: object) -> None:
        assert self.moss(*words) == 0, words

    def keys(self, *names: str) -> None:
        for name in names:
            self.done("key", "make", name)

    def secret(self, name: str) -> SecretKey:
        with open_to_read(str(self.root)) as system:
            key = keys.signing_key(system, name)
        assert key is not None
        return key

    def stone(self, name: str, version: str, content: str | None = None) -> Path:
        files = {f"share/{name}": content or f"{name} {version}"}
        return write_package(self.repository, metadata(name, version), files)[0]

    def publish(self, *keys: str) -> None:
        """Sign what is there now."""
        self.done("index", self.repository, *(word for key in keys or ("own",) for word in ("--key", key)))

    def copy(self, target: Path) -> Path:
        """A mirror as it is now; its index's path."""
        shutil.copytree(self.repository, target)
        return target / "stone.index"

    def newest(self, role: str) -> Path:
        return max(self.metadata.glob(f"*.{role}.json"), key=lambda path: int(path.name.split(".")[0]))

    def forge_targets(self, change: Callable[[Any], None], *keys: str) -> None:
        """Change what the targets say, and sign them, the snapshot and the timestamp anew."""
        targets, snapshot = self.newest("targets"), self.newest("snapshot")
        self.forge(targets.name, change, *keys)
        self.forge(snapshot.name, lambda said: said.meta.update({"targets.json": _meta(targets)}), *keys)
        self.forge("timestamp.json", lambda said: setattr(said, "snapshot_meta", _meta(snapshot)), *keys)

    def forge(self, name: str, change: Callable[[Any], None], *keys: str) -> None:
        """Change what a metadata file says, and sign it with these keys: what a thief of them could do."""
        forge(self.metadata / name, change, *(self.secret(key) for key in keys))


def forge(path: Path, change: Callable[[Any], None], *keys: SecretKey) -> None:
    found: Metadata[Any] = Metadata.from_bytes(path.read_bytes())
    change(found.signed)
    found.signatures.clear()
    for key in keys:
        found.sign(KeySigner(key), append=True)
    path.write_bytes(found.to_bytes(JSONSerializer()))


def hand_over(old: str, new: str) -> list[str]:
    """Words that give the roles of every day to another key."""
    roles = ("timestamp", "snapshot")
    return [word for role in roles for word in ("--add", f"{role}={new}", "--remove", f"{role}={old}")]


def _meta(path: Path) -> MetaFile:
    return MetaFile.from_data(signed(path)["version"], path.read_bytes(), ["sha256"])


def signed(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(path.read_text())["signed"]
    return said


def expired(days: int) -> Callable[[Any], None]:
    """Let it have expired so many days ago."""

    def change(said: Any) -> None:
        said.expires = (datetime.now(UTC) - timedelta(days=days)).replace(microsecond=0)

    return change


def state(root: Path) -> Mapping[str, object]:
    """All that a refused command must leave as it is: /usr, generations, and what repositories offer. The lock
    is not of it, nor are counters of trust, which may grow."""
    found = snapshot(root, without=(".moss/trust", ".moss/db"))
    return {path: what for path, what in found.items() if path != ".moss/lock"}
