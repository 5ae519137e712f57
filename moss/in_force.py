"""Which subscriptions are in force: from what the model says, what they mean and what the machine is.

    switches + definitions + facts  ->  InForce: the solver's rules, the paths that are left out, and how
                                        each subscription stands, for the person

Facts and other subscriptions are worked out here, so that what is left of a condition is about packages
only. Where subscriptions hang on each other in a circle, none of these conditions holds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from moss.facts import Fact, is_about_facts
from moss.path_filter import Omission, PathFilter
from moss.subscription import VALUE, Definition, Setting, Switch, names_in, subscription_named
from solver.facts import Facts
from solver.model import All, AnyOf, Formula, If, Relation, Unless, relations_of
from solver.request import Subscription, SubscriptionRule
from solver.values import replace, value

ALWAYS = All(())
NEVER = AnyOf(())
_MOST_RELATIONS = 1000
"""In one condition, once the subscriptions that it names are put in place."""

Holds = Callable[[Formula], bool]
"""Whether packages that are chosen satisfy a condition."""


@value
class Standing:
    """How one subscription stands."""

    definition: Definition
    setting: Setting
    """What counts: the person's word, or the definition's default."""
    switch: Switch | None
    """What the person said; None: nothing."""
    condition: Formula
    """It is on while this holds, which is about packages only."""
    rules: tuple[SubscriptionRule, ...] = ()
    """Its rules with what is left of their conditions, without those whose conditions never hold."""

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def values(self) -> tuple[str, ...]:
        """Those that count."""
        return tuple(one for one in self._said if fits_shape(self.definition, one))

    @property
    def odd_values(self) -> tuple[str, ...]:
        """What the person said that its definition takes for no value: it does not count."""
        return tuple(one for one in self._said if not fits_shape(self.definition, one))

    @property
    def _said(self) -> tuple[str, ...]:
        return self.switch.values if self.switch is not None else ()


@value
class InForce:
    """What all subscriptions together ask for."""

    standings: tuple[Standing, ...] = ()
    """Of every definition, by name."""
    capabilities: tuple[Switch, ...] = ()
    """Subscriptions to a capability: somebody who provides it stays."""
    unknown: tuple[Switch, ...] = ()
    """What the person switched and nobody defines."""
    rules: tuple[Subscription, ...] = ()
    """Those that may bring packages, for the solver."""
    facts: tuple[Fact, ...] = ()
    """Those that this was worked out with."""
    circular: tuple[str, ...] = ()
    """Those whose conditions lead back to themselves."""
    too_large: tuple[str, ...] = ()
    """Those of which a condition, their own or a rule's, becomes too large with all that it names; it never holds."""

    def wants(self, name: str, wanted: str, holds: Holds) -> bool:
        """Whether the subscription of this name wants this, by a relation's text."""
        return any(
            all(map(holds, conditions)) and wanted in map(str, (*rule.require, *rule.want))
            for one in self.rules
            if one.name == name
            for rule, conditions in one.binding
        )

    def omissions(self, holds: Holds) -> PathFilter:
        """What a generation leaves out whose packages satisfy the conditions that hold."""
        found = (_omission(standing, holds) for standing in self.standings if standing.definition.paths)
        return tuple(one for one in found if one is not None)

    @property
    def recommends(self) -> bool:
        """Whether recommendations are followed: no subscription says otherwise that is on whatever is chosen."""
        return all(one.definition.recommends or one.condition != ALWAYS for one in self.standings)


NOTHING_IN_FORCE = InForce()


def asks_for_facts(definitions: Iterable[Definition]) -> bool:
    """Whether any condition is about the machine."""
    return any(
        is_about_facts(relation.name)
        for one in definitions
        for formula in (one.when, *(rule.condition for rule in one.rules))
        if formula is not None
        for relation in relations_of(formula)
    )


def in_force(switches: Iterable[Switch], definitions: Iterable[Definition], facts: Iterable[Fact]) -> InForce:
    """What the switches come to. Definitions have different names."""
    said = {switch.name: switch for switch in switches}
    known = {one.name: one for one in definitions}
    facts = tuple(facts)
    conditions = _Conditions(known, said, Facts(one.capability for one in facts))
    standings, rules = list[Standing](), list[Subscription]()
    for name in sorted(known):
        definition, switch = known[name], said.get(name)
        own = tuple(_resolved_rules(definition, conditions))
        standing = Standing(definition, _setting(definition, switch), switch, conditions.of(name), own)
        standings.append(standing)
        subscription = _for_solver(standing)
        if subscription is not None:
            rules.append(subscription)
    others = [switch for name, switch in said.items() if name not in known]
    capabilities = tuple(one for one in others if "(" in one.name)
    rules += [_keeping(one) for one in capabilities if one.setting is not Setting.OFF]
    unknown = tuple(one for one in others if "(" not in one.name)
    too_large = tuple(sorted(conditions.too_large))
    return InForce(tuple(standings), capabilities, unknown, tuple(rules), facts, conditions.circular, too_large)


def _setting(definition: Definition, switch: Switch | None) -> Setting:
    return definition.default if switch is None else switch.setting


def _resolved_rules(definition: Definition, conditions: "_Conditions") -> Iterator[SubscriptionRule]:
    for rule in definition.rules:
        condition = ALWAYS if rule.condition is None else conditions.resolved(rule.condition)
        if _is_larger(condition, _MOST_RELATIONS):
            conditions.too_large.add(definition.name)
        elif condition != NEVER:
            yield replace(rule, condition=None if condition == ALWAYS else condition)


def _for_solver(standing: Standing) -> Subscription | None:
    """Its rules, as far as they may bind. Packages may ask for one that is on whatever is chosen."""
    if standing.condition == NEVER:
        return None
    if standing.condition == ALWAYS:
        return Subscription(standing.name, standing.rules)
    return Subscription(standing.name, standing.rules, when=standing.condition) if standing.rules else None


def _keeping(switch: Switch) -> Subscription:
    return Subscription(switch.name, (SubscriptionRule(require=(Relation(switch.name),)),))


def _omission(standing: Standing, holds: Holds) -> Omission | None:
    definition = standing.definition
    shapes = definition.shapes or ("*",)
    if standing.setting is Setting.OFF or not holds(standing.condition):
        patterns = [_with(rule.pattern, shape) for rule in definition.paths for shape in shapes]
        return Omission(standing.name, tuple(dict.fromkeys(patterns)), definition.exceptions)
    if not standing.values:
        return None
    kept = [rule.pattern for rule in definition.paths if rule.keep]
    patterns = [_with(pattern, shape) for pattern in kept for shape in shapes]
    values = [_with(pattern, one) for pattern in kept for one in standing.values]
    if not patterns:
        return None
    staying = dict.fromkeys((*values, *definition.exceptions))
    return Omission(standing.name, tuple(dict.fromkeys(patterns)), tuple(staying))


def _with(pattern: str, text: str) -> str:
    return pattern.replace(VALUE, text)


def fits_shape(definition: Definition, text: str) -> bool:
    """Whether the text can be a value of this subscription."""
    plain = bool(text) and not set(text) & set("*?/{}") and text.isprintable() and text not in (".", "..")
    return plain and any(fnmatchcase(text, shape) for shape in definition.shapes or ())


def shapes_text(definition: Definition) -> str:
    """What values of a subscription look like, in a few words."""
    if definition.shapes is None:
        return "it takes no values"
    told = ", ".join(one for one in definition.shapes if one != "*")
    return f"values look like one of these: {told}" if told else "a value has none of * ? / { } in it"


class _Conditions:
    """Conditions with all that is known put in place: facts, and subscriptions by their own conditions."""

    def __init__(self, known: Mapping[str, Definition], said: Mapping[str, Switch], facts: Facts) -> None:
        self.known, self.said, self.facts = known, said, facts
        self.too_large = set[str]()
        self._found: dict[str, Formula] = {}
        self.circular = _in_circles(known)

    def of(self, name: str) -> Formula:
        """While what about packages this subscription is on."""
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._limited(name)
        return found

    def _limited(self, name: str) -> Formula:
        definition = self.known[name]
        if not self._hangs(name) or definition.when is None:
            return NEVER if _setting(definition, self.said.get(name)) is Setting.OFF else ALWAYS
        found = self.resolved(definition.when)
        if _is_larger(found, _MOST_RELATIONS):
            self.too_large.add(name)
            return NEVER
        return found

    def _hangs(self, name: str) -> bool:
        """Whether it is on by its condition."""
        definition = self.known[name]
        return definition.when is not None and _setting(definition, self.said.get(name)) is Setting.AUTO

    def resolved(self, formula: Formula) -> Formula:
        """What is left of a condition."""
        part = self.resolved

        match formula:
            case Relation():
                return self._relation(formula)
            case All(parts):
                return _joined(All, map(part, parts), NEVER, ALWAYS)
            case AnyOf(parts):
                return _joined(AnyOf, map(part, parts), ALWAYS, NEVER)
            case If(condition, then, otherwise):
                return _choice(If, part(condition), part(then), None if otherwise is None else part(otherwise))
            case Unless(condition, then, otherwise):
                return _choice(Unless, part(condition), part(then), None if otherwise is None else part(otherwise))

    def _relation(self, relation: Relation) -> Formula:
        name = subscription_named(relation)
        if name is not None:
            is_here = name in self.known and not (name in self.circular and self._hangs(name))
            return self.of(name) if is_here else NEVER
        if is_about_facts(relation.name):
            return ALWAYS if self.facts.has(relation) else NEVER
        return relation


def _in_circles(known: Mapping[str, Definition]) -> tuple[str, ...]:
    """The subscriptions whose conditions lead back to themselves."""
    named = {name: set(names_in(one.when)) & known.keys() for name, one in known.items()}
    named = {name: others for name, others in named.items() if others}

    def leads_back(name: str) -> bool:
        seen, todo = set[str](), list(named[name])
        while todo:
            other = todo.pop()
            if other == name:
                return True
            if other not in seen:
                seen.add(other)
                todo += named.get(other, ())
        return False

    return tuple(filter(leads_back, sorted(named)))


def _joined(
    make: Callable[[tuple[Formula, ...]], Formula], parts: Iterable[Formula], decides: Formula, empty: Formula
) -> Formula:
    """All or any of the parts, without those that change nothing."""
    found = [one for one in parts if one != empty]
    if decides in found:
        return decides
    return found[0] if len(found) == 1 else make(tuple(found))


def _choice(
    make: type[If] | type[Unless], condition: Formula, then: Formula, otherwise: Formula | None
) -> Formula:
    if condition in (ALWAYS, NEVER):
        takes_then = (condition == ALWAYS) is (make is If)
        return then if takes_then else ALWAYS if otherwise is None else otherwise
    if then == ALWAYS and otherwise in (None, ALWAYS):
        return ALWAYS
    return make(condition, then, otherwise)


def _is_larger(formula: Formula, most: int) -> bool:
    return any(number >= most for number, _ in enumerate(relations_of(formula)))
