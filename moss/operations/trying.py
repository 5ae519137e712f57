"""Try: run a command in the generation that a plan would make, before any switch; nothing of it stays.

    make      the generation, as a commit would, triggers included
    run       the command, in a copy of the system that has it as /usr
    look      at what the command wrote
    undo      as a change is undone that was interrupted before its switch
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from moss.db import journal
from moss.effects import as_moss_error
from moss.errors import NotFound, TriggerFailed
from moss.local.skeleton import propose_skeleton
from moss.operations.commit import make_staged
from moss.operations.system import System
from moss.operations.transaction import under_way
from moss.operations.trigger_places import Places
from moss.plan import Plan
from moss.recover import undo
from moss.store import Store
from moss.switch import check_switchable
from moss.triggers.private_copy import PrivateCopy
from moss.triggers.trial import COPIED, Trial, Tried, outcome, parts_of, try_out
from moss.triggers.values import Isolation

_SAID = "the command runs over private copies of /usr and /etc, and can only read the rest of the system"


def try_plan(
    system: System, plan: Plan, command: Sequence[str], environment: Mapping[str, str], begins: Callable[[], None]
) -> Tried:
    """What came of the command, before which `begins` is called. The system is as before, whatever came of it;
    MossError where the generation cannot be made."""
    with as_moss_error(f"try generation {plan.result}"), ExitStack() as open_files:
        check_switchable(system.root, plan.base)
        propose_skeleton(system.root.path, system.root.usr)
        with under_way(system, "try", plan.base) as entry:
            with Store(system.root.store, system.effects) as store:
                make_staged(system, plan, entry, (), store, open_files)
            try:
                return _try(system, os.path.join(system.root.spare, "usr"), command, environment, begins)
            finally:
                current = journal.under_way(system.record)
                assert current is not None and current.id == entry.id
                undo(system.root, system.record, system.effects, current, system.clock(), system.reporter)


def try_active(
    system: System, command: Sequence[str], environment: Mapping[str, str], begins: Callable[[], None]
) -> Tried:
    """The same with the system as it is. NotFound when there is no generation yet."""
    if system.active is None:
        raise NotFound(f"{system.root.path} has no generation yet", remedies=["moss try install PACKAGE -- COMMAND"])
    with as_moss_error("try the active generation"):
        return _try(system, system.root.usr, command, environment, begins)


def _try(
    system: System, tree: str, command: Sequence[str], environment: Mapping[str, str], begins: Callable[[], None]
) -> Tried:
    base, scratch = system.root.state_directory, system.root.triggers
    system.effects.remove_tree(scratch)
    system.effects.mkdir(scratch, 0o700)
    try:
        copies = _copies(system, tree)
        trial = Trial(
            system.root.path, base, os.path.relpath(tree, base), os.path.relpath(scratch, base),
            system.root.is_host, copies,
        )  # fmt: skip
        for part in parts_of(trial):
            system.effects.mkdir(os.path.join(scratch, part), 0o755)
        begins()
        exit_code = try_out(trial, command, environment)
        for name, copy in copies.items():
            copy.end(os.path.join(scratch, f"{name}.upper"))
        return outcome(trial, exit_code)
    finally:
        system.effects.remove_tree(scratch)


def _copies(system: System, tree: str) -> dict[str, PrivateCopy]:
    """What the command may write to where there is no overlay, by the directory's name; nothing where there is one.
    TriggerFailed where neither can be had."""
    isolation, failures = Places(system, tree).best_of((Isolation.OVERLAY, Isolation.COPY))
    if isolation is Isolation.OVERLAY:
        return {}
    if isolation is None:
        raise TriggerFailed(
            "a command cannot be tried on this machine: there is nothing to keep it from the rest of the system",
            because=failures,
            remedies=[
                *(["let moss choose: without --isolation"] if system.isolation is not None else []),
                "run moss where it may make namespaces, or as root",
                "moss install …, then moss rollback",
            ],
        )
    if system.isolation is None:
        system.reporter.warning("; ".join((_SAID, *failures)))
    system.reporter.stage("copying /usr and /etc")
    copies = {}
    for name in COPIED:
        source = tree if name == "usr" else system.root.below(name)
        if os.path.isdir(source):
            copies[name] = PrivateCopy(source, os.path.join(system.root.triggers, name))
            copies[name].begin(())
    return copies
