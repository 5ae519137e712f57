"""What must always hold (I1 to I10), looked up without any of moss's own code.

The record is read with the standard library's sqlite3, trees and store by walking, and what the
packages hold is known from the tests' own table: a record that is wrong together with its tree is
found too.

    I1 /usr is exactly one complete recorded generation      I6 what a repository offers never goes back
    I2 every generation that was not given up can be gone to  I7 the admin's /etc is as it was
    I3 record, trees and store agree                          I8 nothing setuid is within reach outside /usr
    I4 no file that a generation needs is lost or damaged     I9 a tree in use never changes
    I5 nothing but what packages hold is in any tree         I10 the model's file says what is active, or a person's
                                                                 edit of it, whole
"""

import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import ckdl

from tests.builders import Content, Dir, File, Link
from tests.crash.menu import unsettled
from tests.crash.world import BOOT, BY_HAND, PACKAGES, Stop
from tests.trees import DIRECTORY, REGULAR, SYMLINK, Expected, content_digest, found_tree, real_directory

EMPTY = "99aa06d3014798d86001c324468d497f"
"""XXH3-128 of nothing."""

MODEL = "etc/moss/system-model.kdl"

Listing = dict[str, tuple[object, ...]]


@dataclass(frozen=True)
class Facts:
    """What a person could tell of a system."""

    live: int | None
    """What /usr says it is."""
    active: int | None
    """What the record says it is."""
    generations: Mapping[int, frozenset[str]]
    """Complete ones, with labels of their packages."""
    kept: Mapping[int, str]
    repositories: frozenset[str]
    retention: int | None
    keys: frozenset[str]
    """Those that sign, and those that are trusted."""
    offered: Mapping[str, tuple[str, frozenset[str]]]
    """By repository: the index's digest, and labels."""
    local: Listing = field(repr=False)
    """Everything outside /usr and /.moss."""


def facts_of(root: Path) -> Facts:
    db = root / ".moss/db/moss.db"
    live = _number(root / "usr/.stateID")
    local = _local(root)
    if not db.exists() or db.stat().st_size == 0:
        return Facts(live, None, {}, {}, frozenset(), None, frozenset(), {}, local)
    with closing(_opened(db)) as record:
        if not record.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return Facts(live, None, {}, {}, frozenset(), None, frozenset(), {}, local)
        generations: dict[int, set[str]] = {}
        for number, name, version in record.execute(
            "SELECT generation.id, name, version FROM generation LEFT JOIN selection ON generation = generation.id"
            " LEFT JOIN package ON package.id = package AND made_by IS NULL WHERE status = 'complete'"
        ):
            generations.setdefault(number, set()).update([f"{name}-{version}"] if name else [])
        kept = dict(record.execute("SELECT id, kept_as FROM generation WHERE kept_as IS NOT NULL"))
        active = next((row[0] for row in record.execute("SELECT generation FROM active")), None)
        repositories = frozenset(row[0] for row in record.execute("SELECT name FROM repository"))
        keys = frozenset(row[0] for row in record.execute("SELECT name FROM pinned_key")) | _own_keys(root)
        retention = next((row[0] for row in record.execute("SELECT value FROM setting WHERE name = 'retention'")), None)
    return Facts(
        live, active, {number: frozenset(labels) for number, labels in generations.items()}, kept,
        repositories, retention, keys, _offered(root), local,
    )  # fmt: skip


def faults(root: Path, *, waiting: bool = False) -> Iterator[str]:
    """All that is wrong with a system after recovery, whatever it was before.

    `waiting`: a tree that is no longer needed may still be there, since somebody is in it.
    """
    facts = facts_of(root)
    if facts.live != facts.active:
        yield f"I1: /usr is generation {facts.live}, the record says {facts.active}"
    if facts.live is not None and facts.live not in facts.generations:
        yield f"I1: generation {facts.live} is live and not complete on record"
    db = root / ".moss/db/moss.db"
    if not db.exists():
        return
    with closing(_opened(db)) as record:
        yield from _faults_of_record(record)
        spare = record.execute("SELECT generation, clean FROM spare").fetchone()
        held = {} if spare is None else {spare[0]: _labels_of(record, spare[0])}
        assets = list(record.execute(
            "SELECT DISTINCT lower(hex(digest)), permissions, asset.uid, asset.gid, size FROM asset"
            " JOIN layout ON asset = asset.id JOIN cut USING (package) WHERE (package, path_filter, path) NOT IN"
            " (SELECT package, path_filter, path FROM omitted)"
        ))  # fmt: skip
        filters = dict(record.execute(
            "SELECT generation.id, omissions FROM generation JOIN path_filter ON path_filter.id = path_filter"
        ))  # fmt: skip
        pinned = list(record.execute("SELECT name, pinned FROM repository WHERE vouched_by = 'root'"))
        rows = record.execute("SELECT lower(hex(digest)), permissions, uid, gid FROM leaving")
        leaving = {_stored(*one) for one in rows}
    if spare is not None and not spare[1]:
        yield "I3: the spare is dirty after recovery"
    for name, fingerprint in pinned:
        kept = [path.read_bytes() for path in (root / ".moss/trust" / name).glob("*/*") if path.is_file()]
        if fingerprint not in {hashlib.sha256(content).hexdigest() for content in kept}:
            yield f"I6: the root that {name} is trusted by is not there"
    inodes, wrong = _store(root, assets)
    yield from wrong
    known = {_stored(*one) for *one, _ in assets} | leaving
    for path in sorted((root / ".moss/assets").glob("*/*")):
        name = str(path.relative_to(root / ".moss/assets"))
        if name not in known and ".moss-new" not in name:
            yield f"I3: the store's {name} is of nothing"
    places = {number: root / f".moss/root/{number}/usr" for number in facts.generations if number != facts.live}
    if facts.live is not None:
        places[facts.live] = root / "usr"
    if spare is not None:
        places[spare[0]] = root / ".moss/root/spare/usr"
    for number, usr in sorted(places.items()):
        labels = facts.generations.get(number, held.get(number, frozenset()))
        yield from _faults_of_tree(number, usr, labels, _left_out(filters.get(number, "[]")), inodes)
    expected = {usr.parent.name for usr in places.values()} - {root.name}
    found = set(os.listdir(root / ".moss/root"))
    yield from (f"I3: there is no tree {name}" for name in sorted(expected - found))
    if not waiting:
        yield from (f"I3: tree {name} belongs to nothing" for name in sorted(found - expected))
    if stat.S_IMODE((root / ".moss").stat().st_mode) != 0o700:
        yield "I8: .moss is open to others"
    yield from unsettled(root)
    yield from _faults_of_model(root)
    yield from (f"I3: {path} was left behind" for path in facts.local if "moss-new" in path and facts.live is not None)


def _faults_of_model(root: Path) -> Iterator[str]:
    """The file of the system model says what is active, or what a person has made of it."""
    with closing(_opened(root / ".moss/db/moss.db")) as record:
        active = record.execute("SELECT generation FROM active").fetchone()
        if active is None:
            return
        of_each: dict[int, set[str]] = {active[0]: set()}
        for number, wanted in record.execute("SELECT generation, wanted FROM wish"):
            of_each.setdefault(number, set()).add(wanted.partition(" ")[0])
        repositories = {name for (name,) in record.execute("SELECT name FROM repository")}
        if record.execute("SELECT count(*) FROM model_file WHERE next IS NOT NULL").fetchone()[0]:
            yield "I10: the model's file is still to be written"
    try:
        text = (root / MODEL).read_text()
    except FileNotFoundError:
        yield "I10: the model's file is gone"
        return
    try:
        said = {node.name: {child.name for child in node.children} for node in ckdl.parse(text, version=2).nodes}
    except ckdl.ParseError:
        yield f"I10: the model's file is no KDL: {text[:80]!r}"
        return
    allowed = [of_each[active[0]]]
    if BY_HAND in text:  # going to another generation leaves it as it is
        allowed += [wishes | {"linker"} for wishes in of_each.values()]
    if said.get("packages", set()) not in allowed:
        yield f"I10: the model's file wishes for {said.get('packages')}, active is {of_each[active[0]]}"
    if said.get("repositories", set()) != repositories:
        yield f"I10: the model's file names the repositories {said.get('repositories')}, there are {repositories}"


def active_after(stop: Stop, before: Facts, done: Facts) -> int | None:
    """Which generation must be active when a process was stopped here: none of its effects is lost."""
    passed = stop.phase in ("switched", "done") or (
        stop.phase == "switching" and stop.moment == "after" and stop.target.endswith("/usr")
    )  # fmt: skip
    return done.active if passed else before.active


def faults_of_outcome(allowed: Collection[int | None], before: Facts, done: Facts, now: Facts) -> Iterator[str]:
    """Whether the next command found the old or the new; which of them may be active is `allowed`."""
    if now.active not in allowed:
        yield f"I1: generation {now.active} is active, must be one of {sorted(map(str, allowed))}"
    old, new = dict(before.generations), dict(done.generations)
    lost = (old.keys() & new.keys()) - now.generations.keys()
    yield from (f"I2: generation {number} was lost" for number in sorted(lost))
    unknown = now.generations.keys() - old.keys() - new.keys()
    yield from (f"I3: generation {number} came from nowhere" for number in sorted(unknown))
    for number, labels in now.generations.items():
        if number in old.keys() | new.keys() and labels != {**new, **old}[number]:
            yield f"I3: generation {number} has {sorted(labels)}"
    for word in ("kept", "repositories", "retention", "keys"):
        if getattr(now, word) not in (getattr(before, word), getattr(done, word)):
            yield f"I3: {word}: {getattr(now, word)}"
    for name, offer in now.offered.items():
        if offer not in (before.offered.get(name), done.offered.get(name)):
            yield f"I6: {name} offers {offer}"
    if before.active == done.active:  # what repositories there are, say, is text in /etc too
        for path in sorted(before.local.keys() | done.local.keys() | now.local.keys()):
            if now.local.get(path) not in (before.local.get(path), done.local.get(path)):
                yield f"I7: /{path} is {now.local.get(path)}, must be {done.local.get(path)}"
        return
    switched = now.active == done.active and done.active is not None
    wanted = dict(done.local)
    if before.active == done.active and now.local.get(MODEL) == before.local.get(MODEL) is not None:
        wanted[MODEL] = before.local[MODEL]  # a repository may have come or not: I10 knows which
    yield from _faults_of_local(before.local, wanted, now.local, switched=switched)


def admins_files(facts: Facts) -> Listing:
    """What the admin made or changed; no command may ever touch it."""
    return {path: what for path, what in facts.local.items() if what[-1] in (b"mine\n", b"own\n")}


def listing(top: Path | str) -> Listing:
    """Everything below a directory, contents included."""
    found: Listing = {}
    for folder, subfolders, files in os.walk(top):
        for name in [*subfolders, *files]:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, top)] = _described(path)
    return found


def _described(path: str) -> tuple[object, ...]:
    status = os.lstat(path)
    content: object = None
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            content = file.read()
    return (status.st_mode, status.st_uid, status.st_gid, content)


def _local(root: Path) -> Listing:
    found: Listing = {}
    if root.is_dir():
        for name in os.listdir(root):
            if name not in ("usr", ".moss", BOOT):
                found[name] = _described(str(root / name))
                if stat.S_ISDIR(os.lstat(root / name).st_mode):
                    found.update({f"{name}/{path}": what for path, what in listing(root / name).items()})
    return found


def _faults_of_local(before: Listing, done: Listing, now: Listing, *, switched: bool) -> Iterator[str]:
    if switched:
        for path in sorted(done.keys() | now.keys()):
            if done.get(path) != now.get(path):
                yield f"I7: /{path} is {now.get(path)}, must be {done.get(path)}"
        return
    for path in sorted(before.keys() | now.keys()):
        # A first installation that was stopped may leave some of the directories around /usr.
        if now.get(path) != before.get(path) and (path in before or now.get(path) != done.get(path)):
            if before.get("etc") is None and ".moss-new" in path:
                continue
            yield f"I7: /{path} is {now.get(path)}, was {before.get(path)}"


def _faults_of_record(record: sqlite3.Connection) -> Iterator[str]:
    for (line,) in record.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"I3: the record: {line}"
    if record.execute("PRAGMA foreign_key_check").fetchall():
        yield "I3: the record refers to what is not there"
    if record.execute("SELECT count(*) FROM journal WHERE finished_at IS NULL").fetchone()[0]:
        yield "I3: a transaction is under way after recovery"
    if record.execute("SELECT count(*) FROM generation WHERE status = 'staged'").fetchone()[0]:
        yield "I3: a staged generation is left after recovery"
    rows: dict[str, dict[str, tuple[int, int, str]]] = {}
    for name, version, path, kind, mode, digest, target in record.execute(
        "SELECT name, version, path, kind, mode, lower(hex(asset.digest)), link_target FROM package"
        " JOIN layout ON package.id = layout.package LEFT JOIN asset ON asset.id = asset"
        " WHERE made_by IS NULL"
    ):
        rows.setdefault(f"{name}-{version}", {})[path] = (kind, stat.S_IMODE(mode), digest or target or "")
    for label, found in rows.items():
        if found != {path: _entry(path, content) for path, content in PACKAGES[label].items()}:
            yield f"I5: the record says something else of {label}"


def _faults_of_tree(
    number: int, usr: Path, labels: frozenset[str], left_out: tuple[str, ...], inodes: Mapping[int, str]
) -> Iterator[str]:
    said = _number(usr / ".stateID")
    if said != number:
        yield f"I1: the tree {usr.parent.name} holds {said}, must hold {number}"
        return
    expected = {path: entry for path, entry in tree_of(labels).items() if not f"{path}/".startswith(left_out)}
    found = found_tree(usr, owners=os.geteuid() == 0)
    found.pop(".stateID", None)
    model = found.pop(".system-model.kdl", None)
    if usr.parent.name != "spare" and (model is None or model[1] != 0o600 or not _says_its_model(usr, labels)):
        yield f"I3: generation {number} does not say what it was to be"
    for path in sorted(expected.keys() | found.keys()):
        if _was_changed_by_hand(path, number):
            continue
        if expected.get(path) != found.get(path):
            yield f"I1: generation {number}: /usr/{path} is {found.get(path)}, must be {expected.get(path)}"
        elif found[path][0] == REGULAR and found[path][4] != EMPTY:
            status = os.lstat(usr / path)
            if inodes.get(status.st_ino) != found[path][4]:
                yield f"I4: generation {number}: /usr/{path} is no file of the store's"


def _says_its_model(usr: Path, labels: frozenset[str]) -> bool:
    """Whole, and as the person has it: what is installed here is wished for, or came along with that."""
    text = (usr / ".system-model.kdl").read_text()
    return text.endswith("\n*/\n") and (not labels or any(f" {label.split('-')[0]}" in text for label in labels))


def _left_out(omissions: str) -> tuple[str, ...]:
    """What the histories leave out: whole directories, `share/tool/**`, of one package each."""
    patterns = [pattern for one in json.loads(omissions) for pattern in one["patterns"]]
    assert all(pattern.endswith("/**") for pattern in patterns), patterns
    return tuple(pattern.removesuffix("**") for pattern in patterns)


def _was_changed_by_hand(path: str, number: int) -> bool:
    """The history `stray` did it: it may go with its tree, and may never go anywhere else."""
    return path == "share/foreign" or (path == "bin/more" and number == 3)


def tree_of(labels: frozenset[str]) -> dict[str, Expected]:
    """The tree that packages make, by the tests' own account."""
    files = {path: _entry(path, content) for label in sorted(labels) for path, content in PACKAGES[label].items()}
    if "maker-1" in labels:
        programs = sorted(path.removeprefix("bin/") for path in files if path.startswith("bin/"))
        files["share/made"] = _entry("share/made", "".join(f"{name}\n" for name in programs))
    links = {path: target for path, (kind, _, target) in files.items() if kind == SYMLINK}
    tree: dict[str, Expected] = {}
    for path, (kind, mode, what) in files.items():
        parent, _, name = path.rpartition("/")
        real = real_directory(parent, links)
        tree[f"{real}/{name}" if real else name] = (kind, mode, 0, 0, what)
        while real:
            tree.setdefault(real, (DIRECTORY, 0o755, 0, 0, ""))
            real = real.rpartition("/")[0]
    return tree


def _entry(path: str, content: Content) -> tuple[int, int, str]:
    match content:
        case Link(target):
            return (SYMLINK, 0o777, target)
        case Dir(permissions):
            return (DIRECTORY, permissions, "")
        case File(data, permissions):
            return (REGULAR, permissions, _digest(data))
        case str() | bytes():
            data = content.encode() if isinstance(content, str) else content
            return (REGULAR, 0o755 if path.startswith(("bin/", "sbin/")) else 0o644, _digest(data))


def _digest(data: bytes) -> str:
    import xxhash

    return xxhash.xxh3_128_hexdigest(data)


def _store(root: Path, assets: list[tuple[str, int, int, int, int]]) -> tuple[dict[int, str], list[str]]:
    """Digest by inode of the files that the record says are there, and what is wrong with them."""
    inodes: dict[int, str] = {}
    wrong: list[str] = []
    for digest, permissions, uid, gid, size in assets:
        if digest == EMPTY:
            continue
        name = _stored(digest, permissions, uid, gid)
        path = root / ".moss/assets" / name
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            wrong.append(f"I4: the store lacks {name}")
            continue
        if status.st_size != size or content_digest(str(path)) != digest:
            wrong.append(f"I4: the store's {name} is damaged")
        if stat.S_IMODE(status.st_mode) != permissions:
            wrong.append(f"I4: the store's {name} has mode {status.st_mode:o}")
        inodes[status.st_ino] = digest
    return inodes, wrong


def _stored(digest: str, permissions: int, uid: int, gid: int) -> str:
    usual = (permissions, uid, gid) == (0o644, 0, 0)
    return f"{digest[:2]}/{digest}" if usual else f"{digest[:2]}/{digest}.{permissions:o}.{uid}.{gid}"


def _offered(root: Path) -> dict[str, tuple[str, frozenset[str]]]:
    path = root / ".moss/db/repositories.db"
    if not path.exists() or path.stat().st_size == 0:
        return {}
    with closing(_opened(path)) as offers:
        if not offers.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return {}
        revisions = offers.execute("SELECT repository, digest FROM revision")
        found = {name: (digest, set[str]()) for name, digest in revisions}
        for name, package, version in offers.execute("SELECT repository, name, version FROM candidate"):
            found[name][1].add(f"{package}-{version}")
    return {name: (digest, frozenset(labels)) for name, (digest, labels) in found.items()}


def _own_keys(root: Path) -> frozenset[str]:
    folder = root / ".moss/keys"
    names = os.listdir(folder) if folder.is_dir() else ()
    return frozenset(name for name in names if not name.startswith("."))


def _labels_of(record: sqlite3.Connection, number: int) -> frozenset[str]:
    rows = record.execute(
        "SELECT name, version FROM selection JOIN package ON package.id = package"
        " WHERE generation = ? AND made_by IS NULL",
        (number,),
    )
    return frozenset(f"{name}-{version}" for name, version in rows)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return int(text) if text.isdigit() else None
