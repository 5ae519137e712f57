"""What a system keeps of a repository that it trusts, outside its generations: going back to an older
generation never goes back to older trust.

    .moss/trust/NAME/FINGERPRINT/       of the root that the person pinned: the beginning of its SHA-256
        pinned                          that root, byte for byte
        root_history/N.root.json        every root from there on
        root.json timestamp.json snapshot.json targets.json
                                        the newest that was verified; nothing older is taken again
        index                           the index that was verified last, for the bundles that are made here
        verified                        which index that is, and until when that is good

The record says which root is pinned, so that another one is pinned in one step. Looking at it needs no TUF library.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from moss.effects import Effects
from moss.errors import TrustFailure
from moss.repository import Repository, Vouching
from moss.root import Root
from moss.tuf.roles import INDEX, TARGETS_FOLDER
from solver.values import value

HISTORY = "root_history"
_PINNED = "pinned"
_VERIFIED = "verified"
_INDEX = "index"
_SHOWN = 32
"""Digits of a fingerprint that name a place."""
_DAY = 86_400


@value
class Verified:
    """What signed metadata said when they were last read, whole and in time."""

    index: str
    """SHA-256 of the repository's index."""
    root_version: int
    version: int
    """Of the timestamp: it grows each time when something is signed."""
    expires_at: int
    expiring: str
    """The role whose time is over first."""
    checked_at: int

    def days_expired(self, now: int) -> int:
        """Begun days since it expired; 0 while it has not."""
        return 0 if now < self.expires_at else (now - self.expires_at) // _DAY + 1


def pinned_root(place: str, fingerprint: str) -> bytes:
    """The root that was pinned for the repository whose trust lies there. TrustFailure where it is not there,
    or not the one with this fingerprint."""
    content = _pinned(place)
    if fingerprint_of(content) != fingerprint:
        raise TrustFailure(
            f"{os.path.join(place, _PINNED)} is not the root that was pinned (sha256:{fingerprint})",
            remedies=["pin it again: moss repo trust NAME --trust FILE"],
        )
    return content


def place_of(root: Root, name: str, vouching: Vouching) -> str:
    """Where what is trusted of a repository lies."""
    return os.path.join(root.trust_of(name), vouching.pinned[:_SHOWN])


def kept_fingerprint(repository: str) -> str | None:
    """Of the root that lies there as the pinned one; None where there is none."""
    for name in sorted(os.listdir(repository)) if os.path.isdir(repository) else ():
        fingerprint = fingerprint_of(_pinned(os.path.join(repository, name)))
        if fingerprint.startswith(name):
            return fingerprint
    return None


def _pinned(place: str) -> bytes:
    return _content(os.path.join(place, _PINNED)) or b""


@contextmanager
def beginning(place: str, root: bytes, effects: Effects) -> Iterator[None]:
    """Trust from this root on; what was verified from it before still counts. Where the block fails and the
    place is new, it goes again."""
    is_new = not os.path.isdir(place)
    make_place(place, effects)
    if _pinned(place) != root:
        effects.replace_file(os.path.join(place, _PINNED), root, mode=0o600)
    try:
        yield
    except BaseException:  # also Ctrl-C: nobody uses the place
        if is_new:
            effects.remove_tree(place)
            if not os.listdir(os.path.dirname(place)):
                effects.rmdir(os.path.dirname(place))
        raise


def forget_others(repository: str, place: str | None, effects: Effects) -> None:
    """What a repository had from roots that are pinned no more goes; all of it where there is no such place."""
    if place is None:
        effects.remove_tree(repository)
        return
    for name in sorted(os.listdir(repository)):
        other = os.path.join(repository, name)
        if other != place:
            effects.remove_tree(other)


def make_place(place: str, effects: Effects) -> None:
    for path in (os.path.dirname(os.path.dirname(place)), os.path.dirname(place), place):
        if not os.path.isdir(path):
            effects.mkdir(path, 0o700)
            effects.fsync(os.path.dirname(path))


def verified(place: str) -> Verified | None:
    """What was verified last; None where nothing was, or where that cannot be read."""
    try:
        with open(os.path.join(place, _VERIFIED), encoding="ascii") as file:
            found = json.load(file)
        return Verified(
            str(found["index"]), int(found["root_version"]), int(found["version"]), int(found["expires_at"]),
            str(found["expiring"]), int(found["checked_at"]),
        )  # fmt: skip
    except (OSError, ValueError, TypeError, LookupError):
        return None


def keep_verified(place: str, what: Verified, effects: Effects) -> None:
    said = {name: getattr(what, name) for name in Verified.__annotations__}
    effects.replace_file(os.path.join(place, _VERIFIED), json.dumps(said).encode() + b"\n", mode=0o600)


def kept_index(place: str) -> bytes | None:
    """The index that was verified last."""
    return _content(os.path.join(place, _INDEX))


def keep_index(place: str, content: bytes, effects: Effects) -> None:
    effects.replace_file(os.path.join(place, _INDEX), content, mode=0o600)


def known_roots(place: str) -> list[str]:
    """The fingerprints of the roots that were pinned or verified."""
    history = os.path.join(place, HISTORY)
    names = sorted(os.listdir(history)) if os.path.isdir(history) else []
    found = (_content(os.path.join(history, name)) for name in names)
    return [fingerprint_of(_pinned(place)), *(fingerprint_of(content) for content in found if content is not None)]


def as_published(place: str) -> dict[str, bytes] | None:
    """What a repository has signed, by the names that it has below DIR/tuf; None where it is not whole."""
    index, last = kept_index(place), verified(place)
    if index is None or last is None or fingerprint_of(index) != last.index:
        return None
    files = {f"{TARGETS_FOLDER}/{last.index}.{INDEX}": index}
    history = os.path.join(place, HISTORY)
    for name in sorted(os.listdir(history)):
        files[name] = _content(os.path.join(history, name)) or b""
    for role in ("timestamp", "snapshot", "targets"):
        content = _content(os.path.join(place, f"{role}.json"))
        if content is None:
            return None
        said = json.loads(content)["signed"]
        if role == "targets" and said["targets"][INDEX]["hashes"]["sha256"] != last.index:
            return None
        files["timestamp.json" if role == "timestamp" else f"{said['version']}.{role}.json"] = content
    return files


def keep_metadata(place: str, files: Mapping[str, bytes], effects: Effects) -> None:
    """Make durable what was verified, in this order, by its names in a place: root_history/1.root.json, root.json."""
    make_place(os.path.join(place, HISTORY), effects)
    for name, content in files.items():
        kept = os.path.join(place, name)
        if content != _content(kept):
            effects.replace_file(kept, content, mode=0o600)


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def fingerprint_of(content: bytes) -> str:
    """How a person recognises a root: the SHA-256 of its file, as `sha256sum` prints it."""
    return hashlib.sha256(content).hexdigest()


def refuse_stale(repository: Repository, place: str, index: str | None, now: int, when: Callable[[int], str]) -> None:
    """TrustFailure unless what the system knows of a repository was verified and is still good; `index` is the
    SHA-256 of the index that the system has read."""
    found = verified(place)
    if found is None or found.index != index:
        raise TrustFailure(
            f"what {repository.name} offers was not read from the index that its signed metadata name",
            remedies=[f"moss repo update {repository.name}"],
        )
    days = found.days_expired(now)
    if days > repository.vouching.max_staleness:
        raise TrustFailure(
            f"what {repository.name} has signed expired on {when(found.expires_at)}: its {found.expiring}",
            because=["what is newer may have been kept from this system"],
            remedies=[
                f"moss repo update {repository.name}",
                f"where there is no network: moss repo trust {repository.name} --max-staleness {days}",
            ],
        )
