"""The system model: what the person wants, as a value; and the verbs, as functions from model to model.

A wish is a capability with an optional version range. `install vim` wishes for `vim` (any package of
that name), `install 'binary(git)'` for whoever provides it; the solver picks whom.
"""

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from moss.capability import Capability
from moss.errors import NotFound, UsageError, read_each
from moss.subscription import Switch
from solver.formula import FormulaError, parse_relation
from solver.model import Relation
from solver.values import replace, value

_LOOSE_RANGE = re.compile(
    r"(?P<name>[^<>=\s]+?)\s*(?P<bracket>\()?\s*(?P<operator><<|>>|<=|>=|==|<|>|=)\s*(?P<version>[^\s<>=()][^\s()]*)"
    r"\s*(?(bracket)\))"
)
Said = TypeVar("Said")
_OLD_OPERATORS = {"<<": "<", ">>": ">", "==": "="}


@value
class Wish:
    """One thing the person wants kept installed."""

    wanted: Relation
    why: str = ""
    """In the person's words; empty when they gave no reason."""
    repository: str | None = None
    """The only one that it may come from; None: any."""

    @classmethod
    def parse(cls, text: str, why: str = "") -> "Wish":
        """Read `vim`, `binary(git)`, `foo (< 3)` or, as people type it, `foo<3`, each perhaps with
        ` from REPOSITORY` behind; UsageError on other text."""
        text, _, repository = text.partition(" from ")
        if set(text.partition("(")[0]) & set("<>=") and not _LOOSE_RANGE.fullmatch(text.strip()):
            raise UsageError(f"{text!r} is not something that can be wished for: a range is like 'foo < 3'")
        loose = _LOOSE_RANGE.fullmatch(text.strip())
        if loose:
            operator = _OLD_OPERATORS.get(loose["operator"], loose["operator"])
            text = f"{loose['name']} ({operator} {loose['version']})"
        try:
            relation = parse_relation(text)
        except FormulaError as fault:
            raise UsageError(
                f"{text!r} is not something that can be wished for: {fault.in_a_line}",
                remedies=["name a package (vim), a capability ('binary(git)'), or a range ('foo < 3')"],
            ) from fault
        wanted = replace(relation, name=str(Capability.parse(relation.name)))
        return cls(wanted, why, repository.strip() or None)

    def __str__(self) -> str:
        return f"{self.wanted} from {self.repository}" if self.repository else str(self.wanted)


@value
class Pin:
    """Which versions of a package may be installed; those that the relation matches, or all of one
    repository."""

    wanted: Relation
    repository: str | None
    said_at: int
    """Seconds since 1970, UTC."""

    def __str__(self) -> str:
        return f"{self.wanted} from {self.repository}" if self.repository else str(self.wanted)


@value
class Hold:
    """A package that stays exactly as it is."""

    name: str
    said_at: int
    """Seconds since 1970, UTC."""

    def __str__(self) -> str:
        return self.name


@value
class SystemModel:
    """What a system should be. Wishes, pins and switches keep the order in which they were said, holds are by name."""

    wishes: tuple[Wish, ...] = ()
    pins: tuple[Pin, ...] = ()
    holds: tuple[Hold, ...] = ()
    switches: tuple[Switch, ...] = ()


def install(model: SystemModel, wishes: Iterable[Wish]) -> SystemModel:
    """The model with these wishes too; a wish for the same capability takes the older one's place."""
    said = {wish.wanted.name: wish for wish in wishes}
    kept = [said.pop(wish.wanted.name, wish) for wish in model.wishes]
    return replace(model, wishes=(*kept, *said.values()))


def remove(model: SystemModel, names: Iterable[str]) -> SystemModel:
    """The model without the wishes for these capabilities; those it does not wish for are ignored."""
    dropped = {str(Capability.parse(name)) for name in names}
    return replace(model, wishes=tuple(wish for wish in model.wishes if wish.wanted.name not in dropped))


def says_the_same(one: SystemModel, other: SystemModel) -> bool:
    """Whether they differ in nothing but the order in which things were said."""
    return one == other or all(
        len(mine) == len(theirs) and set(mine) == set(theirs)
        for mine, theirs in (
            (one.wishes, other.wishes), (one.pins, other.pins), (one.holds, other.holds), (one.switches, other.switches)
        )
    )  # fmt: skip


def changes_between(before: SystemModel, after: SystemModel) -> tuple[str, ...]:
    """What was said and taken back from one to the other, in few words each: `+ vim`, `- nano`, `docs off`."""
    found = [
        *_came_and_went("", before.wishes, after.wishes, lambda wish: wish.wanted.name),
        *_came_and_went("pin ", before.pins, after.pins, lambda pin: pin.wanted.name),
        *_came_and_went("hold ", before.holds, after.holds, lambda hold: hold.name),
    ]
    old = {one.name: one for one in before.switches}
    new = {one.name: one for one in after.switches}
    found += [str(one) for name, one in new.items() if one != old.get(name)]
    return (*found, *(f"- {name}" for name in old if name not in new))


def _came_and_went(
    word: str, before: Iterable[Said], after: Iterable[Said], name_of: Callable[[Said], str]
) -> list[str]:
    old = {name_of(one): one for one in before}
    new = {name_of(one): one for one in after}
    came = [f"+ {word}{one}" for name, one in new.items() if str(one) != str(old.get(name))]
    reasons = [f"{word}{one} (why)" for name, one in new.items() if str(one) == str(old.get(name)) and one != old[name]]
    return [*came, *reasons, *(f"- {word}{one}" for name, one in old.items() if name not in new)]


def with_times(model: SystemModel, known: SystemModel, now: int) -> SystemModel:
    """The model with each pin and hold said when `known` has it, else now: a text does not tell."""
    pins = {(pin.wanted, pin.repository): pin.said_at for pin in known.pins}
    holds = {hold.name: hold.said_at for hold in known.holds}
    return replace(
        model,
        pins=tuple(replace(pin, said_at=pins.get((pin.wanted, pin.repository), now)) for pin in model.pins),
        holds=tuple(replace(hold, said_at=holds.get(hold.name, now)) for hold in model.holds),
    )


def undo(model: SystemModel, before: SystemModel, after: SystemModel) -> SystemModel:
    """The model without what changed from `before` to `after`, as far as it still stands as it was then."""
    holds = _undone(model.holds, before.holds, after.holds, lambda hold: hold.name)
    return SystemModel(
        _undone(model.wishes, before.wishes, after.wishes, lambda wish: wish.wanted.name),
        _undone(model.pins, before.pins, after.pins, lambda pin: pin.wanted.name),
        tuple(sorted(holds, key=lambda hold: hold.name)),
        _undone(model.switches, before.switches, after.switches, lambda switch: switch.name),
    )


def _undone(
    now: Iterable[Said], before: Iterable[Said], after: Iterable[Said], name_of: Callable[[Said], str]
) -> tuple[Said, ...]:
    old = {name_of(one): one for one in before}
    new = {name_of(one): one for one in after}
    kept: list[Said] = []
    for one in now:
        name = name_of(one)
        if one != new.get(name) or one == old.get(name):
            kept.append(one)
        elif name in old:
            kept.append(old[name])
    there = {name_of(one) for one in kept}
    return (*kept, *(one for name, one in old.items() if name not in new and name not in there))


def subscribe(model: SystemModel, switches: Iterable[Switch]) -> SystemModel:
    """The model with these set too; a switch of the same name takes the older one's place."""
    said = {one.name: one for one in switches}
    kept = [said.pop(one.name, one) for one in model.switches]
    return replace(model, switches=(*kept, *said.values()))


def without_switches(model: SystemModel, names: Iterable[str]) -> SystemModel:
    """The model without a word of these subscriptions, whether it had one or not."""
    dropped = set(names)
    return replace(model, switches=tuple(one for one in model.switches if one.name not in dropped))


def pin(model: SystemModel, pins: Iterable[Pin]) -> SystemModel:
    """The model with these pins too; a pin of the same package takes the older one's place."""
    said = {one.wanted.name: one for one in pins}
    kept = [said.pop(one.wanted.name, one) for one in model.pins]
    return replace(model, pins=(*kept, *said.values()))


def unpin(model: SystemModel, names: Iterable[str]) -> SystemModel:
    """The model without the pins of these packages; NotFound for one that is not pinned."""
    dropped = set(names)
    _all_there(dropped, {one.wanted.name for one in model.pins}, "pinned")
    return replace(model, pins=tuple(one for one in model.pins if one.wanted.name not in dropped))


def hold(model: SystemModel, holds: Iterable[Hold]) -> SystemModel:
    """The model with these held too; what is held already is held since then."""
    said = {one.name: one for one in (*holds, *model.holds)}
    return replace(model, holds=tuple(said[name] for name in sorted(said)))


def unhold(model: SystemModel, names: Iterable[str]) -> SystemModel:
    """The model without these holds; NotFound for a package that is not held."""
    dropped = set(names)
    _all_there(dropped, {one.name for one in model.holds}, "held")
    return replace(model, holds=tuple(one for one in model.holds if one.name not in dropped))


def _all_there(names: set[str], there: set[str], word: str) -> None:
    if unknown := sorted(names - there):
        raise NotFound(
            f"{', '.join(unknown)} is not {word}",
            remedies=["moss list pins"],
        )


def checked_wishes(texts: Iterable[str]) -> tuple[Wish, ...]:
    """Read every text; one UsageError tells of all that cannot be read."""
    return read_each(Wish.parse, texts)


def wished(model: SystemModel, name: str) -> Wish:
    """The wish for this capability; NotFound when there is none."""
    capability = str(Capability.parse(name))
    for wish in model.wishes:
        if wish.wanted.name == capability:
            return wish
    raise NotFound(f"you have not asked for {capability}", remedies=["moss list installed"])
