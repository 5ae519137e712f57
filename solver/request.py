"""What is asked of the solver: wishes, what must not be, facts, subscriptions."""

from collections.abc import Iterator

from solver.model import Formula, Relation
from solver.values import value


@value
class Wish:
    """Something that must be installed.

    `reason` is shown to people ("you asked for it"); `origin` is the caller's own. `repository`
    limits who may grant it to the packages of one repository.
    """

    formula: Formula
    reason: str = ""
    origin: str = ""
    repository: str | None = None


@value
class Removal:
    """No package that provides the relation may be left."""

    relation: Relation
    reason: str = ""


@value
class Pin:
    """Of the packages with the relation's name, only those that match may be installed.

    With `repository`, only those of that repository.
    """

    relation: Relation
    reason: str = ""
    repository: str | None = None


@value
class Hold:
    """The installed package of this name stays exactly as it is."""

    name: str
    reason: str = ""


@value
class Forbid:
    """No package matching the relation may be installed anew; one installed already may stay."""

    relation: Relation
    reason: str = ""


@value
class SubscriptionRule:
    """Where the subscription is on and `condition` holds (None: always): what must be there, what
    is only wanted, and which provider is preferred where there is a choice."""

    condition: Formula | None = None
    require: tuple[Relation, ...] = ()
    want: tuple[Relation, ...] = ()
    prefer: tuple[Relation, ...] = ()


@value
class Subscription:
    """A named switch with its rules, which bind while `when` holds (None: always).

    One that is on whatever is chosen is a fact, `subscription(NAME)`, which conditions and packages
    may name; one that hangs on packages is not.
    """

    name: str
    rules: tuple[SubscriptionRule, ...] = ()
    on: bool = True
    reason: str = ""
    when: Formula | None = None

    @property
    def is_fact(self) -> bool:
        return self.on and self.when is None

    @property
    def binding(self) -> Iterator[tuple[SubscriptionRule, tuple[Formula, ...]]]:
        """The rules that may bind, each with the conditions that must all hold for it."""
        for rule in self.rules if self.on else ():
            yield rule, tuple(one for one in (self.when, rule.condition) if one is not None)


@value
class Request:
    """All that is asked at once.

    `updates` names the packages to bring to their newest version, `update_all` all of them.
    `keeps` are wishes about what is there already, told apart in explanations. `facts` are
    capabilities of the machine; a relation may match them with `*` and `?`. Without `recommends`
    what packages recommend, and what supplements them, is no reason to be there.
    """

    wishes: tuple[Wish, ...] = ()
    removals: tuple[Removal, ...] = ()
    updates: tuple[str, ...] = ()
    update_all: bool = False
    keeps: tuple[Wish, ...] = ()
    pins: tuple[Pin, ...] = ()
    holds: tuple[Hold, ...] = ()
    forbids: tuple[Forbid, ...] = ()
    facts: tuple[str, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    recommends: bool = True

    @property
    def known(self) -> Iterator[str]:
        """What holds whatever is chosen: the facts, and the subscriptions that are facts."""
        yield from self.facts
        yield from (f"subscription({one.name})" for one in self.subscriptions if one.is_fact)

    def formulas(self) -> Iterator[Formula]:
        """Every formula of wishes and keeps."""
        for wish in (*self.wishes, *self.keeps):
            yield wish.formula
