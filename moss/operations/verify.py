"""Verify: whether the record, the store and every generation's tree are what they should be.

    record   what SQLite finds wrong with it
    store    every asset on record, its content read; and files that no row is about
    trees    the live one, the archived ones and the spare, path by path (`moss.examine`)

Each inode is read once. `moss.operations.mending` puts right what this finds.
"""

import os
from collections.abc import Iterator, Sequence

from moss.db import cuts, generations, journal, soundness, trees
from moss.db.origins import total_size
from moss.db.packages import Asset
from moss.digest import EMPTY_CONTENT, ContentDigest
from moss.effects import as_moss_error
from moss.errors import Locked, NotFound
from moss.examine import METADATA, Damage, DamageKind, Reading, examine, examine_tree
from moss.generation import Status
from moss.layout import regular
from moss.operations.cache import orphans
from moss.operations.describing import description, description_in
from moss.operations.previous import tree_of
from moss.operations.system import System, open_to_read
from moss.operations.upkeep import layout_of
from moss.root import MODEL_FILE, STATE_FILE, GenerationId, generation_of_tree
from moss.store import asset_name
from moss.xattrs import found_on
from solver.values import value

_MOST_COPIES = 8
"""How many other copies of one content are remembered."""


@value
class StoreDamage:
    """An asset that is not as recorded."""

    asset: Asset
    damages: tuple[Damage, ...]


@value
class Copy:
    """A file whose content was read and is right."""

    path: str
    asset: Asset
    """What it is in full, mode and owners included."""


@value
class TreeState:
    """What was found of one generation's tree."""

    generation: GenerationId
    usr: str
    place: str
    """`active`, `archived`, `spare`."""
    damages: tuple[Damage, ...]
    is_there: bool = True


@value
class Verification:
    """What was looked at and what was found."""

    record: tuple[str, ...]
    """What is wrong with the record, in sentences."""
    store: tuple[StoreDamage, ...]
    orphans: tuple[tuple[str, int], ...]
    """Files in the store that no row is about: name relative to it, and bytes."""
    trees: tuple[TreeState, ...]
    copies: dict[ContentDigest, tuple[Copy, ...]]
    """Where else the content of damaged assets was found."""
    files: int
    bytes: int

    @property
    def is_clean(self) -> bool:
        return not (self.record or self.store or self.orphans) and all(
            tree.is_there and not tree.damages for tree in self.trees
        )


def verify(system: System) -> Verification:
    """Look at everything. Locked when another moss changed the system meanwhile."""
    with as_moss_error("verify the system"):
        before = _fingerprint(system)
        system.reporter.stage("checking the record")
        record = soundness.faults(system.record)
        if record:  # what it says of files cannot be held against them
            return Verification(record, (), (), (), {}, 0, 0)
        reading = Reading(system.reporter, total_size(system.record))
        system.reporter.stage("reading the store")
        store = tuple(_store_damages(system, reading))
        strays = tuple(orphans(system))
        copies: dict[ContentDigest, list[Copy]] = {damage.asset.digest: [] for damage in store}
        _collect_from_store(system, copies, reading)
        found = [_examine(system, *one, reading, copies) for one in trees_of(system)]
        _refuse_changed(system, before)
    return Verification(
        record, store, strays, tuple(found), {digest: tuple(there) for digest, there in copies.items()},
        reading.files, reading.bytes,
    )  # fmt: skip


def verify_generation(system: System, number: GenerationId | None) -> Verification:
    """Look at one generation's tree, the active one's by default. NotFound without such a generation."""
    wanted = system.active if number is None else number
    there = [one for one in trees_of(system) if one[0] == wanted and one[2] != "spare"]
    if not there:
        said = "there is no generation yet" if wanted is None else f"there is no generation {wanted}"
        raise NotFound(said, remedies=["moss state list"])
    with as_moss_error(f"verify generation {wanted}"):
        before = _fingerprint(system)
        reading = Reading(system.reporter, 0)
        found = _examine(system, *there[0], reading, {})
        _refuse_changed(system, before)
    return Verification((), (), (), (found,), {}, reading.files, reading.bytes)


def trees_of(system: System) -> list[tuple[GenerationId, str, str]]:
    """Every tree there should be: its generation, where it is, and as what."""
    known = [one.id for one in generations.generations(system.record) if one.status is Status.COMPLETE]
    live = generation_of_tree(system.root.usr)
    if live not in known:
        live = system.active
    found = [
        (number, system.root.usr, "active") if number == live
        else (number, tree_of(system, number), "archived")
        for number in known
    ]  # fmt: skip
    spare = trees.spare(system.record)
    if spare is not None and spare.clean:
        found.append((spare.generation, os.path.join(system.root.spare, "usr"), "spare"))
    return found


def asset_damages(system: System, asset: Asset, reading: Reading) -> tuple[Damage, ...]:
    """What is wrong with an asset's file in the store."""
    name = asset_name(asset)
    place = os.path.join(system.root.store, name)
    entry = regular(name, *asset)
    try:
        status = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return (Damage(name, DamageKind.MISSING, "is missing", entry),)
    return tuple(examine(entry, name, place, status, reading, owners=system.effects.apply_owners))


def _store_damages(system: System, reading: Reading) -> Iterator[StoreDamage]:
    for asset in cuts.present(system.record):
        if asset.digest == EMPTY_CONTENT:
            continue
        damages = asset_damages(system, asset, reading)
        if damages:
            yield StoreDamage(asset, damages)


def _collect_from_store(system: System, copies: dict[ContentDigest, list[Copy]], reading: Reading) -> None:
    """The same content under other metadata, or under the right name with only its mode or owner wrong."""
    if not copies:
        return
    for asset in cuts.present(system.record):
        if asset.digest in copies:
            kinds = {damage.kind for damage in asset_damages(system, asset, reading)}
            if kinds <= METADATA:
                _remember(copies, os.path.join(system.root.store, asset_name(asset)), asset.digest)


def _examine(
    system: System,
    number: GenerationId,
    usr: str,
    place: str,
    reading: Reading,
    copies: dict[ContentDigest, list[Copy]],
) -> TreeState:
    system.reporter.stage(f"reading the {place} tree of generation {number}")
    if not os.path.isdir(usr) or os.path.islink(usr):
        return TreeState(number, usr, place, (), is_there=False)
    layout = layout_of(system, number)
    damages = list(examine_tree(layout, usr, reading, owners=system.effects.apply_owners))
    held = generation_of_tree(usr)
    if held != number:
        found = "is missing or unreadable" if held is None else f"says {held}"
        damages.append(Damage(STATE_FILE, DamageKind.CONTENT, f"{found} and should say {number}"))
    if place != "spare":  # that one was never to be anything
        damages += _model_damages(system, number, usr)
    if copies:
        bad = {damage.path for damage in damages if damage.kind not in METADATA}
        for entry in layout:
            if entry.digest in copies and entry.path not in bad:
                _remember(copies, os.path.join(usr, entry.path), entry.digest)
    return TreeState(number, usr, place, tuple(sorted(damages, key=_order)))


def _model_damages(system: System, number: GenerationId, usr: str) -> list[Damage]:
    """Whether a tree says of its generation what the record does."""
    try:
        if description_in(usr) == description(system.record, number):
            return []
        found = "says something else of its generation than the record"
    except FileNotFoundError:
        found = "is missing"
    except (OSError, ValueError) as fault:
        found = f"cannot be read: {fault}"
    return [Damage(MODEL_FILE, DamageKind.CONTENT, found)]


def _order(damage: Damage) -> tuple[str, str]:
    return damage.path, damage.kind.value


def _remember(copies: dict[ContentDigest, list[Copy]], path: str, digest: ContentDigest | None) -> None:
    assert digest is not None
    if len(copies[digest]) == _MOST_COPIES:
        return
    status = os.lstat(path)
    found = Asset(digest, status.st_mode & 0o7777, status.st_uid, status.st_gid, found_on(path))
    copies[digest].append(Copy(path, found))


def _fingerprint(system: System) -> Sequence[object]:
    """What another moss at work would change."""
    last = journal.entries(system.record)[-1:]
    known = [(one.id, one.status) for one in generations.generations(system.record)]
    return [last, known, system.active, trees.spare(system.record)]


def _refuse_changed(system: System, before: Sequence[object]) -> None:
    """A reader holds no lock: what it found is worth nothing when trees changed under it."""
    with open_to_read(system.root.path) as now:
        if _fingerprint(now) != before:
            raise Locked(
                "another moss changed this system while it was verified", remedies=["run the command again"]
            )
