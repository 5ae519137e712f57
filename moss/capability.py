"""Capabilities: what a package offers and needs, as the text `kind(name)`.

A bare `vim` means `name(vim)`, and prints as `vim`: in moss's own texts and in the solver a package's
name is the plain word. Stones of format v1 hold capabilities as (kind number, text); see
docs/stone-format.md.
"""

from enum import IntEnum

from moss.errors import UsageError
from solver.values import ordered_value


class CapabilityKind(IntEnum):
    """The kinds format v1 knows, by their number in the format."""

    NAME = 0
    SONAME = 1
    PKGCONFIG = 2
    INTERPRETER = 3
    CMAKE = 4
    PYTHON = 5
    BINARY = 6
    SYSBINARY = 7
    PKGCONFIG32 = 8

    @property
    def word(self) -> str:
        return self.name.lower()


_KIND_BY_WORD = {kind.word: kind for kind in CapabilityKind}


@ordered_value
class Capability:
    """One thing that packages can provide and need; equality is exact equality of text."""

    kind: CapabilityKind
    name: str

    @classmethod
    def parse(cls, text: str) -> "Capability":
        """Read `kind(name)` or a bare package name; UsageError says what is wrong with other text."""
        word, bracket, rest = text.partition("(")
        if not bracket:
            return cls(CapabilityKind.NAME, _checked_name(text, text))
        kind = _KIND_BY_WORD.get(word)
        if kind is None:
            kinds = ", ".join(_KIND_BY_WORD)
            raise UsageError(f"'{text}' names no kind of capability that moss knows", remedies=[f"use one of {kinds}"])
        if not rest.endswith(")"):
            raise UsageError(f"'{text}' lacks its closing bracket", remedies=[f"write '{text})'"])
        return cls(kind, _checked_name(rest[:-1], text))

    def __str__(self) -> str:
        """The canonical text: a bare word for a package name, `kind(name)` for all else."""
        return self.name if self.kind is CapabilityKind.NAME else f"{self.kind.word}({self.name})"

    @property
    def full_text(self) -> str:
        """`kind(name)` for every kind; format v1 sorts by this."""
        return f"{self.kind.word}({self.name})"


def _checked_name(name: str, text: str) -> str:
    forbidden = {chr(127), *map(chr, range(32)), *(" " if name == text else "")}
    if not name or not forbidden.isdisjoint(name):
        raise UsageError(
            f"{text!r} is not a capability: the name is empty, or holds spaces or control characters",
            remedies=["write a package name such as vim, or kind(name) such as 'binary(git)'"],
        )
    return name
