"""Keys of a system: those that sign here, each in a file of its own, and those of others that it trusts.

    .moss/keys/NAME     0600: `moss-secret-key-1:` and 64 hexadecimal digits
    pinned_key          in the record: name and public key
"""

import os
import re

from moss.db import bundles
from moss.db.bundles import PinnedKey
from moss.effects import as_moss_error
from moss.errors import CorruptData, NotFound, UsageError
from moss.operations.system import System
from moss.trust import PublicKey, SecretKey, new_key
from solver.values import value

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z", re.IGNORECASE)
_SECRET_PREFIX = "moss-secret-key-1:"
_SECRET = re.compile(re.escape(_SECRET_PREFIX) + r"([0-9a-f]{64})\n?\Z")
_MOST_BYTES = 4096


@value
class Key:
    """A key that this system knows."""

    name: str
    public: PublicKey
    is_own: bool
    """Whether it signs here; if not, it is somebody else's, and trusted."""
    pinned_at: int | None


def keys(system: System) -> list[Key]:
    """The system's own keys, then the pinned ones, by name."""
    own = [Key(name, _secret(system, name).public, True, None) for name in _own_names(system)]
    pinned = [
        Key(key.name, PublicKey(key.public), False, key.pinned_at) for key in bundles.pinned_keys(system.record)
    ]
    return own + pinned


def make_key(system: System, name: str) -> Key:
    """A new key that signs here. UsageError where there is one of that name."""
    _check_name(system, name)
    secret = new_key()
    with as_moss_error(f"keep the key {name}"):
        if not os.path.isdir(system.root.keys):
            system.effects.mkdir(system.root.keys, 0o700)
        content = f"{_SECRET_PREFIX}{secret.raw.hex()}\n".encode()
        system.effects.replace_file(os.path.join(system.root.keys, name), content, mode=0o600)
    return Key(name, secret.public, True, None)


def pin_key(system: System, name: str, text: str) -> Key:
    """Trust somebody's key: `text` is the key, or a file that holds it."""
    _check_name(system, name)
    public = PublicKey.parse(_text_of(text))
    for known in keys(system):
        if known.public == public:
            raise UsageError(f"this key is known already, as {known.name}", remedies=["moss key list"])
    pinned = PinnedKey(name, public.raw, system.clock())
    bundles.pin(system.record, pinned)
    system.effects.commit_point("key pinned")
    return Key(name, public, False, pinned.pinned_at)


def key_named(system: System, name: str) -> Key:
    """NotFound when there is none of that name."""
    for key in keys(system):
        if key.name == name:
            return key
    names = ", ".join(key.name for key in keys(system))
    raise NotFound(
        f"there is no key {name}",
        because=[f"there are: {names}" if names else "there is none at all"],
        remedies=["moss key list"],
    )


def remove_key(system: System, name: str) -> Key:
    """A pinned key is trusted no more; one that signs here is gone for good. NotFound when there is none."""
    key = key_named(system, name)
    if key.is_own:
        with as_moss_error(f"remove the key {name}"):
            system.effects.unlink(os.path.join(system.root.keys, name))
            system.effects.fsync(system.root.keys)
    else:
        bundles.unpin(system.record, name)
        system.effects.commit_point("key unpinned")
    return key


def signing_key(system: System, name: str | None) -> SecretKey | None:
    """The key of that name, or the only one there is; None where there is none at all.

    UsageError where there are several and none was named.
    """
    own = _own_names(system)
    if name is None and len(own) > 1:
        raise UsageError(
            f"there are {len(own)} keys that could sign: {', '.join(own)}", remedies=[f"name one: --key {own[0]}"]
        )
    if name is None:
        return _secret(system, own[0]) if own else None
    if name not in own:
        raise NotFound(
            f"there is no key {name} that signs here",
            because=[f"there are: {', '.join(own)}"] if own else ["there is none at all"],
            remedies=[f"moss key make {name}"],
        )
    return _secret(system, name)


def _own_names(system: System) -> list[str]:
    try:
        return sorted(name for name in os.listdir(system.root.keys) if _NAME.match(name))
    except FileNotFoundError:
        return []


def _secret(system: System, name: str) -> SecretKey:
    path = os.path.join(system.root.keys, name)
    with as_moss_error(f"read the key {name}"), open(path, encoding="ascii", errors="replace") as file:
        found = _SECRET.match(file.read(_MOST_BYTES))
    if found is None:
        raise CorruptData("is not a secret key", file=path, remedies=[f"moss key remove {name}", "moss key make NAME"])
    return SecretKey(bytes.fromhex(found[1]))


def _check_name(system: System, name: str) -> None:
    if not _NAME.match(name):
        raise UsageError(
            f"{name!r} cannot be a key's name",
            remedies=["use letters, digits, '.', '_' and '-', at most 64 of them"],
        )
    pinned = [key.name for key in bundles.pinned_keys(system.record)]
    if name in (*_own_names(system), *pinned):
        raise UsageError(f"there is already a key {name}", remedies=[f"moss key show {name}", "use another name"])


def _text_of(text: str) -> str:
    if text.startswith("moss-key-") or not os.path.isfile(text):
        return text
    with as_moss_error(f"read {text}"), open(text, encoding="utf-8", errors="replace") as file:
        return file.read(_MOST_BYTES)
