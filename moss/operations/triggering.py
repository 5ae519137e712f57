"""Triggers of the transaction's scope: run over the new tree before anything is switched.

    files       the triggers of the new tree, in their order
    due         those whose inputs are others than when the active generation was made; of the rest, what
                they wrote then is as good, and of some what they wrote in another system
    run         each in a sandbox over the tree, side by side where none waits for the other
    record      what they wrote: files in the store, rows like a package's, durable together
    change      the tree, by the difference that makes

So a generation is always described in full, and no trigger can write into the store. One that fails stops
the transaction.
"""

import os
from collections.abc import Iterator, Mapping, Sequence

from moss.db import cuts, generations, packages
from moss.db.paths import Holding
from moss.db.triggers import TriggerRun, made_in, record_runs, runs_of, with_changed
from moss.errors import TriggerFailed
from moss.generation import PackageId
from moss.layout import Entry, EntryKind
from moss.merge import LayoutCollision
from moss.operations.system import System
from moss.operations.trees import change_tree
from moss.operations.trigger_inputs import TriggerInputs, failed
from moss.operations.trigger_outcomes import Written, record_written
from moss.operations.trigger_places import Places
from moss.root import GenerationId
from moss.store import Store
from moss.triggers.capture import Captured
from moss.triggers.environment import inhibitor
from moss.triggers.files import triggers_in
from moss.triggers.running import Ended, Job, run_all
from moss.triggers.values import Scope, Trigger
from solver.values import replace


def run_triggers(
    system: System,
    base: GenerationId | None,
    number: GenerationId,
    chosen: Sequence[PackageId],
    store: Store,
    elsewhere: Mapping[str, Written],
) -> tuple[TriggerRun, ...]:
    """Run what is due over the staged generation's tree, which is of the packages `chosen`: what triggers wrote
    for `base` among them. `elsewhere`: what they wrote in another system, where it would be the same here.
    What became of each, by name. TriggerFailed, CorruptData for a broken file."""
    usr, ignored = os.path.join(system.root.spare, "usr"), system.ignored_triggers
    before = runs_of(system.record, base)
    triggers = triggers_in(usr, system.root.path, Scope.TRANSACTION, ignored)
    triggers_in(usr, system.root.path, Scope.SYSTEM, ignored)  # those run when it is too late to stop for a broken file
    if not triggers and not before:
        return ()
    made = made_in(system.record, chosen)
    real = [package for package in chosen if package not in made]
    look = _Look(system, base, number, real, triggers, before)
    kept = look.kept(ignored)
    runs = list(kept.values())
    taken = look.taken(kept, elsewhere)
    if taken:
        runs += record_written(system, number, taken, _made_by(runs), store)
    staying = _made_by(runs)
    change_tree(system, number, chosen, [*real, *staying], store)
    there = {run.name for run in runs}
    due = [one for one in triggers if one.name not in there]
    written = _run(system, look, due) if due else []
    runs += record_written(system, number, written, staying, store)
    record_runs(system.record, number, runs)
    all_of_it = [*real, *_made_by(runs)]
    try:
        change_tree(system, number, [*real, *staying], all_of_it, store)
    except LayoutCollision as fault:
        raise TriggerFailed(
            f"triggers wrote what cannot be in one generation: {fault.message}",
            because=fault.because,
            remedies=["say in one trigger's file that it runs after the other", "moss … --ignore-trigger NAME"],
        ) from fault
    return tuple(with_changed(system.record, number, sorted(runs, key=lambda run: run.name)))


def _made_by(runs: Sequence[TriggerRun]) -> list[PackageId]:
    return [run.package for run in runs if run.package is not None]


class _Look(TriggerInputs):
    """The triggers of a generation, and which of them need not run."""

    def __init__(
        self,
        system: System,
        base: GenerationId | None,
        number: GenerationId,
        real: Sequence[PackageId],
        triggers: Sequence[Trigger],
        before: Mapping[str, TriggerRun],
    ) -> None:
        held = Holding(real, cuts.filter_of(system.record, number))
        super().__init__(system.record, os.path.join(system.root.spare, "usr"), held, triggers)
        self._root, self._before, self._reporter = system.root.path, before, system.reporter
        old = set(generations.package_ids_of(system.record, base))
        old -= set(made_in(system.record, old))
        self._changed = [entry for _, entry in packages.entries_of(system.record, sorted(old ^ set(real)))]
        self._other_filter = cuts.filter_of(system.record, base) != held.path_filter
        self._changed_paths = {entry.path for entry in self._changed}

    def kept(self, ignored: frozenset[str]) -> dict[str, TriggerRun]:
        """The triggers that need not run, each with what became of it."""
        kept: dict[str, TriggerRun] = {}
        for name in ignored:
            old = self._before.get(name)
            package = old.package if old is not None and not self._other_filter else None
            self._keep(kept, TriggerRun(name, "", "ignored", package=package))
        left = [name for name in self.triggers if name not in kept]
        while left:
            ready = [name for name in left if not self.waiting[name] & set(left)]
            for name in ready:
                left.remove(name)
                run = self._kept(name, kept)
                if run is not None:
                    self._keep(kept, run)
        return kept

    def taken(self, kept: Mapping[str, TriggerRun], elsewhere: Mapping[str, Written]) -> list[Written]:
        """What was written elsewhere where all that it depends on is the same: what the trigger finds, and what became
        of those that it waits for."""
        outcomes = {name: one.run.outcome for name, one in elsewhere.items()}
        as_there = {name for name, run in kept.items() if outcomes.get(name) == run.outcome}
        found: list[Written] = []
        for name in sorted(self.triggers.keys() & elsewhere.keys() - kept.keys(), key=self.place):
            known = elsewhere[name]
            if self.waiting[name] <= as_there and known.run.inputs == self.inputs(name, self.commands(name)):
                as_there.add(name)
                self.made[name] = known.captured.layout
                found.append(replace(known, wins_over=tuple(self.waiting[name])))
        return found

    def _keep(self, kept: dict[str, TriggerRun], run: TriggerRun) -> None:
        kept[run.name] = run
        if run.package is not None:
            self.made[run.name] = packages.layout_of(self.record, run.package)

    def _kept(self, name: str, kept: Mapping[str, TriggerRun]) -> TriggerRun | None:
        trigger, old = self.triggers[name], self._before.get(name)
        reason = inhibitor(trigger.inhibitors, self._root, self.usr)
        if reason is not None:
            return TriggerRun(name, "", "inhibited", reason)
        program = self._missing_program(trigger)
        if program is not None:
            return TriggerRun(name, "", "inhibited", f"no package of this generation has {program}")
        if old is None or old.outcome != "done" or not self.waiting[name] <= kept.keys():
            return None
        if self._other_filter and old.package is not None:
            return None
        if old.package is not None and self._meets(packages.layout_of(self.record, old.package)):
            return None
        if not self._is_touched(trigger) and self.says_the_same(name, old.inputs):
            return replace(old, reused=True)
        return replace(old, reused=True) if self.inputs(name, self.commands(name)) == old.inputs else None

    def _meets(self, made: Sequence[Entry]) -> bool:
        """Whether packages have something else now where a trigger changed what they had: it was made of that."""
        paths = self._changed_paths
        if not paths.isdisjoint(entry.path for entry in made):
            return True
        leaves = {entry.path for entry in made if entry.kind is not EntryKind.DIRECTORY}
        return any(above in leaves for path in paths for above in _above(path))

    def _missing_program(self, trigger: Trigger) -> str | None:
        """A program that no package brings: told where there would be work for it. None: all is there that is called
        for."""
        program = self.missing_program(trigger.called)
        if program is None or not (commands := self.commands(trigger.name)):
            return program
        program = self.missing_program(one.handler for one in commands)
        if program is not None:
            reason = f"no package of this generation has {program}"
            self._reporter.warning(f"the trigger {trigger.name} has not run: {reason}")
        return program

    def _is_touched(self, trigger: Trigger) -> bool:
        """Whether anything that it may be about has come, gone or changed."""
        if self._other_filter or self._changed_paths.intersection(self.programs(trigger)):
            return True
        matcher = self.matchers[trigger.name]
        return any(matcher.is_about(entry) or matcher.may_delete(entry) for entry in self._changed)


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _run(system: System, look: _Look, due: Sequence[Trigger]) -> list[Written]:
    """Run these; nothing of it is in the tree, the store or the record yet, and nothing is left lying about."""
    written: dict[str, Written] = {}
    inputs: dict[str, str] = {}
    names = [one.name for one in due]
    places = Places(system)

    def prepare(name: str) -> Job | None:
        before = [other for other in reversed(written) if other in look.waiting[name]]
        commands = look.commands(name)
        inputs[name] = look.inputs(name, commands)
        if not commands:
            written[name] = Written(TriggerRun(name, inputs[name], "done"), Captured((), (), ()), ())
            return None
        if not places.are_prepared:
            places.prepare()
            left = len(due) - len(written)
            system.reporter.stage("running one trigger" if left == 1 else f"running {left} triggers")
        return places.job(name, tuple(one.handler for one in commands), before)

    def ended(end: Ended) -> None:
        if end.failure is not None:
            raise failed(look.triggers[end.name], end)
        captured = places.captured(end.name)
        look.made[end.name] = captured.layout
        isolation = places.isolation.value
        run = TriggerRun(end.name, inputs[end.name], "done", end.output, end.seconds, isolation=isolation)
        written[end.name] = Written(run, captured, tuple(look.waiting[end.name]))
        system.reporter.progress(len(written), len(due), "triggers")

    try:
        waits = {name: look.waiting[name] & frozenset(names) for name in names}
        run_all(names, waits, prepare, ended, lambda: places.side_by_side)
    except BaseException:  # also Ctrl-C: what runs was ended, and what it wrote goes
        places.clear()
        raise
    return list(written.values())
