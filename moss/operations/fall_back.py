"""Machines that come back by themselves: what failed to boot, and not doing it again."""

from moss.db import cuts, generations
from moss.db.boot import failed_generations
from moss.operations.system import System
from moss.plan import Plan
from moss.recover import fell_back
from moss.root import GenerationId


def same_as_failed(system: System, plan: Plan) -> GenerationId | None:
    """The newest generation that a plan would make again though it did not come up: the same packages, and the same
    of them; None where there is none."""
    wanted = {chosen.candidate_key for chosen in plan.chosen}
    for number in sorted(failed_generations(system.record), reverse=True):
        selected = generations.selection_of(system.record, number)
        same = bool(selected) and {one.candidate_key for one in selected} == wanted
        if same and cuts.omissions_of(system.record, number) == plan.omissions:
            return number
    return None


def told(system: System) -> str:
    """Who only looks, while the record does not follow yet: what the machine came back from, in a sentence."""
    from moss.boot.keeping import spent_generations

    live, was = system.booted, generations.active(system.record)
    assert live is not None and was is not None, "asked only where the machine runs another one"
    spent = spent_generations(system.root, system.record)
    if was in spent:
        return fell_back(was, spent[was], live)
    return f"the machine was booted into generation {live}; the next command that changes something follows"
