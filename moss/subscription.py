"""Subscriptions: what a person says a system is for, and what that means.

A *switch* is what the model says of one subscription. A *definition* says what a subscription brings:
packages under conditions, and which paths of packages are left out. Definitions come with a
repository's index or from the admin. All of these are values; nothing here looks at a system.
"""

from enum import Enum

from solver.request import SubscriptionRule
from solver.values import value


class Setting(Enum):
    """How a subscription is set; the words are those of the record."""

    ON = "on"
    OFF = "off"
    AUTO = "auto"
    """As the definition's own conditions have it."""


@value
class Switch:
    """What the model says of one subscription. With values (`locale "de" "en"`) it is on."""

    name: str
    """A definition's, or a capability (`binary(git)`): somebody who provides it stays installed."""
    setting: Setting = Setting.ON
    values: tuple[str, ...] = ()
    why: str = ""
    """In the person's words; empty when they gave no reason."""


@value
class PathRule:
    """Paths below /usr that a subscription is about; `*` is not across `/`, `**` anything, `?` one character.

    Without `keep` they are left out while the subscription is off. With it the pattern has `{value}` in
    it: while the subscription has values, only the paths of these are kept of all that match.
    """

    pattern: str
    keep: bool = False


@value
class Definition:
    """What a subscription means."""

    name: str
    summary: str = ""
    default: Setting = Setting.AUTO
    takes_values: bool = False
    rules: tuple[SubscriptionRule, ...] = ()
    """In force while it is on; automatic: while their conditions hold."""
    paths: tuple[PathRule, ...] = ()
    origin: str = ""
    """Where it is written, for the person: a repository's name, or a file."""
