"""The real AerynOS repository of 3,993 packages, where its data lies beside the checkout."""

import gzip
import json
from pathlib import Path

import pytest

from solver import Package, Problem, Provide, Relation, Request, Solution, Universe, Wish, check, explain, solve

DATA = Path(__file__).parents[3] / "shared" / "data" / "aerynos-packages.json.gz"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the AerynOS packages are not beside the checkout")


def capability(told: list[object]) -> str:
    kind, name = told
    return str(name) if kind == 0 else f"{kind}({name})"


def packages() -> list[Package]:
    with gzip.open(DATA, "rt") as file:
        return [
            Package(
                key=f"{one['name']}-{one['version']}-{one['release']}",
                name=one["name"],
                version=f"{one['version']}-{one['release']}",
                provides=tuple(Provide(capability(told)) for told in one["prov"]),
                depends=tuple(Relation(capability(told)) for told in one["deps"]),
                conflicts=tuple(Relation(capability(told)) for told in one["conf"]),
            )
            for one in json.load(file)
        ]


def test_what_cannot_be_installed_lacks_a_capability_that_nobody_provides() -> None:
    problem = Problem((Universe.of(packages()),))
    broken = check(problem)
    reasons = {one.text for each in broken for told in explain(each.conflict) for one in told.because}
    end = ", which no package provides"
    dangling = {text.removesuffix(end).partition(" needs ")[2] for text in reasons if text.endswith(end)}
    assert len(dangling) == 8 and len(broken) == 11
    names = {each.package.name for each in broken}
    wishes = tuple(Wish(Relation(p.name)) for p in packages() if p.name not in names and not p.conflicts)
    answer = solve(Problem(problem.universes, (), Request(wishes=wishes)))
    assert isinstance(answer, Solution) and answer.proven
    assert len(answer.chosen) > 3900
