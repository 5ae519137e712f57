"""What a repository offers is replaced by writing what differs; what the cache holds is what a new one would hold."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from moss.db import candidates
from moss.db.connection import Database, open_repository_cache
from moss.debian.index import Listed, Paragraph, read_index
from moss.debian.universe import IndexCompiler
from moss.digest import PackageDigest
from moss.package import Published
from moss.repository import Revision, Seen
from solver.values import replace
from tests.builders import metadata
from tests.debian.indexes import Packaged


def listed(packages: list[Packaged]) -> list[Paragraph]:
    text = "\n".join(one.paragraph() for one in packages)
    return list(read_index([text.encode()], "index", ("amd64", "all")))


def read(database: Database, name: str, index: list[Paragraph], together: int = 3) -> None:
    with candidates.replacing(database, name) as offer:
        for start in range(0, len(index), together):
            offer(index[start : start + together])
        candidates.record_revision(database, Revision(name, "apt+file:/", "digest", 0, len(index), Seen()))


def rows(database: Database, name: str) -> list[tuple[object, ...]]:
    """All of a repository in its order, with what each row provides."""
    asked = f"SELECT {candidates._COLUMNS}, id FROM candidate WHERE repository = ? ORDER BY id"
    found = database.connection.execute(asked, (name,))
    asked = "SELECT capability FROM provided WHERE candidate = ? ORDER BY capability"
    return [(*row, *database.connection.execute(asked, (number,))) for *row, number in found]


def numbers(database: Database) -> dict[str, int]:
    return dict(database.connection.execute("SELECT candidate_key, id FROM candidate"))


def compiled(index: Iterable[Listed | None]) -> bytes:
    compiler = IndexCompiler("one")
    for one in index:
        assert one is not None and compiler.add(one, "index")
    return bytes(compiler.compiled().universe)


@pytest.fixture
def cache(tmp_path: Path) -> Database:
    return open_repository_cache(str(tmp_path / "cache.db"), writable=True)


def changed(packages: list[Packaged], chance: random.Random) -> list[Packaged]:
    """Some newer, some gone, some new, now and then in another order."""
    after = []
    for one in packages:
        what = chance.random()
        if what < 0.1:
            continue
        fields = f"Provides: other{chance.randrange(9)}, {one.name}-api\n" if what < 0.2 else one.fields
        after.append(Packaged(one.name, f"{chance.randrange(99)}" if what < 0.3 else one.version, fields=fields))
        if what > 0.9:
            after.append(Packaged(f"new{chance.randrange(10**6)}"))
    if chance.random() < 0.3:
        chance.shuffle(after)
    return after


@pytest.mark.parametrize("seed", range(6))
def test_after_any_changes_the_cache_holds_what_a_new_one_would(
    seed: int, cache: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moss.db.offering._MOST_WAITING", 12)
    monkeypatch.setattr("moss.db.offering._ROOM", 4)
    chance = random.Random(seed)
    offers = {name: [Packaged(f"{name}{number}") for number in range(20)] for name in ("one", "two")}
    for round_ in range(12):
        name = chance.choice(("one", "two")) if round_ else "one"
        offers[name] = changed(offers[name], chance)
        index = listed(offers[name])
        read(cache, name, index, chance.randrange(1, 30))
        fresh = open_repository_cache(":memory:", writable=True)
        read(fresh, name, index)
        assert rows(cache, name) == rows(fresh, name)
        if index:
            assert compiled(candidates.listed_in(cache, name)) == compiled(one.listed for one in index)
        fresh.close()


def test_what_an_index_says_again_is_not_written_again(cache: Database) -> None:
    packages = [Packaged(f"p{number}") for number in range(50)]
    read(cache, "one", listed(packages))
    before = numbers(cache)
    packages[7] = Packaged("p7", "2.0")
    del packages[20]
    packages.insert(30, Packaged("between"))
    read(cache, "one", listed(packages))
    after = numbers(cache)
    staying = before.keys() & after.keys()
    assert len(staying) == 48 and len(after) == 50
    assert {key: before[key] for key in staying} == {key: after[key] for key in staying}


def test_of_two_offers_of_one_package_the_first_counts(cache: Database) -> None:
    about = replace(metadata("tool"), source_digest="sha256:" + "5" * 64)
    twice = [Published(about, f"{n}.stone", PackageDigest(str(n) * 64), n) for n in (1, 2)]
    for offered in (twice, twice[::-1]):
        with candidates.replacing(cache, "main") as offer:
            offer(offered)
            candidates.record_revision(cache, Revision("main", "file:/", "digest", 0, 2, Seen()))
        found = candidates.by_keys(cache, [("tool", "main", "sha256:" + "5" * 64)])
        assert [one.uri for one in found.values()] == [offered[0].uri]
