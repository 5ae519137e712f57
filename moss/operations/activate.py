"""Activate: make an archived generation the live one again. Rollback is this with the previous one."""

import time

from moss.db import generations
from moss.effects import as_moss_error
from moss.errors import NotFound
from moss.generation import Generation, Status
from moss.left_behind import left_behind
from moss.operations.interruption import uninterrupted
from moss.operations.menu import check_menu
from moss.operations.previous import is_archived, previous_generation
from moss.operations.stated import file_of_activation
from moss.operations.system import System
from moss.operations.transaction import Outcome, due_on_system, under_way
from moss.plan import Difference, as_chosen, difference
from moss.recover import finish
from moss.root import GenerationId
from moss.switch import check_switchable, exchange
from solver.values import value


@value
class Activation:
    """What activating a generation would change, seen from the active one."""

    operation: str
    base: GenerationId
    target: Generation
    difference: Difference


def propose_rollback(system: System) -> Activation:
    """Back to the generation that was active before the active one became so; NotFound without one."""
    base = _active(system)
    previous = previous_generation(system)
    if previous is None:
        raise NotFound(
            f"there is no generation to go back to from generation {base}",
            remedies=["moss state list", "moss state activate N"],
        )
    return _propose(system, base, previous, "rollback")


def propose_activation(system: System, target: GenerationId) -> Activation:
    """NotFound when there is no such generation, or its tree was given up."""
    return _propose(system, _active(system), target, "activate")


def activate(system: System, activation: Activation) -> Outcome:
    """Switch now. What it costs does not depend on the size of the generations."""
    started = time.monotonic()
    target = activation.target.id
    if target == activation.base:
        return Outcome(target, activation.base, 0.0)
    with as_moss_error(f"activate generation {target}"):
        check_switchable(system.root, activation.base)
        check_menu(system, target)
        model = file_of_activation(system, target)
        with (
            under_way(system, activation.operation, activation.base, complete=target, model=model) as entry,
            uninterrupted(),
        ):
            due = due_on_system(system, system.root.archived_usr(target))
            exchange(system.root, system.root.archive(target), system.effects)
            warnings = finish(system.root, system.record, system.effects, entry, system.clock())
    behind = left_behind(system.root.archived_usr(activation.base))
    return Outcome(target, activation.base, time.monotonic() - started, warnings, behind, due=due)


def _propose(system: System, base: GenerationId, target: GenerationId, operation: str) -> Activation:
    generation = generations.generation(system.record, target)
    known = ", ".join(str(one.id) for one in generations.generations(system.record) if _is_there(system, one))
    if generation is None or not _is_there(system, generation):
        raise NotFound(
            f"there is no generation {target} to activate",
            because=[f"these are there: {known}" if known else "there is none yet"],
            remedies=["moss state list"],
        )
    before = generations.selection_of(system.record, base)
    after = generations.selection_of(system.record, target)
    return Activation(operation, base, generation, difference(before, map(as_chosen, after)))


def _active(system: System) -> GenerationId:
    active = system.active
    if active is None:
        raise NotFound(f"{system.root.path} has no generation yet", remedies=["moss install PACKAGE"])
    return active


def _is_there(system: System, generation: Generation) -> bool:
    return generation.id == system.active or (
        generation.status is Status.COMPLETE and is_archived(system, generation.id)
    )
