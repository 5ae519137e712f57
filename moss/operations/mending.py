"""Mending what `verify` found, from other copies; nothing unverified is ever reachable from a tree.

    assets   a new file, verified while it is written and durable, takes the damaged one's name in the store
    trees    what is wrong at a path is replaced in one rename: whoever has the old file open keeps it
    rest     a damaged spare goes, a missing tree is made anew, what is foreign is put aside in /.moss/lost

Interrupted anywhere, what is mended stays mended; verify again finds the rest.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from moss.db import trees
from moss.db.packages import Asset, asset_of
from moss.digest import EMPTY_CONTENT, ContentDigest
from moss.effects import Effects, as_moss_error
from moss.errors import MossError
from moss.examine import Damage, DamageKind
from moss.layout import Entry, EntryKind
from moss.materialise import materialise, place
from moss.operations.describing import declared
from moss.operations.sources import Source, contents_of, sources
from moss.operations.system import System
from moss.operations.upkeep import layout_of
from moss.operations.verify import Copy, TreeState, Verification
from moss.root import DECLARED_ENTRIES, STATE_FILE, GenerationId
from moss.store import Store, asset_name
from moss.xattrs import applied
from solver.values import value

_PIECE = 1 << 20


@value
class AssetMend:
    """A damaged asset, and where its content is to be had: copies first, then packages that have it."""

    asset: Asset
    copies: tuple[Copy, ...]
    sources: tuple[Source, ...]

    @property
    def how(self) -> str | None:
        """In words; None when its content is nowhere."""
        if self.copies:
            return f"from {self.copies[0].path}"
        return f"from {self.sources[0]}" if self.sources else None


@value
class Mending:
    """What would be mended, and from where."""

    verification: Verification
    assets: tuple[AssetMend, ...]

    @property
    def is_due(self) -> bool:
        return not self.verification.is_clean and not self.verification.record

    @property
    def hopeless(self) -> frozenset[Asset]:
        return frozenset(mend.asset for mend in self.assets if mend.how is None)


@dataclass(slots=True)
class Mended:
    """What came of it."""

    assets: int = 0
    lost: int = 0
    """Files of the store whose content was nowhere to be had."""
    paths: int = 0
    trees: int = 0
    put_aside: list[str] = field(default_factory=list)
    """Where things that did not belong were put, absolute."""
    left: list[str] = field(default_factory=list)
    """What stays damaged, and why: sentences."""


def propose_mending(system: System, verification: Verification) -> Mending:
    """Where each damaged asset can be had again; asks no repository before `mend` does."""
    wanted = sorted({one.asset.digest for one in verification.store})
    by_digest: dict[ContentDigest, list[Source]] = {digest: [] for digest in wanted}
    for source in sources(system, wanted):
        for digest in source.wanted:
            by_digest[digest].append(source)
    return Mending(
        verification,
        tuple(
            AssetMend(
                one.asset, verification.copies.get(one.asset.digest, ()), tuple(by_digest.get(one.asset.digest, ()))
            )
            for one in verification.store
        ),
    )


def mend(system: System, mending: Mending) -> Mended:
    """Do it; what could not be mended is told in `left`."""
    done = Mended()
    with as_moss_error("mend what is damaged"), Store(system.root.store, system.effects) as store:
        lost = _mend_assets(system, mending.assets, store, done)
        with _aside(system) as aside:
            for tree in mending.verification.trees:
                if tree.place == "spare":
                    _drop_spare(system, tree, done)
                elif not tree.is_there:
                    _make_tree(system, tree, store, lost, aside, done)
                elif tree.damages:
                    _TreeMender(system, tree, store, lost, aside, done).mend()
        system.effects.syncfs(store.fd)  # for all that was renamed into its place above
        for name, _ in mending.verification.orphans:
            if os.path.lexists(os.path.join(store.path, name)):
                system.effects.unlink(name, dir_fd=store.fd)
    return done


def _mend_assets(system: System, mends: Sequence[AssetMend], store: Store, done: Mended) -> set[Asset]:
    """Give every damaged asset a whole file; those that got none."""
    pending = {mend.asset: mend for mend in mends}
    reasons: dict[Asset, str] = {}
    for mend in mends:
        if any(_from_copy(system, mend.asset, copy, store) for copy in mend.copies):
            del pending[mend.asset]
    for source in dict.fromkeys(source for mend in pending.values() for source in mend.sources):
        wanted = [asset for asset in pending if asset.digest in source.wanted]
        if not wanted:
            continue
        try:
            got = list(_from_package(system, source, wanted, store))
        except MossError as fault:
            reasons.update(dict.fromkeys(wanted, fault.message))
            got = []
        for asset in got:
            del pending[asset]
    for asset in pending:
        why = reasons.get(asset, "no copy and no bundle here has it, and no repository offers a package that has it")
        done.left.append(f"{os.path.join(store.path, asset_name(asset))} stays damaged: {why}")
    done.assets, done.lost = len(mends) - len(pending), len(pending)
    return set(pending)


def _from_copy(system: System, asset: Asset, copy: Copy, store: Store) -> bool:
    """Whether the copy was what it was; a file that is the asset in full is linked, any other read."""
    _clear_place(system, os.path.join(store.path, asset_name(asset)))
    exact = _is_exactly(copy.asset, asset, owners=system.effects.apply_owners)
    try:
        if exact:
            store.adopt(asset, copy.path)
        else:
            with open(copy.path, "rb") as file:
                store.replace(asset, iter(lambda: file.read(_PIECE), b""))
    except (MossError, FileNotFoundError):  # another's file by now: the next place is asked
        return False
    return True


def _is_exactly(found: Asset, wanted: Asset, *, owners: bool) -> bool:
    if owners:
        return found == wanted
    same = found.xattrs == applied(wanted.xattrs, all_of_them=False)
    return same and (found.digest, found.permissions) == (wanted.digest, wanted.permissions)


def _from_package(system: System, source: Source, wanted: list[Asset], store: Store) -> Iterator[Asset]:
    """Those of the wanted assets that the source had; the first of each content is written, the rest copied."""
    system.reporter.stage(f"reading {source}")
    left = list(wanted)
    with contents_of(system, source, store) as contents:
        for content in contents:
            assets = [asset for asset in left if asset.digest == content.digest]
            for number, asset in enumerate(assets):
                _clear_place(system, os.path.join(store.path, asset_name(asset)))
                if number == 0:
                    store.replace(asset, content.chunks())
                else:
                    with open(os.path.join(store.path, asset_name(assets[0])), "rb") as file:
                        store.replace(asset, iter(lambda file=file: file.read(_PIECE), b""))  # type: ignore[misc]
                left.remove(asset)
                yield asset


def _clear_place(system: System, path: str) -> None:
    """No file can be renamed over a directory."""
    if os.path.isdir(path) and not os.path.islink(path):
        system.effects.remove_tree(path)


def _drop_spare(system: System, tree: TreeState, done: Mended) -> None:
    """A damaged spare is thrown away, never repaired: the next tree is then made in full."""
    if tree.is_there and not tree.damages:
        return
    trees.forget_spare(system.record)
    system.effects.commit_point("spare is forgotten")
    system.effects.remove_tree(system.root.spare)
    done.trees += 1


@contextmanager
def _aside(system: System) -> Iterator[str]:
    """A directory on the trees' file system for what is not in its place yet. Recovery removes it."""
    path = os.path.join(system.root.trees, "mending")
    system.effects.remove_tree(path)
    system.effects.mkdir(path, 0o700)
    try:
        yield path
    finally:
        system.effects.remove_tree(path)


def _make_tree(
    system: System, tree: TreeState, store: Store, lost: set[Asset], aside: str, done: Mended
) -> None:
    """Make a generation's tree anew. It says its number where recovery looks only once it is durable."""
    layout = layout_of(system, tree.generation)
    needed = lost & {asset_of(entry) for entry in layout if entry.kind is EntryKind.REGULAR}
    if needed:
        done.left.append(
            f"the tree of generation {tree.generation} cannot be made: {len(needed)} of its files are lost"
        )
        return
    system.reporter.stage(f"making the tree of generation {tree.generation}")
    making = os.path.join(aside, "making")
    materialise(layout, store, making, declared(system.record, tree.generation), system.effects)
    system.effects.syncfs(store.fd)
    holder = os.path.dirname(tree.usr)
    if os.path.lexists(tree.usr):
        done.put_aside.append(_put_aside(system, tree.usr, tree.generation, "usr"))
    if not os.path.isdir(holder):
        system.effects.mkdir(holder, 0o700)
    system.effects.rename(making, tree.usr)
    done.trees += 1


class _TreeMender:
    """One tree that is there, path by path: what is foreign goes, directories come, then what is in them."""

    def __init__(
        self, system: System, tree: TreeState, store: Store, lost: set[Asset], aside: str, done: Mended
    ) -> None:
        self._system = system
        self._effects = system.effects
        self._tree = tree
        self._store = store
        self._lost = lost
        self._aside = os.path.join(aside, "new")
        self._done = done
        self._left = 0

    def mend(self) -> None:
        number = self._tree.generation
        self._system.reporter.stage(f"mending the {self._tree.place} tree of generation {number}")
        by_path: dict[str, list[Damage]] = {}
        for damage in self._tree.damages:
            by_path.setdefault(damage.path, []).append(damage)
        says_otherwise = sorted(name for name in DECLARED_ENTRIES if by_path.pop(name, None))
        for path, damages in by_path.items():
            if damages[0].kind in (DamageKind.FOREIGN, DamageKind.TYPE):
                self._put_aside(path)
        entries = {path: damages for path, damages in by_path.items() if damages[0].kind is not DamageKind.FOREIGN}
        for path, damages in entries.items():
            if damages[0].kind is not DamageKind.TYPE or not os.path.lexists(os.path.join(self._tree.usr, path)):
                self._mend_path(path, damages)
        if self._left:
            trees.unset_audited(self._system.record, number)
            self._effects.commit_point("tree is no longer audited")
        elif says_otherwise:
            self._effects.syncfs(self._store.fd)
            self._declare(says_otherwise)
            self._done.paths += len(says_otherwise)

    def _declare(self, names: Sequence[str]) -> None:
        """Let the tree say again which generation it is, and what it was to be; which is the last."""
        said = declared(self._system.record, self._tree.generation)
        for name in sorted(names, key=lambda name: name == STATE_FILE):
            content, mode = (f"{said.generation}\n", 0o644) if name == STATE_FILE else (said.model, 0o600)
            self._effects.write_new(self._aside, content.encode(), mode=mode, sync=True)
            target = os.path.join(self._tree.usr, name)
            if os.path.isdir(target) and not os.path.islink(target):
                self._put_aside(name)
            self._effects.rename(self._aside, target)

    def _mend_path(self, path: str, damages: Sequence[Damage]) -> None:
        entry = damages[0].entry
        assert entry is not None
        if entry.kind is EntryKind.DIRECTORY:
            self._mend_directory(path, entry)
        elif entry.digest not in (None, EMPTY_CONTENT) and asset_of(entry) in self._lost:
            self._left += 1
            number, found = self._tree.generation, damages[0].found
            self._done.left.append(f"/usr/{path} of generation {number} {found}, and stays so: its content is lost")
            return
        else:
            self._replace(path, entry)
        self._done.paths += 1

    def _replace(self, path: str, entry: Entry) -> None:
        directory, name = os.path.split(self._aside)
        if os.path.lexists(self._aside):
            self._effects.unlink(self._aside)
        holder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            place(entry, name, holder, self._store, self._effects)
        finally:
            os.close(holder)
        target = os.path.join(self._tree.usr, path)
        with _writable(os.path.dirname(target), self._effects):
            self._effects.rename(self._aside, target)
            if os.path.lexists(self._aside):  # one file already: rename does nothing, as it should
                self._effects.unlink(self._aside)

    def _mend_directory(self, path: str, entry: Entry) -> None:
        target = os.path.join(self._tree.usr, path)
        if not os.path.lexists(target):
            with _writable(os.path.dirname(target), self._effects):
                self._effects.mkdir(target, stat.S_IMODE(entry.mode))
        self._effects.chown(target, entry.uid, entry.gid)
        self._effects.chmod(target, stat.S_IMODE(entry.mode))

    def _put_aside(self, path: str) -> None:
        source = os.path.join(self._tree.usr, path)
        try:
            with _writable(os.path.dirname(source), self._effects):
                self._done.put_aside.append(_put_aside(self._system, source, self._tree.generation, path))
        except OSError as fault:  # something is mounted there, or it is somebody else's
            self._left += 1
            self._done.left.append(f"{source} cannot be taken away: {fault.strerror}")


def _put_aside(system: System, source: str, generation: GenerationId, path: str) -> str:
    """Move what does not belong out of a tree, to where the person can look at it; where it is then."""
    target = os.path.join(system.root.lost, str(generation), path)
    _make_directories(system, os.path.dirname(target))
    number = 1
    while os.path.lexists(target if number == 1 else f"{target}~{number}"):
        number += 1
    target = target if number == 1 else f"{target}~{number}"
    system.effects.rename(source, target)
    return target


def _make_directories(system: System, directory: str) -> None:
    if os.path.isdir(directory):
        return
    _make_directories(system, os.path.dirname(directory))
    if os.path.lexists(directory):  # what was put aside before stands in the way
        system.effects.rename(directory, f"{directory}~")
    system.effects.mkdir(directory, 0o700)


@contextmanager
def _writable(directory: str, effects: Effects) -> Iterator[None]:
    """Let an ordinary user, too, change what is in a directory whose mode forbids it."""
    mode = stat.S_IMODE(os.stat(directory).st_mode)
    if os.geteuid() == 0 or mode & 0o300 == 0o300:
        yield
        return
    effects.chmod(directory, mode | 0o300)
    try:
        yield
    finally:
        effects.chmod(directory, mode)
