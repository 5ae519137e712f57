"""Paths that triggers removed: merging in full and working out a difference come to the same tree."""

import random
from pathlib import Path

from moss.db.boot import files_in
from moss.db.connection import Database, open_record
from moss.db.generations import record_staged
from moss.db.packages import record_package
from moss.db.paths import Holding
from moss.db.triggers import record_made
from moss.difference import TreeDifference, tree_difference
from moss.digest import PackageDigest, content_digest
from moss.generation import PackageId, Reason
from moss.layout import Entry, EntryKind, directory, nothing, regular, symlink, tree_order
from moss.merge import LayoutCollision, merge
from moss.model import SystemModel
from moss.root import GenerationId
from moss.whole import WholeLayout
from tests.builders import metadata

CONTENTS = [content_digest(text) for text in (b"x", b"y", b"z")]
SIZES = dict.fromkeys(CONTENTS, 1)


def test_what_a_trigger_removed_is_not_there_and_its_directory_only_where_something_is_left() -> None:
    x, y = CONTENTS[:2]
    package = [directory("d", 0o700), regular("d/a", x), regular("d/b", x), directory("e", 0o700), regular("e/a", x)]
    made = [nothing("d"), nothing("d/a"), nothing("d/b"), nothing("e"), nothing("e/a"), regular("e/b", y)]
    assert merge([("p", package), ("trigger(t)", made)]).entries == [regular("e/b", y)]
    left = [regular("d/c", y)]
    assert merge([("p", package), ("q", left), ("trigger(t)", made)]).entries == [*left, regular("e/b", y)]


def test_a_link_that_a_trigger_made_moves_no_package_s_paths() -> None:
    x = CONTENTS[0]
    package, made = [regular("d/a", x), regular("e/b", x)], [symlink("d", "e"), nothing("d/a")]
    assert merge([("p", package), ("trigger(t)", made)]).entries == [symlink("d", "e"), regular("e/b", x)]


def test_by_difference_and_in_full_come_to_the_same(tmp_path: Path) -> None:
    differences = removals = 0
    for seed in range(250):
        chance = random.Random(seed)
        database = open_record(str(tmp_path / "none"), writable=False)
        packages = [_record(database, f"p{number}", _layout(chance, number)) for number in range(3)]
        sides = []
        for side in ("old", "new"):
            chosen = [one for one in packages if chance.random() < 0.7]
            if chance.random() < 0.8:
                made = _made(chance, _whole(database, chosen))
                if made:
                    digest = PackageDigest(content_digest(f"{side}".encode()).hex() * 2)
                    chosen.append(record_made(database, "t", digest, (), made, SIZES))
            sides.append(chosen)
        before, after = (_whole(database, chosen) for chosen in sides)
        links = WholeLayout(database, sides[0], frozenset()).directory_links
        found = tree_difference(database, Holding(sides[0]), Holding(sides[1]), links)
        if found is not None:
            differences += 1
            removals += bool(found.step_count)
            assert _applied(found, before) == after, f"seed {seed}"
        database.close()
    assert differences > 150 and removals > 100


def test_what_a_generation_boots_with_is_what_triggers_left(tmp_path: Path) -> None:
    database = open_record(str(tmp_path / "none"), writable=False)
    here = "lib/modules/6.1"
    layout = [regular(f"{here}/{name}", CONTENTS[0]) for name in ("a.initrd", "b.initrd", "c.initrd")]
    package = _record(database, "kernel", layout)
    made = [nothing(f"{here}/a.initrd"), regular(f"{here}/b.initrd", CONTENTS[1])]
    digest = PackageDigest("0" * 64)
    rows = [package, record_made(database, "t", digest, (), made, SIZES)]
    record_staged(
        database, GenerationId(1), created_at=1, parent=None, command="", model=SystemModel(()),
        selections=[(row, Reason()) for row in rows],
    )  # fmt: skip
    found = files_in(database, GenerationId(1), here, ".initrd")
    assert [(one.path[-8], one.asset.digest) for one in found] == [("b", CONTENTS[1]), ("c", CONTENTS[0])]


def _layout(chance: random.Random, number: int) -> list[Entry]:
    """Files of its own, in directories that others have too."""
    found: dict[str, Entry] = {}
    for _ in range(chance.randint(1, 6)):
        above = "/".join(chance.choice("de") for _ in range(chance.randint(1, 3)))
        if chance.random() < 0.3:
            found[above] = directory(above, 0o755)
        name = f"{above}/{number}{chance.choice('xy')}"
        found[name] = regular(name, chance.choice(CONTENTS)) if chance.random() < 0.8 else symlink(name, "x")
    return [found[path] for path in sorted(found)]


def _made(chance: random.Random, tree: dict[str, Entry | None]) -> list[Entry]:
    """What a trigger does to a tree: whole directories go, files change, others come."""
    made: dict[str, Entry] = {}
    for path, entry in tree.items():
        if chance.random() < 0.15:
            made |= {one: nothing(one) for one in tree if one == path or one.startswith(f"{path}/")}
        elif path not in made and entry is not None and entry.kind is not EntryKind.DIRECTORY and chance.random() < 0.2:
            made[path] = regular(path, chance.choice(CONTENTS))
    for path in [path for path, one in made.items() if one.kind is EntryKind.NOTHING and chance.random() < 0.1]:
        if not any(other.startswith(f"{path}/") for other in tree) and path.rpartition("/")[0] not in made:
            made[path] = regular(path, chance.choice(CONTENTS))
    return [made[path] for path in sorted(made)]


def _record(database: Database, name: str, layout: list[Entry]) -> PackageId:
    digest = PackageDigest(content_digest(name.encode()).hex() * 2)
    return record_package(
        database, metadata(name), digest, candidate_key=name, repository="main", stone_size=1, layout=layout,
        sizes=SIZES,
    )  # fmt: skip


def _whole(database: Database, chosen: list[PackageId]) -> dict[str, Entry | None]:
    """The whole tree, what is only implied as None; in order."""
    found: dict[str, Entry | None] = {entry.path: entry for entry in WholeLayout(database, chosen, frozenset())}
    return _with_implied(found)


def _with_implied(tree: dict[str, Entry | None]) -> dict[str, Entry | None]:
    for path in list(tree):
        while path := path.rpartition("/")[0]:
            tree.setdefault(path, None)
    usual = {path: None if entry == directory(path) else entry for path, entry in tree.items()}
    return dict(sorted(usual.items(), key=lambda one: tree_order(one[0])))


def _applied(found: TreeDifference, tree: dict[str, Entry | None]) -> dict[str, Entry | None]:
    tree = dict(tree)
    for path in found.unlink:
        assert tree[path] is not None
        del tree[path]
    for path in found.rmdir:
        assert not any(other.startswith(f"{path}/") for other in tree), path
        del tree[path]
    for entry in (*found.mkdir, *found.adjust, *found.place):
        assert (entry.path in tree) == (entry in found.adjust)
        assert "/" not in entry.path or entry.path.rpartition("/")[0] in tree
        tree[entry.path] = entry
    return _with_implied(tree)


def test_two_triggers_that_differ_collide() -> None:
    made = [("trigger(a)", [nothing("x")]), ("trigger(b)", [regular("x", CONTENTS[0])])]
    try:
        merge([("p", [regular("x", CONTENTS[1])]), *made])
    except LayoutCollision as fault:
        assert [one.path for one in fault.collisions] == ["x"]
    else:
        raise AssertionError("they collide")
    assert merge(made, frozenset({("trigger(a)", "trigger(b)")})).entries == []
