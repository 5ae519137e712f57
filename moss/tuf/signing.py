"""For makers: metadata for a new index, and new roots for new keys.

    publish     stone.index as it is now becomes what the metadata name
    renew       what is about to expire is signed again
    change_root, add_signatures   who signs from now on; a root that has signatures enough is published

Everything new is written under names that nobody reads yet; `timestamp.json`, replaced last, publishes it.
A reader in the midst of it finds the old state whole, or the new one.
"""

import copy
import hashlib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.metadata import Role as TufRole
from tuf.api.serialization.json import JSONSerializer

from moss.digest import PackageDigest
from moss.effects import Effects, as_moss_error
from moss.errors import TrustFailure, UsageError
from moss.stone import open_stone
from moss.trust import PublicKey, SecretKey
from moss.tuf.folder import Folder, KeySigner, SignedRoot, as_public_key, as_tuf_key, describe, seconds_of, set_days
from moss.tuf.roles import INDEX, NEXT_ROOT, TARGETS_FOLDER, USUAL_DAYS, NextRoot, Role, Signed
from solver.values import replace, value

_KEPT = 3
"""Indexes, and metadata of each role, that stay for who has read older ones a moment ago."""
_SERIALIZER = JSONSerializer(compact=False)


@value
class RoleChange:
    """What shall be otherwise about a role from the next root on."""

    add: tuple[PublicKey, ...] = ()
    remove: tuple[PublicKey, ...] = ()
    threshold: int | None = None
    days: int | None = None


def new_root(
    directory: str, keys: Mapping[Role, Sequence[PublicKey]], thresholds: Mapping[Role, int], days: Mapping[Role, int],
    signing: Sequence[SecretKey], effects: Effects, now: int,
) -> Signed:  # fmt: skip
    """The first root of a repository, published at once. UsageError where there is one already, or the keys
    at hand are fewer than it asks for."""
    with as_moss_error(f"sign {directory}"):
        folder = Folder(directory)
        if folder.is_signed:
            raise UsageError(
                f"{directory} has a root already",
                remedies=[f"moss trust show {directory}", f"moss trust rotate {directory} changes its keys"],
            )
        root = Root(expires=_later(now, days.get(Role.ROOT, USUAL_DAYS[Role.ROOT])))
        for role in Role:
            root.roles[role.value] = TufRole([], thresholds.get(role, 1))
            for key in keys[role]:
                root.add_key(as_tuf_key(key), role.value)
        set_days(root, {**USUAL_DAYS, **days})
        _refuse_impossible(root)
        metadata = Metadata(root)
        _sign(metadata, root, [Role.ROOT], signing)
        lacking = _lacking(metadata, root, None)
        if lacking:
            raise UsageError("the first root needs the signatures of its keys at once", because=lacking)
        _make_folders(folder, effects)
        _write(folder, "1.root.json", metadata, effects)
        return describe(Folder(directory))


def publish(directory: str, signing: Sequence[SecretKey], effects: Effects, now: int) -> Signed:
    """Sign the index that lies in a directory. A repository without a root gets one, in which these keys have
    every role. TrustFailure where they are not enough for a role."""
    if not Folder(directory).is_signed:
        own = [key.public for key in signing]
        new_root(directory, dict.fromkeys(Role, own), {}, {}, signing, effects, now)
    with as_moss_error(f"sign {directory}"):
        with open(os.path.join(directory, INDEX), "rb") as file:
            content = file.read()
        folder = Folder(directory)
        target = TargetFile(len(content), {"sha256": hashlib.sha256(content).hexdigest()}, INDEX)
        _publish(folder, folder.root, target, content, signing, effects, now)
        return _described(directory)


def signed_content_ids(directory: str) -> dict[PackageDigest, str]:
    """What the index that was signed last says that each stone is; nothing where none was, or it is another now."""
    with as_moss_error(f"read the index of {directory}"):
        folder = Folder(directory)
        target = _target(folder) if folder.is_signed else None
        path = os.path.join(directory, INDEX)
        if target is None or not os.path.isfile(path):
            return {}
        with open(path, "rb") as file:
            content = file.read()
    if hashlib.sha256(content).hexdigest() != target.hashes["sha256"]:
        return {}
    published = open_stone(io.BytesIO(content), path).published
    return {one.digest: one.content_id for one in published if one.content_id is not None}


def renew(directory: str, signing: Sequence[SecretKey], effects: Effects, now: int) -> Signed:
    """Sign again what stays as it is, so that it does not expire: the timestamp, and what the other keys at
    hand are for where half of its time is over. A root that waits is published where that can be done."""
    with as_moss_error(f"sign {directory}"):
        folder = _signed_folder(directory)
        waiting = folder.next_root()
        root = folder.root
        if waiting is not None and not _lacking(waiting, waiting.signed, root.signed):
            whole = SignedRoot(waiting, waiting.to_bytes(_SERIALIZER))
            root = root if _unsignable(folder, whole, signing) else whole
        _publish(folder, root, _target(folder), None, signing, effects, now)
        return _described(directory)


def change_root(
    directory: str, changes: Mapping[Role, RoleChange], signing: Sequence[SecretKey], effects: Effects, now: int
) -> Signed:
    """Make the next root. It is published when enough of the old and of the new root's keys have signed it and
    the other roles' metadata can be signed anew where their keys changed; until then it waits."""
    with as_moss_error(f"sign {directory}"):
        folder = _signed_folder(directory)
        old = folder.root
        root = copy.deepcopy(old.signed)
        root.version += 1
        days = {role: old.days(role) for role in Role}
        for role, change in changes.items():
            _change(root, role, change)
            if change.days is not None:
                days[role] = change.days
        set_days(root, days)
        root.expires = _later(now, days[Role.ROOT])
        _refuse_impossible(root)
        return _wait_or_publish(folder, Metadata(root), signing, effects, now)


def add_signatures(directory: str, signing: Sequence[SecretKey], effects: Effects, now: int) -> Signed:
    """Sign the root that waits. UsageError where none does."""
    with as_moss_error(f"sign {directory}"):
        folder = _signed_folder(directory)
        waiting = folder.next_root()
        if waiting is None:
            raise UsageError(
                f"no root of {directory} waits for signatures",
                remedies=[f"moss trust rotate {directory} makes one", f"moss trust show {directory}"],
            )
        return _wait_or_publish(folder, waiting, signing, effects, now)


def show(directory: str) -> Signed:
    """What the metadata of a repository say. UsageError where it has none."""
    with as_moss_error(f"read the metadata of {directory}"):
        _signed_folder(directory)
        return _described(directory)


def _wait_or_publish(
    folder: Folder, metadata: Metadata[Root], signing: Sequence[SecretKey], effects: Effects, now: int
) -> Signed:
    old, root = folder.root.signed, metadata.signed
    if not sum(_sign(metadata, signs, [Role.ROOT], signing) for signs in (old, root)):
        raise UsageError(
            "none of these keys signs roots of this repository", remedies=[f"moss trust show {folder.directory}"]
        )
    _write(folder, NEXT_ROOT, metadata, effects)
    if not _lacking(metadata, root, old):
        whole = SignedRoot(metadata, metadata.to_bytes(_SERIALIZER))
        if not _unsignable(folder, whole, signing):
            _publish(folder, whole, _target(folder), None, signing, effects, now)
    return _described(folder.directory)


def _publish(
    folder: Folder, root: SignedRoot, target: TargetFile | None, content: bytes | None,
    signing: Sequence[SecretKey], effects: Effects, now: int,
) -> None:  # fmt: skip
    """Make what is new of targets, snapshot and timestamp under this root, and write it in the order in which
    nobody is left without something whole."""
    made: dict[str, Metadata[Any]] = {}
    if target is not None:
        targets = _made(folder, root, Role.TARGETS, Targets(targets={INDEX: target}), signing, now, made)
        meta = {"targets.json": _as_meta(targets)}
        snapshot = _made(folder, root, Role.SNAPSHOT, Snapshot(meta=meta), signing, now, made)
        newest = Timestamp(snapshot_meta=_as_meta(snapshot))
        _made(folder, root, Role.TIMESTAMP, newest, signing, now, made, always=True)
    _make_folders(folder, effects)
    if target is not None and content is not None:
        name = f"{target.hashes['sha256']}.{INDEX}"
        effects.replace_file(os.path.join(folder.path, TARGETS_FOLDER, name), content)
    timestamp = made.pop("timestamp.json", None)
    for name, metadata in made.items():
        _write(folder, name, metadata, effects)
    if root.signed.version > folder.root.signed.version:
        _write(folder, f"{root.signed.version}.root.json", root.metadata, effects)
        effects.unlink(os.path.join(folder.path, NEXT_ROOT))
    if timestamp is not None:
        _write(folder, "timestamp.json", timestamp, effects)
        _forget_old(folder, effects)


def _made(
    folder: Folder, root: SignedRoot, role: Role, signed: Any, signing: Sequence[SecretKey], now: int,
    made: dict[str, Metadata[Any]], *, always: bool = False,
) -> Any:  # fmt: skip
    """What a role says now: what it said, where that is the same, signed by the right keys and fresh; else new."""
    before = folder.newest(role)
    good = before is not None and _is_signed(before, root.signed, role)
    same = before is not None and _says(before.signed) == _says(signed)
    days = root.days(role)
    fresh = before is not None and seconds_of(before.signed.expires) - now > days * 43_200
    own = {as_tuf_key(key.public).keyid for key in signing}
    able = len(own & set(root.signed.get_delegated_role(role.value).keyids)) > 0
    if good and same and not always and (fresh or not able):
        return before
    signed.version = 1 if before is None else before.signed.version + 1
    signed.expires = _later(now, days)
    metadata = Metadata(signed)
    _sign(metadata, root.signed, [role], signing)
    if not _is_signed(metadata, root.signed, role):
        raise TrustFailure(
            f"the keys at hand are not enough to sign as {role.value}",
            because=[_wanted(root.signed, role)],
            remedies=["name them: --key NAME", f"moss trust show {folder.directory}"],
        )
    made["timestamp.json" if role is Role.TIMESTAMP else f"{signed.version}.{role.value}.json"] = metadata
    return metadata


def _as_meta(metadata: Metadata[Any]) -> MetaFile:
    """How the next role names it: whole, so that nobody can send another one, or a longer one."""
    content = metadata.to_bytes(_SERIALIZER)
    return MetaFile(metadata.signed.version, len(content), {"sha256": hashlib.sha256(content).hexdigest()})


def _says(signed: Any) -> Any:
    """What is said, but for when and how often."""
    return {key: said for key, said in signed.to_dict().items() if key not in ("version", "expires", "spec_version")}


def _sign(metadata: Metadata[Any], root: Root, roles: Iterable[Role], signing: Sequence[SecretKey]) -> int:
    """Add the signatures of those keys that have one of these roles: how many."""
    signers = [KeySigner(secret) for secret in signing]
    wanted = {keyid for role in roles for keyid in root.get_delegated_role(role.value).keyids}
    able = [signer for signer in signers if signer.public_key.keyid in wanted]
    for signer in able:
        metadata.sign(signer, append=True)
    return len(able)


def _is_signed(metadata: Metadata[Any], root: Root, role: Role) -> bool:
    return bool(root.get_verification_result(role.value, metadata.signed_bytes, metadata.signatures))


def _lacking(metadata: Metadata[Root], root: Root, old: Root | None) -> list[str]:
    """Which signatures a root lacks, in sentences."""
    said = []
    for which, by in (("this root", root), ("the root before it", old)):
        if by is None:
            continue
        result = by.get_verification_result(Role.ROOT.value, metadata.signed_bytes, metadata.signatures)
        if not result:
            keys = ", ".join(str(as_public_key(key)) for key in result.unsigned.values())
            said.append(f"{result.missing} more of the keys of {which} must sign it: {keys}")
    return said


def _unsignable(folder: Folder, root: SignedRoot, signing: Sequence[SecretKey]) -> list[str]:
    """Roles whose metadata would not be good under this root and cannot be signed anew with these keys."""
    own = {as_tuf_key(key.public).keyid for key in signing}
    said = []
    again = False
    for role in (Role.TARGETS, Role.SNAPSHOT, Role.TIMESTAMP):
        before = folder.newest(role)
        if before is None:
            continue
        again = again or role is Role.TIMESTAMP or not _is_signed(before, root.signed, role)
        wanted = root.signed.get_delegated_role(role.value)
        if again and len(own & set(wanted.keyids)) < wanted.threshold:
            said.append(_wanted(root.signed, role))
    return said


def _wanted(root: Root, role: Role) -> str:
    said = root.get_delegated_role(role.value)
    keys = ", ".join(str(as_public_key(root.get_key(keyid))) for keyid in said.keyids)
    return f"{role.value} needs {said.threshold} of: {keys}"


def _change(root: Root, role: Role, change: RoleChange) -> None:
    said = root.get_delegated_role(role.value)
    for key in change.remove:
        keyid = as_tuf_key(key).keyid
        if keyid not in said.keyids:
            raise UsageError(f"{key} has not the role {role.value}", because=[_wanted(root, role)])
        root.revoke_key(keyid, role.value)
    for key in change.add:
        root.add_key(as_tuf_key(key), role.value)
    if change.threshold is not None:
        said.threshold = change.threshold


def _refuse_impossible(root: Root) -> None:
    faults = [
        f"{name} would need {role.threshold} of {len(role.keyids)} keys"
        for name, role in root.roles.items()
        if role.threshold > len(role.keyids)
    ]
    if faults:
        raise UsageError("nobody could sign that", because=faults, remedies=["name more keys, or a lower threshold"])


def _target(folder: Folder) -> TargetFile | None:
    """The index that the newest metadata name."""
    targets = folder.newest(Role.TARGETS)
    return None if targets is None else targets.signed.targets.get(INDEX)


def _described(directory: str) -> Signed:
    folder = Folder(directory)
    waiting = folder.next_root()
    if waiting is None:
        return describe(folder)
    root = SignedRoot(waiting, b"")
    lacking = _lacking(waiting, waiting.signed, folder.root.signed) or [
        f"then sign again: {said}" for said in _unsignable(folder, root, ())
    ]
    return replace(
        describe(folder), next_root=NextRoot(waiting.signed.version, len(waiting.signatures), tuple(lacking))
    )


def _signed_folder(directory: str) -> Folder:
    folder = Folder(directory)
    if not folder.is_signed:
        raise UsageError(
            f"{directory} is not signed",
            remedies=[f"moss index {directory} --key NAME", f"moss trust init {directory} --key NAME"],
        )
    return folder


def _make_folders(folder: Folder, effects: Effects) -> None:
    for path in (folder.path, os.path.join(folder.path, TARGETS_FOLDER)):
        if not os.path.isdir(path):
            effects.mkdir(path)
            effects.fsync(os.path.dirname(path))


def _write(folder: Folder, name: str, metadata: Metadata[Any], effects: Effects) -> None:
    effects.replace_file(os.path.join(folder.path, name), metadata.to_bytes(_SERIALIZER))


def _forget_old(folder: Folder, effects: Effects) -> None:
    for role in (Role.TARGETS, Role.SNAPSHOT):
        for path in folder.files_of(role)[_KEPT:]:
            effects.unlink(path)
    place = os.path.join(folder.path, TARGETS_FOLDER)
    found = sorted(os.listdir(place), key=lambda name: os.stat(os.path.join(place, name)).st_mtime_ns)
    now = _target(folder)
    wanted = "" if now is None else f"{now.hashes['sha256']}.{INDEX}"
    for name in found[:-_KEPT]:
        if name.endswith(f".{INDEX}") and name != wanted:
            effects.unlink(os.path.join(place, name))


def _later(now: int, days: int) -> datetime:
    return datetime.fromtimestamp(now, UTC).replace(microsecond=0) + timedelta(days=days)
