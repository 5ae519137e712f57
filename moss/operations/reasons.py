"""The solver's reasons as words for people."""

from typing import assert_never

from moss.in_force import InForce
from moss.subscription import Setting
from solver import InTheWay, Lost, RemovalReason, Replaced, ToldToGo, Unneeded


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


def describe_unwanted(subscription: str, found: InForce) -> str:
    """Why a package goes that a subscription wanted and nothing needs."""
    for one in found.standings:
        if one.name == subscription and one.switch is not None and one.setting is Setting.OFF:
            return f"the subscription {subscription} is off"
    return f"the subscription {subscription} no longer wants it"
