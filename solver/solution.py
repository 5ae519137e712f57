"""The two answers: a solution or a conflict."""

from collections.abc import Mapping
from enum import Enum

from solver.model import Formula, Relation
from solver.preferences import Measure
from solver.request import Removal, Request, Subscription, Wish
from solver.rules import Asked, Candidate, Rule
from solver.values import field, value
from solver.version import Scheme


@value
class Wished:
    """A wish asked for it, or a keep."""

    wish: Wish


@value
class Needed:
    """Another chosen package depends on it."""

    by: Candidate
    formula: Formula


@value
class Recommended:
    """Another chosen package recommends it, or it supplements what `by` is."""

    by: Candidate
    formula: Formula


@value
class Subscribed:
    """A rule of a subscription requires or wants it."""

    subscription: Subscription
    relation: Relation


@value
class Supplements:
    """It supplements what is there, or a fact of the machine."""

    formula: Formula


@value
class Stayed:
    """It was installed and nothing speaks against it."""


@value
class Updated:
    """It was asked to be updated."""


Reason = Wished | Needed | Recommended | Subscribed | Supplements | Stayed | Updated


@value
class ToldToGo:
    """It was asked to go."""

    removal: Removal


@value
class InTheWay:
    """It conflicts with a package that is chosen (either may say so)."""

    of: Candidate
    relation: Relation


@value
class Lost:
    """It needs something that nothing chosen provides."""

    formula: Formula


@value
class Replaced:
    """A chosen package takes its place."""

    by: Candidate


@value
class Unneeded:
    """It was installed for others, and nothing needs it any more."""


RemovalReason = ToldToGo | InTheWay | Lost | Replaced | Unneeded


@value
class Level:
    """A measure and the least value it can have, given the levels before it."""

    measure: Measure
    cost: int


@value
class Change:
    """A name that comes in another version."""

    before: Candidate
    after: Candidate


@value
class Held:
    """A package that was asked to be updated and is not at its newest version afterwards: `installed`
    is what the solution has. `solver.why_held` says what would free it."""

    installed: Candidate
    newest: Candidate


@value
class Details:
    """What a package says of itself that matters to the caller alone; sizes in bytes."""

    scheme: Scheme
    arch: str
    size: int
    installed_size: int | None


@value
class Solution:
    """The best set of packages.

    `chosen` is the whole set, sorted; the three below it compare it with what was installed.
    `reasons` tells for each chosen key why it is there, the nearest to a wish first;
    `removal_reasons` why those went that did; `details` describes each. Not `proven`: the budget
    ended first, the levels hold what was reached.
    """

    chosen: tuple[Candidate, ...]
    installs: tuple[Candidate, ...]
    changes: tuple[Change, ...]
    removals: tuple[Candidate, ...]
    levels: tuple[Level, ...]
    proven: bool
    held: tuple[Held, ...] = ()
    reasons: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict, compare=False)
    removal_reasons: Mapping[str, tuple[RemovalReason, ...]] = field(default_factory=dict, compare=False)
    details: Mapping[str, Details] = field(default_factory=dict, compare=False)


class RepairKind(Enum):
    """What a repair does to the request."""

    DROP_WISH = "drop wish"
    OTHER_VERSION = "other version"
    UNPIN = "unpin"
    UNHOLD = "unhold"
    ALLOW = "allow"
    KEEP = "keep"
    UNSUBSCRIBE = "unsubscribe"


@value
class Step:
    """One change of a request. `asked` is the part of the request it is about, `subject` its name
    (of a package, a relation, a subscription)."""

    kind: RepairKind
    subject: str
    asked: Asked


@value
class Repair:
    """A change of the request that was tried and works: the steps, the request to ask instead, and
    the solution it leads to."""

    steps: tuple[Step, ...]
    request: Request
    solution: Solution


@value
class Conflict:
    """No solution. `rules` cannot all hold, but any of them can go and the others hold.

    `others` are further conflicts that share no rule of the request with it. `repairs` are filled
    in by `solver.with_repairs`, the best first.
    """

    rules: tuple[Rule, ...]
    others: tuple[tuple[Rule, ...], ...] = ()
    repairs: tuple[Repair, ...] = ()
