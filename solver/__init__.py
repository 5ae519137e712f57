"""A pure choice of packages: a `Problem` in, a `Solution` or a `Conflict` out.

    universe = Universe.from_bytes(Universe.compile(packages))     # once per repository revision
    answer = solve(Problem((universe,), installed, Request(wishes=(Wish(parse_formula("vim")),))))
    match answer:
        case Solution(): answer.installs, answer.changes, answer.removals, answer.reasons
        case Conflict(): answer.rules

- `Package`, `Relation`, `Provide` and the formulas `All`, `AnyOf`, `If`, `Unless` describe packages;
  `parse_formula(text)` and `str(formula)` are inverse.
- `Scheme`, `compare`, `sort_key` order versions. Versions of different schemes are never compared.
- `Universe.compile(packages) -> bytes` and `Universe.from_bytes(buffer)`; a memory-mapped buffer
  opens in 0.1 ms. Keys are the caller's identity of a package.
- `Request` holds wishes, removals, updates, keeps, pins, holds, forbids, facts, subscriptions;
  `Problem` adds universes, installed keys, preferences, repository priorities, architectures.
- `solve(problem, budget=None)`: `budget` is asked now and then whether to go on; a solution that was
  not finished says `proven=False`.
- `explain(conflict)` tells it in sentences; `with_repairs(problem, conflict)` finds what works
  instead, `describe_repair(repair)` says it. `why(solution.reasons, candidate)` is the chain from a
  package to a wish, `why_not(problem, formula)` what stands against one, `rdepends` who needs
  one. `check(problem)` lists the packages that cannot be installed, each with its conflict.
- `why_held(problem, solution, solution.held)`: what keeps packages from their newest version, and
  what would free them; `describe_held` tells it.
- `parse_preferences("newest")` or `("-removed,-notupdated,-new")`: what makes an answer better.

The package imports nothing of moss, reads no file and no clock, and knows no database.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solver.check import Broken, check
    from solver.compile import ModelError
    from solver.explain import (
        Explanation,
        Sentence,
        describe_difference,
        describe_held,
        describe_repair,
        explain,
    )
    from solver.formula import FormulaError, parse_formula, parse_relation
    from solver.held import HeldBack, why_held
    from solver.insight import Dependent, Link, holding, installed_reasons, rdepends, why, why_not
    from solver.model import (
        All,
        AnyOf,
        Formula,
        If,
        Operator,
        Package,
        Provide,
        Relation,
        Unless,
        relations_of,
    )
    from solver.pool import UnknownPackageError
    from solver.preferences import (
        FEWEST_REMOVALS,
        NEWEST_FIRST,
        ORDERS,
        PARANOID,
        TRENDY,
        Measure,
        PreferenceError,
        parse_preferences,
    )
    from solver.problem import Problem
    from solver.repairs import with_repairs
    from solver.request import (
        Forbid,
        Hold,
        Pin,
        Removal,
        Request,
        Subscription,
        SubscriptionRule,
        Wish,
    )
    from solver.rules import Candidate, Kind, Rule
    from solver.solution import (
        Change,
        Conflict,
        Held,
        InTheWay,
        Level,
        Lost,
        Needed,
        Reason,
        Recommended,
        RemovalReason,
        Repair,
        RepairKind,
        Replaced,
        Solution,
        Stayed,
        Step,
        Subscribed,
        Supplements,
        ToldToGo,
        Unneeded,
        Updated,
        Wished,
    )
    from solver.solve import Effort, NoAnswerError, solve
    from solver.tables import UniverseError
    from solver.universe import Universe
    from solver.version import Scheme, VersionError, compare, sort_key

# What is asked for is imported, and no more: most commands need a formula's text and never solve.
_HOMES = {
    "check": "Broken check",
    "compile": "ModelError",
    "explain": "Explanation Sentence describe_difference describe_held describe_repair explain",
    "formula": "FormulaError parse_formula parse_relation",
    "held": "HeldBack why_held",
    "insight": "Dependent Link holding installed_reasons rdepends why why_not",
    "model": "All AnyOf Formula If Operator Package Provide Relation Unless relations_of",
    "pool": "UnknownPackageError",
    "preferences": "FEWEST_REMOVALS NEWEST_FIRST ORDERS PARANOID TRENDY Measure PreferenceError parse_preferences",
    "problem": "Problem",
    "repairs": "with_repairs",
    "request": "Forbid Hold Pin Removal Request Subscription SubscriptionRule Wish",
    "rules": "Candidate Kind Rule",
    "solution": (
        "Change Conflict Held InTheWay Level Lost Needed "
        "Reason Recommended RemovalReason Repair RepairKind Replaced Solution "
        "Stayed Step Subscribed Supplements ToldToGo Unneeded Updated "
        "Wished"
    ),
    "solve": "Effort NoAnswerError solve",
    "tables": "UniverseError",
    "universe": "Universe",
    "version": "Scheme VersionError compare sort_key",
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


class _Package(ModuleType):
    """Some functions are named like the module they are in: importing that must not hide them."""

    def __getattr__(self, name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'solver' has no attribute {name!r}")
        value: object = getattr(import_module(f"solver.{_MODULE_OF[name]}"), name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _MODULE_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

__all__ = [
    "FEWEST_REMOVALS",
    "NEWEST_FIRST",
    "ORDERS",
    "PARANOID",
    "TRENDY",
    "All",
    "AnyOf",
    "Broken",
    "Candidate",
    "Change",
    "Conflict",
    "Dependent",
    "Effort",
    "Explanation",
    "Forbid",
    "Formula",
    "FormulaError",
    "Held",
    "HeldBack",
    "Hold",
    "If",
    "InTheWay",
    "Kind",
    "Level",
    "Link",
    "Lost",
    "Measure",
    "ModelError",
    "Needed",
    "NoAnswerError",
    "Operator",
    "Package",
    "Pin",
    "PreferenceError",
    "Problem",
    "Provide",
    "Reason",
    "Recommended",
    "Relation",
    "Removal",
    "RemovalReason",
    "Repair",
    "RepairKind",
    "Replaced",
    "Request",
    "Rule",
    "Scheme",
    "Sentence",
    "Solution",
    "Stayed",
    "Step",
    "Subscribed",
    "Subscription",
    "SubscriptionRule",
    "Supplements",
    "ToldToGo",
    "Universe",
    "UniverseError",
    "UnknownPackageError",
    "Unless",
    "Unneeded",
    "Updated",
    "VersionError",
    "Wish",
    "Wished",
    "check",
    "compare",
    "describe_difference",
    "describe_held",
    "describe_repair",
    "explain",
    "holding",
    "installed_reasons",
    "parse_formula",
    "parse_preferences",
    "parse_relation",
    "rdepends",
    "relations_of",
    "solve",
    "sort_key",
    "why",
    "why_held",
    "why_not",
    "with_repairs",
]
