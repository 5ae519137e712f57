"""The system model: what the person wants, as a value; and the verbs, as functions from model to model.

A wish is a capability with an optional version range. `install vim` wishes for `vim` (any package of
that name), `install 'binary(git)'` for whoever provides it; the solver picks whom.
"""

import re
from collections.abc import Iterable

from moss.capability import Capability
from moss.errors import NotFound, UsageError
from solver.formula import FormulaError, parse_relation
from solver.model import Relation
from solver.values import replace, value

_LOOSE_RANGE = re.compile(r"(?P<name>[^<>=\s]+)\s*(?P<operator><<|>>|<=|>=|==|<|>|=)\s*(?P<version>\S+)")
_OLD_OPERATORS = {"<<": "<", ">>": ">", "==": "="}


@value
class Wish:
    """One thing the person wants kept installed."""

    wanted: Relation
    why: str = ""
    """In the person's words; empty when they gave no reason."""

    @classmethod
    def parse(cls, text: str, why: str = "") -> "Wish":
        """Read `vim`, `binary(git)`, `foo (< 3)` or, as people type it, `foo<3`; UsageError on other text."""
        loose = _LOOSE_RANGE.fullmatch(text.strip())
        if loose:
            operator = _OLD_OPERATORS.get(loose["operator"], loose["operator"])
            text = f"{loose['name']} ({operator} {loose['version']})"
        try:
            relation = parse_relation(text)
        except FormulaError as fault:
            raise UsageError(
                f"{text!r} is not something that can be wished for: {fault}",
                remedies=["name a package (vim), a capability ('binary(git)'), or a range ('foo < 3')"],
            ) from fault
        return cls(replace(relation, name=str(Capability.parse(relation.name))), why)

    def __str__(self) -> str:
        return str(self.wanted)


@value
class SystemModel:
    """What a system should be. Wishes keep the order in which they were said."""

    wishes: tuple[Wish, ...] = ()


def install(model: SystemModel, wishes: Iterable[Wish]) -> SystemModel:
    """The model with these wishes too; a wish for the same capability takes the older one's place."""
    said = {wish.wanted.name: wish for wish in wishes}
    kept = [said.pop(wish.wanted.name, wish) for wish in model.wishes]
    return replace(model, wishes=(*kept, *said.values()))


def remove(model: SystemModel, names: Iterable[str]) -> SystemModel:
    """The model without the wishes for these capabilities; those it does not wish for are ignored."""
    dropped = {str(Capability.parse(name)) for name in names}
    return replace(model, wishes=tuple(wish for wish in model.wishes if wish.wanted.name not in dropped))


def undo(model: SystemModel, before: SystemModel, after: SystemModel) -> SystemModel:
    """The model without what changed from `before` to `after`, as far as it still stands as it was then."""
    old = {wish.wanted.name: wish for wish in before.wishes}
    new = {wish.wanted.name: wish for wish in after.wishes}
    kept: list[Wish] = []
    for wish in model.wishes:
        name = wish.wanted.name
        if wish != new.get(name) or wish == old.get(name):
            kept.append(wish)
        elif name in old:
            kept.append(old[name])
    there = {wish.wanted.name for wish in kept}
    back = [wish for name, wish in old.items() if name not in new and name not in there]
    return replace(model, wishes=(*kept, *back))


def checked_wishes(texts: Iterable[str]) -> tuple[Wish, ...]:
    """Read every text; one UsageError tells of all that cannot be read."""
    wishes: list[Wish] = []
    faults: list[UsageError] = []
    for text in texts:
        try:
            wishes.append(Wish.parse(text))
        except UsageError as fault:
            faults.append(fault)
    if faults:
        first = faults[0]
        raise UsageError(
            first.message, because=[fault.message for fault in faults[1:]], remedies=first.remedies
        ) from first
    return tuple(wishes)


def wished(model: SystemModel, name: str) -> Wish:
    """The wish for this capability; NotFound when there is none."""
    capability = str(Capability.parse(name))
    for wish in model.wishes:
        if wish.wanted.name == capability:
            return wish
    raise NotFound(f"you have not asked for {capability}", remedies=["moss list installed"])
