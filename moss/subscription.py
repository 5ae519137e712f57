"""Subscriptions: what a person says a system is for, and what that means.

A *switch* is what the model says of one subscription. A *definition* says what a subscription brings:
packages under conditions, and which paths of packages are left out. Definitions come with a
repository's index or from the admin. All of these are values; nothing here looks at a system.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum

from solver.model import All, AnyOf, Formula, If, Relation, relations_of
from solver.request import SubscriptionRule
from solver.values import value

VALUE = "{value}"
"""In a pattern, where each value stands."""

_ABOUT_SUBSCRIPTION = re.compile(r"subscription\((?P<name>[^()]*)\)")


class Setting(Enum):
    """How a subscription is set; the words are those of the record."""

    ON = "on"
    OFF = "off"
    AUTO = "auto"
    """As the definition's own condition has it; on where it has none."""


@value
class Switch:
    """What the model says of one subscription. With values (`locale "de" "en"`) it is on."""

    name: str
    """A definition's, or a capability (`binary(git)`): somebody who provides it stays installed."""
    setting: Setting = Setting.ON
    values: tuple[str, ...] = ()
    why: str = ""
    """In the person's words; empty when they gave no reason."""

    def __str__(self) -> str:
        words = " ".join((self.name, *self.values))
        return words if self.setting is Setting.ON else f"{words} {self.setting.value}"


@value
class PathRule:
    """Paths below /usr that a subscription is about; `*` is not across `/`, `**` anything, `?` one character.

    They are left out while the subscription is off. With `keep` the pattern has `{value}` in it: while
    the subscription has values, only the paths of these are kept of all that match.
    """

    pattern: str
    keep: bool = False


@value
class Definition:
    """What a subscription means."""

    name: str
    summary: str = ""
    default: Setting = Setting.AUTO
    shapes: tuple[str, ...] | None = None
    """Patterns of which each value fits one, `*` fits every text; None: it takes no values."""
    when: Formula | None = None
    """Automatic, it is on while this holds. A person's on or off goes before it."""
    rules: tuple[SubscriptionRule, ...] = ()
    """In force while it is on; each has a condition of its own besides, or none."""
    paths: tuple[PathRule, ...] = ()
    exceptions: tuple[str, ...] = ()
    """Patterns of paths that it never leaves out."""
    recommends: bool = True
    """Whether packages are brought that others only recommend; where any that is on says no, none is."""
    origin: str = ""
    """Where it is written, for the person: a repository's name, or a file."""
    place: str = ""
    """The same to the point: file, line and column; the file is `REPOSITORY/FILE` for a repository's."""


def subscription_named(relation: Relation) -> str | None:
    """The subscription that a condition is about, `subscription(NAME)`; None for one about anything else."""
    found = _ABOUT_SUBSCRIPTION.fullmatch(relation.name)
    return found["name"] if found else None


def names_in(formula: Formula | None) -> Iterator[str]:
    """The subscriptions that a condition is about."""
    for relation in relations_of(formula) if formula is not None else ():
        name = subscription_named(relation)
        if name is not None:
            yield name


def condition_text(condition: Formula) -> str:
    """A condition for people: `a & (b | c) & not d`."""
    match condition:
        case If(barred, AnyOf(()), None):
            text = condition_text(barred)
            return f"not {text}" if isinstance(barred, Relation) else f"not ({text})"
        case All((_, _, *_)) | AnyOf((_, _, *_)):
            sign = " & " if isinstance(condition, All) else " | "
            return sign.join(_within(part) for part in condition.parts)
        case _:
            return str(condition)


def _within(part: Formula) -> str:
    text = condition_text(part)
    return f"({text})" if isinstance(part, All | AnyOf) and len(part.parts) > 1 else text


def near_names(name: str, known: Sequence[str]) -> list[str]:
    """Which subscriptions may be meant by a name that none has."""
    import difflib  # only for someone who mistyped

    return difflib.get_close_matches(name, known, n=3, cutoff=0.6)
