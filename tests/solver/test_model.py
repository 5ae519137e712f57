"""Formulas and packages as text and as tables."""

import random
from array import array

import pytest

from solver import (
    AnyOf,
    FormulaError,
    If,
    ModelError,
    Operator,
    Package,
    Relation,
    Scheme,
    Universe,
    UniverseError,
    Unless,
    parse_formula,
    parse_relation,
)
from solver.tables import pack, unpack
from tests.solver.random_problems import Maker, make_puzzle


@pytest.mark.parametrize(
    "text",
    [
        "libc6 (>= 2.36)",
        "a | b (= 1) | c",
        "a & b | c",
        "a & (b | c)",
        "a if b else c",
        "(a if b) | c",
        "a unless b | c else d & e",
        "soname(libz.so.1(x86_64)) (< 2)",
        "python(foo bar)",
        'python3:any | "odd:na:me" | "if"',
        "libc6:i386 (>= 2.36) | python3::i386",
        '"a:b"::i386 | "a:b":any',
        '"a \\"quoted\\" name" (= "1 2")',
        "(all)",
        "(none)",
        "(any a)",
        "(all (a | b))",
    ],
)
def test_a_formula_prints_as_it_was_written(text: str) -> None:
    assert str(parse_formula(text)) == text


def test_every_formula_reads_back_as_itself() -> None:
    for seed in range(300):
        maker = Maker(seed)
        maker.names, maker.rich = 6, True
        formula = maker.formula()
        assert parse_formula(str(formula)) == formula


def test_names_of_any_kind_read_back() -> None:
    source = random.Random(3)
    for _ in range(500):
        name = "".join(source.choices('ab(): |&,"\\<=.\t', k=source.randint(1, 6)))
        relation = Relation(name, Operator.GE, source.choice(["1", "", "a b", '"', "(1)"]))
        assert parse_formula(str(relation)) == relation
        assert parse_formula(str(AnyOf((relation, Relation(name))))) == AnyOf((relation, Relation(name)))


def test_operators_bind_as_written() -> None:
    a, b, c = (Relation(name) for name in "abc")
    assert parse_formula("a if b else c") == If(b, a, c)
    assert parse_formula("a unless b") == Unless(b, a)
    assert parse_formula("a | b | c") == AnyOf((a, b, c))


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("a |", 3),
        ("(a", 2),
        ("a b", 2),
        ("a (>= )", 6),
        ("a (>= 1", 7),
        ("a (<> 1)", 3),
        ('"a', 0),
        ("if", 0),
    ],
)
def test_a_bad_formula_is_refused_with_its_place(text: str, position: int) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert caught.value.position == position


def test_absurdly_deep_formulas_are_refused() -> None:
    with pytest.raises(FormulaError, match="at most"):
        parse_formula("(" * 1000 + "a" + ")" * 1000)


def test_a_relation_is_no_formula() -> None:
    assert parse_relation("a (= 1)") == Relation("a", Operator.EQ, "1")
    with pytest.raises(FormulaError):
        parse_relation("a | b")
    with pytest.raises(ValueError, match="come together"):
        Relation("a", Operator.EQ)


def test_a_universe_gives_back_what_was_compiled() -> None:
    for seed in range(60):
        packages = make_puzzle(seed).packages
        universe = Universe.from_bytes(Universe.compile(packages))
        read = {universe.package(number) for number in range(len(universe))}
        assert read == set(packages)


def test_the_order_of_packages_does_not_change_the_table() -> None:
    packages = list(make_puzzle(5).packages)
    assert Universe.compile(packages) == Universe.compile(packages[::-1])


def test_a_size_of_many_gigabytes_survives() -> None:
    universe = Universe.of([Package("k", "a", "1", size=7 << 40)])
    assert universe.package(0).size == 7 << 40


def test_all_faults_of_packages_are_told_at_once() -> None:
    packages = [
        Package("k1", "a", "x", Scheme.INTEGER),
        Package("k2", "b", "y", Scheme.INTEGER),
        Package("k3", "c", "1"),
        Package("k3", "c", "2"),
    ]
    with pytest.raises(ModelError) as caught:
        Universe.compile(packages)
    assert len(caught.value.faults) == 3
    relation = Package("k", "a", "1", Scheme.INTEGER, depends=(parse_formula("b (> z)"),))
    with pytest.raises(ModelError, match="b \\(> z\\)"):
        Universe.compile([relation])


def test_a_damaged_universe_is_refused() -> None:
    good = Universe.compile(make_puzzle(1).packages)
    for bad in (b"", good[:100], good[:-1], good + b"x", b"x" + good[1:], good[:8] + b"\xff" * 8 + good[16:]):
        with pytest.raises(UniverseError):
            Universe.from_bytes(bad)


def test_a_table_of_other_arrays_is_refused() -> None:
    packed = memoryview(pack(("a", "b"), {"a": array("i", [1]), "b": array("i", [2, 3])}, b"text"))
    views, texts = unpack(("a", "b"), packed)
    assert (views["a"].tolist(), views["b"].tolist(), bytes(texts)) == ([1], [2, 3], b"text")
    for names in (("b", "a"), ("a", "c"), ("a",), ("a", "b", "c")):
        with pytest.raises(UniverseError):
            unpack(names, packed)
