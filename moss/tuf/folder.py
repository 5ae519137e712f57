"""A repository's metadata as they lie beside its index.

DIR/stone.index
DIR/tuf/1.root.json 2.root.json …    every root there ever was: who trusts one can follow to the last
DIR/tuf/timestamp.json               replaced last: with it new metadata are published
DIR/tuf/N.snapshot.json N.targets.json
DIR/tuf/targets/SHA256.stone.index
DIR/tuf/next.root.json               a root that is still to be signed by more keys
"""

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from securesystemslib.exceptions import StorageError
from securesystemslib.signer import Signature, Signer, SSlibKey
from securesystemslib.signer._utils import compute_default_keyid
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Key, Metadata, Root, Snapshot, Targets, Timestamp

from moss.errors import CorruptData
from moss.trust import PublicKey, SecretKey
from moss.tuf.roles import FOLDER, NEXT_ROOT, USUAL_DAYS, Role, RoleState, Signed

_KINDS: dict[Role, type[Any]] = {Role.TARGETS: Targets, Role.SNAPSHOT: Snapshot, Role.TIMESTAMP: Timestamp}
_ROOT_NAME = re.compile(r"([1-9][0-9]{0,8})\.root\.json\Z")
_SETTINGS = "moss"
"""What a root says beyond TUF: for how many days each role signs."""

T = TypeVar("T")


class KeySigner(Signer):
    """A key of moss's, signing as the library wants it."""

    def __init__(self, secret: SecretKey) -> None:
        self._secret = secret
        self._key = as_tuf_key(secret.public)

    @classmethod
    def from_priv_key_uri(cls, *_: Any) -> "KeySigner":
        raise NotImplementedError("moss's keys are files, not URIs")

    @property
    def public_key(self) -> Key:
        return self._key

    def sign(self, payload: bytes) -> Signature:
        return Signature(self._key.keyid, self._secret.sign(payload).hex())


def as_tuf_key(key: PublicKey) -> SSlibKey:
    value = {"public": key.raw.hex()}
    return SSlibKey(compute_default_keyid("ed25519", "ed25519", value), "ed25519", "ed25519", value)


def as_public_key(key: Key) -> PublicKey | str:
    """A key that moss itself could have; the id of any other."""
    public = key.keyval.get("public", "")
    if key.keytype == "ed25519" and re.fullmatch(r"[0-9a-f]{64}", str(public)):
        return PublicKey(bytes.fromhex(public))
    return str(key.keyid)


class SignedRoot(NamedTuple):
    metadata: Metadata[Root]
    content: bytes

    @property
    def signed(self) -> Root:
        return self.metadata.signed

    def days(self, role: Role) -> int:
        settings = self.signed.unrecognized_fields.get(_SETTINGS)
        days = settings.get("days", {}).get(role.value) if isinstance(settings, dict) else None
        return days if isinstance(days, int) and days > 0 else USUAL_DAYS[role]


def set_days(root: Root, days: dict[Role, int]) -> None:
    """What this root says of the time for which roles sign."""
    root.unrecognized_fields[_SETTINGS] = {"days": {role.value: number for role, number in sorted(days.items())}}


class Folder:
    """The metadata of the repository in a directory: its roots, each vouched for by the one before."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = os.path.join(directory, FOLDER)
        self.roots = self._read_roots()

    @property
    def root(self) -> SignedRoot:
        """The newest."""
        return self.roots[-1]

    @property
    def is_signed(self) -> bool:
        return bool(self.roots)

    def newest(self, role: Role) -> Metadata[Any] | None:
        """What a role has signed last under this root or an earlier one; None where that is
        nothing, or nothing that its keys have signed."""
        for path in self.files_of(role):
            metadata = _read(path, Metadata[Any].from_bytes)
            if metadata is None or not isinstance(metadata.signed, _KINDS[role]):
                continue
            if any(_vouches(root.signed, role, metadata) for root in reversed(self.roots)):
                return metadata
        return None

    def is_good(self, role: Role, metadata: Any) -> bool:
        """Whether enough keys that the newest root gives this role have signed it."""
        return _vouches(self.root.signed, role, metadata)

    def next_root(self) -> Metadata[Root] | None:
        """The root that waits for signatures; none where it was published, or another took its place."""
        found: Metadata[Root] | None = _read(os.path.join(self.path, NEXT_ROOT), Metadata[Root].from_bytes)
        return found if found is not None and found.signed.version == self.root.signed.version + 1 else None

    def files_of(self, role: Role) -> list[str]:
        """What a role has signed, the newest first."""
        if role is Role.TIMESTAMP:
            return [os.path.join(self.path, "timestamp.json")]
        numbered = re.compile(rf"([1-9][0-9]{{0,8}})\.{role.value}\.json\Z")
        return [path for _, path in sorted(self._numbered(numbered), reverse=True)]

    def _numbered(self, pattern: re.Pattern[str]) -> list[tuple[int, str]]:
        with suppress(FileNotFoundError):
            return [
                (int(match[1]), os.path.join(self.path, name))
                for name in os.listdir(self.path)
                if (match := pattern.match(name))
            ]
        return []

    def _read_roots(self) -> list[SignedRoot]:
        roots: list[SignedRoot] = []
        for number, path in sorted(self._numbered(_ROOT_NAME)):
            with open(path, "rb") as file:
                content = file.read()
            metadata = _read(path, Metadata[Root].from_bytes)
            if metadata is None or metadata.signed.version != number:
                raise CorruptData("is no root of that number", file=path, remedies=["put it back from a copy"])
            vouching = [metadata.signed, *(root.signed for root in roots[-1:])]
            if not all(_vouches(root, Role.ROOT, metadata) for root in vouching):
                raise CorruptData(
                    "is not signed by enough of its keys and of those of the root before it",
                    file=path,
                    remedies=["put it back from a copy", "find out who changed it before you sign anything"],
                )
            roots.append(SignedRoot(metadata, content))
        return roots


def describe(folder: Folder) -> Signed:
    """What the metadata of a signed repository say."""
    root = folder.root
    return Signed(
        folder.path,
        root.signed.version,
        hashlib.sha256(root.content).hexdigest(),
        tuple(_role_state(folder, role) for role in Role),
    )


def seconds_of(moment: datetime) -> int:
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def _role_state(folder: Folder, role: Role) -> RoleState:
    root = folder.root
    said = root.signed.get_delegated_role(role.value)
    newest = root.metadata if role is Role.ROOT else folder.newest(role)
    return RoleState(
        role,
        tuple(as_public_key(root.signed.get_key(keyid)) for keyid in said.keyids),
        said.threshold,
        root.days(role),
        0 if newest is None else newest.signed.version,
        None if newest is None else seconds_of(newest.signed.expires),
    )


def _vouches(root: Root, role: Role, metadata: Any) -> bool:
    try:
        root.verify_delegate(role.value, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError):
        return False
    return True


def _read(path: str, read: Callable[[bytes], T]) -> T | None:
    """What a file says; None where there is none, or one that is no metadata."""
    try:
        with open(path, "rb") as file:
            return read(file.read())
    except (FileNotFoundError, RepositoryError, StorageError, ValueError):
        return None
