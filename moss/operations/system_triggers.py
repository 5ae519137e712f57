"""Triggers of the system's scope: run on the system itself once /usr is switched and the answer is given.

What they do lies outside /usr (a loader's cache, accounts, a service that must look again), so it belongs to
no generation, and a failure stops nothing: it is told, and the trigger is due again with the next change. They
run where what they are about is other than when they ran last, whichever way the system came there.
"""

import os
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from moss.db import cuts, generations
from moss.db.paths import Holding
from moss.db.triggers import TriggerRun, record_system_runs, system_runs
from moss.errors import MossError
from moss.operations.system import System
from moss.operations.trigger_inputs import TriggerInputs, failed
from moss.root import GenerationId
from moss.triggers import from_kdl, from_yaml
from moss.triggers.environment import inhibitor
from moss.triggers.files import triggers_in
from moss.triggers.running import Ended, Job, run_all
from moss.triggers.sandbox import enter_root
from moss.triggers.values import Scope

TIMEOUT_SECONDS = 600.0
"""For all commands of one trigger."""

LOADED = (from_yaml, from_kdl)
"""What reads a trigger file, loaded with this: /usr may be another one by then."""


def run_system_triggers(system: System) -> tuple[str, ...]:
    """Run what is due; what the person should know of it. Raises nothing for what a trigger does."""
    assert system.active is not None
    before = system_runs(system.record)
    try:
        ran = _run(system, system.root.path, system.active, before)
    except MossError as fault:  # a file that cannot be read, or a disk that fails: the change itself is done
        return ("; ".join((f"triggers did not run: {fault.message}", *fault.remedies)),)
    if ran.runs or before.keys() - ran.names:
        record_system_runs(system.record, ran.runs.values(), ran.names, system.clock())
        system.effects.commit_point("system triggers recorded")
    return ran.warnings


def run_in_root(system: System, root: str, number: GenerationId) -> tuple[str, ...]:
    """Run all of them in another root that was just made of a generation; what the person should know of it."""
    return _run(system, root, number, {}).warnings


class _Ran(NamedTuple):
    runs: dict[str, TriggerRun]
    """Of those that ran or were kept from it, by name."""
    names: list[str]
    """Of all there are."""
    warnings: tuple[str, ...]


def _run(system: System, root: str, number: GenerationId, before: Mapping[str, TriggerRun]) -> _Ran:
    usr = os.path.join(root, "usr")
    triggers = triggers_in(usr, system.root.path, Scope.SYSTEM, system.ignored_triggers)
    chosen = Holding(generations.package_ids_of(system.record, number), cuts.filter_of(system.record, number))
    look = TriggerInputs(system.record, usr, chosen, triggers)
    runs, warnings = dict[str, TriggerRun](), list[str]()
    inputs: dict[str, str] = {}

    def prepare(name: str) -> Job | None:
        reason = inhibitor(look.triggers[name].inhibitors, root, usr)
        if reason is not None:
            runs[name] = TriggerRun(name, "", "inhibited", reason)
            return None
        old, commands = before.get(name), look.commands(name)
        inputs[name] = look.inputs(name, commands)
        if old is not None and old.outcome == "done" and old.inputs == inputs[name]:
            return None
        if not commands:
            runs[name] = TriggerRun(name, inputs[name], "done")
            return None
        if root != "/" and os.geteuid() != 0:
            runs[name] = TriggerRun(name, "", "ignored", "only root can run programs in another root")
            return None
        system.reporter.stage(f"running the trigger {name}")
        handlers = tuple(one.handler for one in commands)
        return Job(name, handlers, partial(enter_root, root), TIMEOUT_SECONDS)

    def ended(end: Ended) -> None:
        outcome = "done" if end.failure is None else "failed"
        runs[end.name] = TriggerRun(end.name, inputs[end.name], outcome, end.output, end.seconds)
        if end.failure is not None:
            fault = failed(look.triggers[end.name], end)
            warnings.append("; ".join((fault.message, *fault.because)))

    names = list(look.triggers)
    run_all(names, look.waiting, prepare, ended, len(os.sched_getaffinity(0)))
    return _Ran(runs, names, tuple(warnings))
