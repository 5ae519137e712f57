"""The solver's reasons as words for people."""

from collections.abc import Callable, Iterable, Iterator
from typing import assert_never

from moss.facts import FactKind, is_about_facts
from moss.in_force import InForce, Standing
from moss.subscription import Setting, subscription_named
from solver import AnyOf, Formula, InTheWay, Lost, Relation, RemovalReason, Replaced, ToldToGo, Unneeded
from solver.model import All

_WORDS = {
    FactKind.ARCH.value: "the architecture",
    FactKind.CPU.value: "the processor's",
    FactKind.VIRT.value: "the virtual machine",
    FactKind.LOCALE.value: "the language",
    FactKind.MODALIAS.value: "the device",
    FactKind.KERNEL.value: "the kernel",
}


def describe_removal(reason: RemovalReason) -> str:
    """Why a package goes, in a few words."""
    match reason:
        case ToldToGo():
            return "you asked for its removal"
        case InTheWay(of, relation):
            return f"{of} conflicts with {relation}"
        case Lost(formula):
            return f"nothing provides {formula} any more"
        case Replaced(by):
            return f"{by} takes its place"
        case Unneeded():
            return "nothing needs it any more"
        case _:
            assert_never(reason)


def describe_unwanted(subscription: str, wanted: str, found: InForce, is_gone: Callable[[Relation], bool]) -> str:
    """Why a package goes that a subscription wanted, by a relation's text, and nothing needs: what `is_gone` of all
    that the subscription hangs on."""
    standing = next((one for one in found.standings if one.name == subscription), None)
    if standing is None and "(" in subscription:
        return f"you unsubscribed {subscription}"
    if standing is None:
        return f"the subscription {subscription} is defined by nobody any more"
    if standing.switch is not None and standing.setting is Setting.OFF:
        return f"the subscription {subscription} is off"
    gone = describe_gone(_asked_for(standing, wanted, found), is_gone)
    return f"the subscription {subscription} no longer wants it" + (f": {gone}" if gone else "")


def describe_gone(asked: Iterable[Relation], is_gone: Callable[[Relation], bool]) -> str:
    """What of all that is asked for is gone, in a few words; empty where nothing is."""
    told = [_named(one) for one in dict.fromkeys(asked) if is_gone(one)]
    return f"{' and '.join(told)} {'is' if len(told) == 1 else 'are'} gone" if told else ""


def asked_in(formula: Formula) -> Iterator[Relation]:
    """What a condition asks to be there; what it asks not to be there is left out."""
    match formula:
        case Relation():
            yield formula
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from asked_in(part)
        case _:
            return


def _asked_for(standing: Standing, wanted: str, found: InForce) -> Iterator[Relation]:
    """All that a subscription hangs on for something that it wants, itself and through others."""
    conditions = [
        rule.condition
        for rule in standing.definition.rules
        if rule.condition is not None and wanted in map(str, (*rule.require, *rule.want))
    ]
    if standing.setting is Setting.AUTO and standing.definition.when is not None:
        conditions.append(standing.definition.when)
    todo, seen = conditions, {standing.name}
    while todo:
        for relation in asked_in(todo.pop()):
            name = subscription_named(relation)
            if name is None:
                yield relation
            elif name not in seen:
                seen.add(name)
                todo += [one.definition.when for one in found.standings if one.name == name and one.definition.when]


def _named(relation: Relation) -> str:
    if not is_about_facts(relation.name):
        return str(relation)
    return f"{_WORDS[relation.name.partition('(')[0]]} {relation}"
