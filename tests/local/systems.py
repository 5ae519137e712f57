"""A root and the tree of a generation beside it, to fill by hand."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from moss.effects import Effects
from moss.local import LocalChanges, apply_local_changes, propose_local_changes

IS_ROOT = os.geteuid() == 0


@dataclass
class System:
    root: Path
    usr: Path
    recorded: dict[str, str] = field(default_factory=dict)
    owners: bool = IS_ROOT

    def ship(self, path: str, text: str = "", mode: int = 0o644) -> Path:
        """Put a file into the generation."""
        return _write(self.usr / path, text, mode)

    def have(self, path: str, text: str = "", mode: int = 0o644) -> Path:
        """Put a file of the admin's into the root."""
        return _write(self.root / path, text, mode)

    def tmpfiles(self, *lines: str, name: str = "a") -> None:
        self.ship(f"lib/tmpfiles.d/{name}.conf", "".join(f"{line}\n" for line in lines))

    def sysusers(self, *lines: str, name: str = "a") -> None:
        self.ship(f"lib/sysusers.d/{name}.conf", "".join(f"{line}\n" for line in lines))

    def propose(self) -> LocalChanges:
        return propose_local_changes(
            str(self.root), str(self.usr), self.recorded, apply_owners=self.owners
        )

    def apply(self, effects: Effects | None = None) -> LocalChanges:
        """Propose, apply, record; returns what was proposed."""
        changes = self.propose()
        effects = effects or Effects(apply_owners=self.owners)
        self.recorded = apply_local_changes(changes, str(self.root), effects)
        return changes

    def text(self, path: str) -> str:
        return (self.root / path).read_text()

    def mode(self, path: str) -> int:
        return (self.root / path).lstat().st_mode & 0o7777

    def listing(self) -> dict[str, tuple[object, ...]]:
        """All that is in the root: type and mode, owner, and content or link target."""
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else b""
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
            found[str(path.relative_to(self.root))] = (status.st_mode, status.st_uid, status.st_gid, content)
        return found


def _write(place: Path, text: str, mode: int) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(mode)
    return place
