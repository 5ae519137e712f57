"""A whole layout that is read out of the record is the one that merging in memory gives."""

import random
from pathlib import Path

from moss.db import packages
from moss.db.connection import open_record
from moss.digest import content_digest
from moss.generation import PackageId
from moss.layout import Entry, directory, regular, symlink, tree_order
from moss.merge import LayoutCollision, Merged, merge
from moss.whole import WholeLayout
from tests.builders import metadata

CONTENTS = [content_digest(text) for text in (b"x", b"y", b"")]
NAMES = ("a", "a-b", "a.b", "b", "c")
"""Names that sort otherwise beside a slash."""


def random_layout(chance: random.Random) -> list[Entry]:
    found: dict[str, Entry] = {}
    for _ in range(chance.randint(1, 8)):
        path = "/".join(chance.choice(NAMES) for _ in range(chance.randint(1, 4)))
        kind = chance.random()
        if kind < 0.6:
            found[path] = regular(path, chance.choice(CONTENTS), chance.choice((0o644, 0o755)))
        elif kind < 0.8:
            found[path] = symlink(path, chance.choice((*NAMES, "../b", "/usr/c", "a-b/c", "../../out")))
        else:
            found[path] = directory(path, chance.choice((0o755, 0o700)))
    return [found[path] for path in sorted(found)]


def outcome(merged: Merged | LayoutCollision) -> object:
    if isinstance(merged, LayoutCollision):
        return merged.collisions
    return merged.entries, merged.directory_links


def test_whole_layouts_are_merged_alike_from_the_record_and_in_memory(tmp_path: Path) -> None:
    collided = followed = 0
    for seed in range(160):
        chance = random.Random(seed)
        names = [f"p{number}" for number in range(chance.randint(1, 4))]
        layouts = [(name, random_layout(chance)) for name in names]
        replaces = frozenset((one, other) for one in names for other in names if one != other and chance.random() < 0.3)
        database = open_record(str(tmp_path / "none"), writable=False)
        rows = [record(database, name, layout) for name, layout in layouts]
        record(database, "unchosen", random_layout(chance))
        expected: Merged | LayoutCollision
        found: Merged | LayoutCollision
        try:
            expected = merge(layouts, replaces)
        except LayoutCollision as fault:
            expected = fault
        whole = WholeLayout(database, rows, replaces)
        try:
            found = Merged(list(whole), whole.directory_links)
            assert list(whole) == found.entries  # as often as it is wanted
        except LayoutCollision as fault:
            found = fault
        assert type(found) is type(expected), f"seed {seed}"
        if isinstance(found, Merged) or not any(entry.link_target for _, layout in layouts for entry in layout):
            # Of links that lead in circles the collisions depend on which path is followed first.
            assert outcome(found) == outcome(expected), f"seed {seed}"
        if isinstance(found, Merged):
            assert found.entries == sorted(found.entries, key=lambda entry: tree_order(entry.path))
            followed += bool(found.directory_links)
        else:
            collided += 1
        database.close()
    assert 20 < collided < 140 and followed > 2


def record(database: packages.Database, name: str, layout: list[Entry]) -> PackageId:
    digest = packages.PackageDigest(content_digest(name.encode()).hex() * 2)
    return packages.record_package(
        database, metadata(name), digest, candidate_key=name, repository="main", stone_size=1, layout=layout,
        sizes=dict.fromkeys(CONTENTS, 1),
    )  # fmt: skip
