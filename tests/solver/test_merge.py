"""Several universes as one: what a merged table means, and that nobody can tell it from the universes."""

import random
from collections.abc import Sequence

import pytest

from solver import Package, Problem, Provide, Relation, Request, Scheme, Solution, Universe, Wish, solve
from solver.compile import NO_TEXT
from solver.merge import merge
from solver.pool import Pool
from tests.solver.random_problems import make_puzzle

PRIORITIES = [{}, {"extra": 1}, {"extra": -1, "main": 3}]


def merged(universes: Sequence[Universe], priorities: dict[str, int] | None = None) -> Universe:
    return Universe.from_bytes(b"".join(merge(universes, priorities or {})))


def parts_of(packages: Sequence[Package], seed: int) -> list[Universe]:
    """The packages over two or three universes, some in several of them."""
    chance = random.Random(seed)
    parts = [[p for p in packages if chance.random() < 0.6] for _ in range(1 + seed % 2)]
    left = [p for p in packages if chance.random() < 0.3 or not any(p in part for part in parts)]
    return [Universe.of(part) for part in [*parts, left]]


def test_a_merged_table_says_what_compiling_all_packages_says() -> None:
    for seed in range(250):
        packages = make_puzzle(seed, most=14).packages
        assert meaning(merged(parts_of(packages, seed))) == meaning(Universe.of(packages))


def meaning(universe: Universe) -> dict[str, object]:
    """All that a universe says, without its numbers of texts, capabilities, relations and formulas."""

    def text(number: int) -> str | None:
        return None if number == NO_TEXT else universe.text(number)

    def part(start: Sequence[int], flat: Sequence[int], at: int) -> list[int]:
        return list(flat[start[at] : start[at + 1]])

    def capability(number: int) -> tuple[object, ...]:
        providers = range(universe.provider_start[number], universe.provider_start[number + 1])
        return (
            list(universe.named(number)),
            [(universe.provider[at], text(universe.provider_version[at])) for at in providers],
            [text(universe.provider_key[at]) for at in providers],
            part(universe.supplementer_start, universe.supplementer, number),
            part(universe.replacer_start, universe.replacer, number),
            universe.capability(universe.text_bytes(universe.capability_text[number])) == number,
        )

    every = range(len(universe))
    capabilities = range(len(universe.capability_text))
    relations = range(len(universe.relation_operator))
    formulas = range(len(universe.formula_text))
    return {
        "packages": [universe.package(number) for number in every],
        "keys": [universe.package_of_key(universe.text_bytes(universe.key[number])) for number in every],
        "sort keys": [(text(universe.version_key[number]), text(universe.arch[number])) for number in every],
        "provided": [text(key) for key in universe.provides_key],
        "capabilities": {text(universe.capability_text[number]): capability(number) for number in capabilities},
        "relations": {
            (universe.relation(number), universe.relation_scheme[number], text(universe.relation_key[number])): part(
                universe.match_start, universe.match, number
            )
            for number in relations
        },
        "formulas": {
            (str(universe.formula(number)), universe.formula_scheme[number]): (
                part(universe.choice_start, universe.choice, number),
                universe.preferred[number],
            )
            for number in formulas
        },
        "counts": (len(relations), len(formulas), len(capabilities)),
        "open": sorted(universe.open_texts()),
        "repositories": {text(number) for number in universe.repositories},
        "arches": {text(number) for number in universe.arches},
    }


@pytest.mark.parametrize("sorted_for", PRIORITIES)
@pytest.mark.parametrize("asked_with", PRIORITIES)
def test_a_merged_table_answers_as_its_universes_do(sorted_for: dict[str, int], asked_with: dict[str, int]) -> None:
    for seed in range(120):
        universes = parts_of(make_puzzle(seed, most=14).packages, seed)
        architectures = ("x86_64",) if seed % 3 == 1 else ()
        one = Pool([merged(universes, sorted_for)], (), asked_with, architectures)
        assert answers(one) == answers(Pool(universes, (), asked_with, architectures)), seed


@pytest.mark.parametrize("priorities", PRIORITIES)
def test_what_is_read_off_the_first_universe_is_what_joining_all_names_finds(
    priorities: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_off = 0
    for seed in range(120):
        universes = parts_of(make_puzzle(seed, most=14).packages, seed)
        pool = Pool(universes, (), priorities)
        mixed = pool._names.mixed
        found = answers(pool)
        with monkeypatch.context() as joining:
            joining.setattr("solver.names._FEW", -1)
            pool = Pool(universes, (), priorities)
            assert pool._names.mixed is None
            assert found == answers(pool), seed
        read_off += mixed is not None and not mixed.issuperset(range(len(universes[0].capability_text)))
    assert read_off > 10


def test_what_another_universe_replaces_is_not_read_off_the_first() -> None:
    offered = Universe.of([Package("a", "a", "1")])
    gone = Universe.of([Package("b", "b", "1", conflicts=(Relation("a"),), replaces=(Relation("a"),))])
    pool = Pool([offered, gone], ["a"])
    assert pool.replacers(0) == {1}


def answers(pool: Pool) -> dict[str, object]:
    """By key: the versions of each name; by text: what satisfies each relation and formula, and what comes first."""
    every = [p for p in range(len(pool)) if pool.canonical(p) == p]

    def told(packages: Sequence[int]) -> list[str]:
        return [pool.key(package) for package in packages]

    formulas, relations = {}, {}
    for package in every:
        universe, local, index = pool.at(package)
        for formula in universe.depends[universe.depends_start[local] : universe.depends_start[local + 1]]:
            candidates, first = pool.choices(pool.formula_base[index] + formula)
            key = str(universe.formula(formula)), universe.formula_scheme[formula]
            formulas[key] = told(candidates), first
        for relation in universe.conflicts[universe.conflicts_start[local] : universe.conflicts_start[local + 1]]:
            key = str(universe.relation(relation)), universe.relation_scheme[relation]
            relations[key] = told(pool.matches(pool.relation_base[index] + relation))
    return {
        "names": {pool.key(p): told(pool.name(p).versions) for p in every},
        "replacers": {pool.key(p): sorted(told(sorted(pool.replacers(p)))) for p in every},
        "formulas": formulas,
        "relations": relations,
    }


def test_a_table_sorted_for_the_priorities_asked_with_is_read_off() -> None:
    universes = [Universe.of([Package("a1", "a", "1", repository="main")])]
    universes.append(Universe.of([Package("a2", "a", "2", repository="extra")]))
    table = merged(universes, {"main": 5})
    assert Pool([table], (), {"main": 5}).plain and Pool([table], (), {"main": 7, "extra": 2}).plain
    assert not Pool([table]).plain
    assert [table.text(table.key[number]) for number in range(2)] == ["a1", "a2"]


def test_of_one_key_the_first_universe_counts() -> None:
    first = Universe.of([Package("k", "a", "1", repository="main", provides=(Provide("v"),))])
    second = Universe.of([Package("k", "a", "1", repository="extra", provides=(Provide("w"),))])
    table = merged([first, second])
    assert len(table) == 1
    assert table.package(0).repository == "main" and table.package(0).provides == (Provide("v"),)


def test_versions_that_read_differently_and_sort_alike_are_told_apart() -> None:
    first = Universe.of([Package("a", "a", "1", Scheme.DEB, depends=(Relation("b", arch="x"),))])
    second = Universe.of([Package("b", "b", "0:1", Scheme.DEB), Package("c", "b", "1", Scheme.DEB)])
    table = merged([first, second])
    assert [table.package(number).version for number in range(3)] == ["1", "0:1", "1"]


def test_what_is_not_offered_beside_a_merged_table_is_as_before() -> None:
    """Installed packages that no repository has any more come in a universe of their own."""
    offered = [Universe.of([Package("a", "a", "1")]), Universe.of([Package("b", "b", "1", depends=(Relation("a"),))])]
    gone = Universe.of([Package("old", "a", "0")])
    request = Request(wishes=(Wish(Relation("b")),))
    for universes in ((*offered, gone), (merged(offered), gone)):
        answer = solve(Problem(universes, ("old",), request))
        assert isinstance(answer, Solution)
        assert [one.key for one in answer.chosen] == ["old", "b"]
