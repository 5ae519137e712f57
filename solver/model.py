"""The values a problem is made of: relations, formulas, packages, wishes.

A formula says what must be there. Its text form:

    libc6 (>= 2.36)               a capability, perhaps with a range of versions
    python3:any                   … of whatever architecture
    python3::i386                 … of that architecture
    python3:i386                  the name of a package of another architecture than the machine's; one that says
                                  that it serves every architecture and provides `python3` meets needs of it
    a | b                         one of several, the first preferred
    a & b                         all
    a if b else c                 a where b is there, else c (which may be left out)
    a unless b else c             a where b is not there, else c

    (all)  (none)                 always, never satisfied

`&` binds closer than `|`, and `if`, `unless` loosest; parentheses after a space group. A name may
hold balanced parentheses, `soname(libz.so.1(x86_64))`; one that could be misread stands in double
quotes. `parse_formula(str(f)) == f` for every formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import TypeAlias, assert_never

from solver.values import value
from solver.version import Scheme


class Operator(Enum):
    """How a provided version must stand to the wanted one."""

    LT = "<"
    LE = "<="
    EQ = "="
    GE = ">="
    GT = ">"

    def __init__(self, text: str) -> None:
        self._orders = {"<": (-1,), "<=": (-1, 0), "=": (0,), ">=": (0, 1), ">": (1,)}[text]

    def holds(self, order: int) -> bool:
        """Whether `compare(provided, wanted) == order` satisfies the operator."""
        return order in self._orders


@value
class Relation:
    """A capability, by its text, and a range of versions of it.

    `vim` is the package name vim. Operator and version come together or not at all. `arch` limits
    the providers to one architecture; None and "any" do not.
    """

    name: str
    operator: Operator | None = None
    version: str | None = None
    arch: str | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a relation needs a name")
        if (self.operator is None) != (self.version is None):
            raise ValueError(f"{self.name}: operator and version come together")

    def __str__(self) -> str:
        return _print(self, 0)


@value
class All:
    """Every part; of no parts: always satisfied."""

    parts: tuple[Formula, ...]

    def __str__(self) -> str:
        return _print(self, 0)


@value
class AnyOf:
    """At least one part, earlier ones preferred; of no parts: never satisfied."""

    parts: tuple[Formula, ...]

    def __str__(self) -> str:
        return _print(self, 0)


@value
class If:
    """`then` where `condition` holds, `otherwise` (or nothing) where it does not."""

    condition: Formula
    then: Formula
    otherwise: Formula | None = None

    def __str__(self) -> str:
        return _print(self, 0)


@value
class Unless:
    """`then` where `condition` does not hold, `otherwise` (or nothing) where it does."""

    condition: Formula
    then: Formula
    otherwise: Formula | None = None

    def __str__(self) -> str:
        return _print(self, 0)


Formula: TypeAlias = Relation | All | AnyOf | If | Unless


def relations_of(formula: Formula) -> Iterator[Relation]:
    """Every relation a formula mentions, left to right as printed."""
    match formula:
        case Relation():
            yield formula
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from relations_of(part)
        case If() | Unless():
            yield from relations_of(formula.then)
            yield from relations_of(formula.condition)
            if formula.otherwise is not None:
                yield from relations_of(formula.otherwise)
        case _:
            assert_never(formula)


@value
class Provide:
    """A capability offered, perhaps in a version."""

    name: str
    version: str | None = None

    def __str__(self) -> str:
        return _print(Relation(self.name, Operator.EQ if self.version else None, self.version), 0)


@value
class Package:
    """A candidate. It provides its own name in its version without saying so.

    `key` is the caller's identity of it, opaque here: two packages of one key, say one installed
    and one in a repository, are one candidate. `breaks` bars like `conflicts`; the two words are
    kept apart for the sentences. `replaces` says whose place the package takes: those may go
    without counting as removed. `every_arch`: it meets what others need by `name:ARCH` as well as by `name`. `size` and
    `installed_size` are in bytes, of its file and of what that holds, and told again with a solution.
    """

    key: str
    name: str
    version: str
    scheme: Scheme = Scheme.STONE
    arch: str = ""
    repository: str = ""
    provides: tuple[Provide, ...] = ()
    depends: tuple[Formula, ...] = ()
    conflicts: tuple[Relation, ...] = ()
    breaks: tuple[Relation, ...] = ()
    replaces: tuple[Relation, ...] = ()
    recommends: tuple[Formula, ...] = ()
    supplements: tuple[Formula, ...] = ()
    multi_version: bool = False
    every_arch: bool = False
    size: int = 0
    installed_size: int | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


# A formula's text. Binding strength: 0 if/unless, 1 |, 2 &, 3 a relation or parentheses.

_QUOTE = '"'
_USUAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-_]*")
ANY_ARCH = ("any", "native")
"""Architectures of a relation that limit nothing."""
_KEYWORDS = {"if", "unless", "else", "all", "any", "none"}


def _print(formula: Formula, strength: int) -> str:
    match formula:
        case Relation():
            return _print_relation(formula)
        case All(()):
            return "(all)"
        case AnyOf(()):
            return "(none)"
        case All(parts):
            return _print_list(parts, "&", 2, strength, "all")
        case AnyOf(parts):
            return _print_list(parts, "|", 1, strength, "any")
        case If() | Unless():
            word = "if" if isinstance(formula, If) else "unless"
            text = f"{_print(formula.then, 1)} {word} {_print(formula.condition, 1)}"
            if formula.otherwise is not None:
                text += f" else {_print(formula.otherwise, 1)}"
            return f"({text})" if strength > 0 else text
        case _:
            assert_never(formula)


def _print_list(parts: tuple[Formula, ...], sign: str, own: int, strength: int, alone: str) -> str:
    if len(parts) == 1:  # kept apart from its only part: `(any x)`
        return f"({alone} {_print(parts[0], 3)})"
    text = f" {sign} ".join(_print(part, own + 1) for part in parts)
    return f"({text})" if strength > own else text


def _print_relation(relation: Relation) -> str:
    is_bare = _is_plain(relation.name) or (relation.arch is None and _is_qualified(relation.name))
    text = relation.name if is_bare else _quote(relation.name)
    if relation.arch in ANY_ARCH:
        text += f":{relation.arch}"
    elif relation.arch is not None:
        text += "::" + (relation.arch if _is_plain(relation.arch) else _quote(relation.arch))
    if relation.operator is not None and relation.version is not None:
        text += f" ({relation.operator.value} {_print_version(relation.version)})"
    return text


def _print_version(version: str) -> str:
    return version if version and not set(version) & set(' ()"') else _quote(version)


def _quote(text: str) -> str:
    return _QUOTE + text.replace("\\", "\\\\").replace(_QUOTE, '\\"') + _QUOTE


def _is_qualified(name: str) -> bool:
    """Whether it is `name:ARCH`, as the parser reads it back."""
    first, _, arch = name.partition(":")
    usual = _USUAL_NAME.fullmatch(arch) is not None and arch not in ANY_ARCH and arch not in _KEYWORDS
    return usual and _USUAL_NAME.fullmatch(first) is not None and first not in _KEYWORDS


def _is_plain(name: str) -> bool:
    """Whether the parser reads the bare name back as this name and nothing more."""
    if _USUAL_NAME.fullmatch(name) and name not in _KEYWORDS:
        return True
    if not name or name in _KEYWORDS or name[0] in '("|&':
        return False
    depth = 0
    for sign in name:
        if sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth < 0:
                return False
        elif (sign.isspace() and (depth == 0 or sign != " ")) or (depth == 0 and sign in ':"|&,'):
            return False
    return depth == 0
