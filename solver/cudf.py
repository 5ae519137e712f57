"""CUDF, the common format of package problems and solutions (Mancoosi, CUDF 2.0).

Read: `depends`, `recommends` (conjunctions of alternatives), `conflicts`, `provides`, `installed`,
`keep`, and the request's `install`, `remove`, `upgrade`; all six comparisons, `true!` and `false!`.
Other properties are passed over. Every package may be there in several versions unless it says
otherwise, as CUDF has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from solver.model import All, AnyOf, Formula, Operator, Package, Provide, Relation
from solver.preferences import PARANOID, TRENDY, Measure, PreferenceError
from solver.problem import Problem
from solver.request import Pin, Removal, Request, Wish
from solver.solution import Conflict, Solution
from solver.universe import Universe
from solver.version import Scheme

_RELATION = re.compile(r"\s*([A-Za-z0-9.+@/%\-_]+)\s*(?:(=|!=|>=|<=|>|<)\s*([0-9]+)\s*)?\Z")
_MEASURES = {
    "removed": Measure.REMOVED,
    "new": Measure.NEW,
    "changed": Measure.ALTERED,
    "notuptodate": Measure.NOT_UP_TO_DATE,
    "unsat_recommends": Measure.UNSATISFIED,
}
T = TypeVar("T")
_KEEP = ("none", "version", "package", "feature")


class CudfError(ValueError):
    """A document that is not CUDF: the line, and what is wrong there."""

    def __init__(self, line: int, wrong: str) -> None:
        super().__init__(f"line {line}: {wrong}")
        self.line, self.wrong = line, wrong


@dataclass(slots=True)
class _Stanza:
    """The properties of a stanza, each with its line."""

    line: int
    properties: dict[str, tuple[int, str]] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> tuple[int, str]:
        return self.properties.get(name, (self.line, default))


def parse_criteria(text: str) -> tuple[Measure, ...]:
    """`paranoid`, `trendy`, or a list like `-removed,-notuptodate,-new`. Raises PreferenceError."""
    if text in ("paranoid", "trendy"):
        return PARANOID if text == "paranoid" else TRENDY
    measures = []
    for word in text.split(","):
        name = word.strip()
        if not name.startswith("-") or name[1:] not in _MEASURES:
            known = ", ".join(f"-{measure}" for measure in _MEASURES)
            raise PreferenceError(f"no such criterion: {name or '(nothing)'}; there are {known}")
        measures.append(_MEASURES[name[1:]])
    return tuple(dict.fromkeys(measures))


def parse_problem(text: str, criteria: tuple[Measure, ...] = TRENDY) -> Problem:
    """The problem a document states. Raises CudfError."""
    packages: list[Package] = []
    installed: list[str] = []
    known = set[str]()
    keeps: list[Wish] = []
    request: _Stanza | None = None
    for stanza in _stanzas(text):
        if request is not None:
            raise CudfError(stanza.line, "the request is not the last stanza")
        if "package" in stanza.properties:
            package = _package(stanza)
            if package.key in known:
                raise CudfError(stanza.line, f"{package} is given twice")
            known.add(package.key)
            packages.append(package)
            if _boolean(*stanza.get("installed", "false")):
                installed.append(package.key)
                keeps += _keeps(stanza, package)
        elif "request" in stanza.properties:
            request = stanza
        elif "preamble" not in stanza.properties:
            raise CudfError(stanza.line, "neither a preamble, a package nor a request")
    if request is None:
        raise CudfError(text.count("\n") + 1, "no request")
    asked, single = _request(request, packages, installed, keeps)
    universe = Universe.of(_single(packages, single))
    return Problem((universe,), tuple(installed), asked, criteria)


def _single(packages: Sequence[Package], names: Collection[str]) -> Iterator[Package]:
    """What is upgraded may be there only once afterwards."""
    for package in packages:
        yield replace(package, multi_version=False) if package.name in names else package


def print_solution(answer: Solution | Conflict) -> str:
    """The answer as a document: the packages installed afterwards, or FAIL."""
    if isinstance(answer, Conflict):
        return "FAIL\n"
    return "".join(
        f"package: {candidate.name}\nversion: {candidate.version}\ninstalled: true\n\n" for candidate in answer.chosen
    )


def _stanzas(text: str) -> Iterator[_Stanza]:
    stanza: _Stanza | None = None
    last = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            continue
        if not line.strip():
            if stanza is not None:
                yield stanza
            stanza = None
        elif line[0] in " \t":
            if stanza is None:
                raise CudfError(number, "a continuation of nothing")
            at, value = stanza.properties[last]
            stanza.properties[last] = at, f"{value} {line.strip()}"
        else:
            last, colon, value = line.partition(":")
            if not colon:
                raise CudfError(number, "expected 'property: value'")
            stanza = stanza or _Stanza(number)
            if last in stanza.properties:
                raise CudfError(number, f"{last} is given twice")
            stanza.properties[last] = number, value.strip()
    if stanza is not None:
        yield stanza


def _package(stanza: _Stanza) -> Package:
    line, name = stanza.get("package")
    version_line, version = stanza.get("version")
    if not re.fullmatch(r"[A-Za-z0-9.+@/%\-_]+", name):
        raise CudfError(line, f"not a package name: {name!r}")
    if not re.fullmatch(r"[0-9]+", version) or int(version) < 1:
        raise CudfError(version_line, f"{name}: the version is not a positive number: {version!r}")
    return Package(
        key=f"{name}={version}",
        name=name,
        version=version,
        scheme=Scheme.INTEGER,
        provides=tuple(_list(stanza, "provides", _provide)),
        depends=_formulas(stanza, "depends"),
        conflicts=tuple(relation for pair in _list(stanza, "conflicts", _relations) for relation in pair),
        recommends=_formulas(stanza, "recommends"),
        multi_version=True,
    )


def _boolean(line: int, text: str) -> bool:
    if text not in ("true", "false"):
        raise CudfError(line, f"neither true nor false: {text!r}")
    return text == "true"


def _keeps(stanza: _Stanza, package: Package) -> Iterator[Wish]:
    line, keep = stanza.get("keep", "none")
    if keep not in _KEEP:
        raise CudfError(line, f"keep is one of {', '.join(_KEEP)}, not {keep!r}")
    if keep == "version":
        yield Wish(Relation(package.name, Operator.EQ, package.version))
    elif keep == "package":
        yield Wish(Relation(package.name))
    elif keep == "feature":
        for provide in package.provides:
            operator = Operator.EQ if provide.version else None
            yield Wish(Relation(provide.name, operator, provide.version))


def _list(stanza: _Stanza, name: str, read: Callable[[int, str], T]) -> Iterator[T]:
    line, text = stanza.get(name)
    for part in text.split(",") if text.strip() else ():
        yield read(line, part)


def _relations(line: int, text: str) -> tuple[Relation, ...]:
    """One relation; `!=` is two, one of which holds. Versions begin with 1, so `< 1` is none."""
    match = _RELATION.match(text)
    if match is None:
        raise CudfError(line, f"not a relation: {text.strip()!r}")
    name, operator, version = match.groups()
    if operator is None:
        return (Relation(name),)
    signs = ("<", ">") if operator == "!=" else (operator,)
    return tuple(
        Relation(name, Operator(sign), version)
        for sign in signs
        if sign in (">", ">=") or int(version) >= (2 if sign == "<" else 1)
    )


def _provide(line: int, text: str) -> Provide:
    relations = _relations(line, text)
    if len(relations) != 1 or relations[0].operator not in (None, Operator.EQ):
        raise CudfError(line, f"a package provides one version or all: {text.strip()!r}")
    return Provide(relations[0].name, relations[0].version)


def _formulas(stanza: _Stanza, name: str) -> tuple[Formula, ...]:
    return tuple(dict.fromkeys(_list(stanza, name, _choice)))


def _choice(line: int, text: str) -> Formula:
    relations: list[Relation] = []
    for part in text.split("|"):
        if part.strip() == "true!":
            return All(())
        if part.strip() != "false!":
            relations += _relations(line, part)
    return relations[0] if len(relations) == 1 else AnyOf(tuple(dict.fromkeys(relations)))


def _request(
    stanza: _Stanza, packages: Sequence[Package], installed: Sequence[str], keeps: Sequence[Wish]
) -> tuple[Request, set[str]]:
    """The request, and the names that are upgraded."""
    wishes = [Wish(formula) for formula in _list(stanza, "install", _choice)]
    removals = [Removal(r) for pair in _list(stanza, "remove", _relations) for r in pair]
    pins, single, there = [], set(), set(installed)
    for relations in _list(stanza, "upgrade", _relations):
        wishes.append(Wish(relations[0] if len(relations) == 1 else AnyOf(relations)))
        if not relations:
            continue
        name = relations[0].name
        single.add(name)
        before = [int(p.version) for p in packages if p.name == name and p.key in there]
        if before:
            pins.append(Pin(Relation(name, Operator.GE, str(max(before)))))
    request = Request(wishes=tuple(wishes), removals=tuple(removals), keeps=tuple(keeps), pins=tuple(pins))
    return request, single
