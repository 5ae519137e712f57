"""The solver's reasons as words for people."""

from typing import assert_never

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
