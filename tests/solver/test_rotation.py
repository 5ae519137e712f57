"""What rotation calls necessary is so, by trying every assignment."""

import random
from itertools import product

from solver.rotation import Rotation
from solver.rules import Kind

VARIABLES = 4


def models(clauses: list[list[int]]) -> list[tuple[int, ...]]:
    every = product(*((-v, v) for v in range(1, VARIABLES + 1)))
    return [model for model in every if all(not set(model).isdisjoint(clause) for clause in clauses)]


def clause(chance: random.Random) -> list[int]:
    return [chance.choice((-1, 1)) * v for v in chance.sample(range(1, VARIABLES + 1), chance.randint(1, 3))]


def models_without(left_out, core, rules, definitions):  # type: ignore[no-untyped-def]
    return models([*definitions, *(one for rule in core if rule != left_out for one in rules[rule])])


def test_only_what_no_core_can_do_without_is_called_necessary() -> None:
    chance = random.Random(3)
    found = beyond = 0
    for _ in range(4000):
        definitions = [clause(chance) for _ in range(chance.randint(0, 2))]
        rules = {(Kind.NEEDS, at): [clause(chance) for _ in range(chance.randint(1, 2))] for at in range(7)}
        core = set(list(rules)[: chance.randint(3, 7)])

        needed = {rule for rule in core if models_without(rule, core, rules, definitions)}
        if models_without(None, core, rules, definitions) or not needed:
            continue
        start = min(needed, key=str)
        known = set()
        model = models_without(start, core, rules, definitions)[0]
        Rotation(rules, definitions).necessary(start, model, core, known)
        assert start in known <= needed
        found += 1
        beyond += len(known) > 1
    assert found > 300
    assert beyond > found // 4
