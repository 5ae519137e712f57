"""Commit: from a plan to the next generation, or to nothing at all.

    fetch     stones verified
    stage     packages and generation on record, new files in the store, durable together;
              collisions and missing space end it here
    make      the tree, out of a spare one by difference or in full; triggers over it; durable; then its boot entry
    switch    the tree and /usr change places: the commit point
    finish    the old tree archived, /etc and /var follow, the record says so

Whatever goes wrong before the switch leaves the old generation and no trace; after it, the rest is
done, now or by the next command (`moss.recover`).
"""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from moss.arriving import expect, have_arrived
from moss.db import cuts, generations, journal, model_file
from moss.db.packages import known_row
from moss.db.repositories import repositories
from moss.db.triggers import carried_over, has_runs
from moss.digest import PackageDigest
from moss.effects import as_moss_error
from moss.errors import NotFound
from moss.generation import JournalEntry, PackageId, Reason
from moss.left_behind import left_behind
from moss.local.skeleton import apply_skeleton, propose_skeleton
from moss.model_file import check_writable
from moss.operations.at_boot import leave_made_to_boot, refuse_first
from moss.operations.facts import facts_of
from moss.operations.filtering import broken_links
from moss.operations.interruption import uninterrupted
from moss.operations.menu import add_to_menu, check_menu
from moss.operations.refetching import refetched
from moss.operations.space import check_space
from moss.operations.stated import next_file
from moss.operations.stones import fetch_stones
from moss.operations.system import System
from moss.operations.transaction import Outcome, due_on_system, has_triggers, ready_to_switch, under_way
from moss.operations.trees import NextTree, complete_tree, make_tree, plan_tree
from moss.plan import Chosen, Plan
from moss.recover import finish
from moss.repository import BUNDLE_PREFIX
from moss.store import Store
from moss.switch import check_switchable, exchange
from moss.unpack import Fetched, record_fetched, unpack
from solver.values import replace

if TYPE_CHECKING:
    from moss.bundle.arrival import Arrival
    from moss.db.triggers import TriggerRun
    from moss.operations.trigger_outcomes import Written

OWNERS_NOT_APPLIED = "you are not root: the owners of files are recorded, and every file is yours"
"""Said with the first generation of a root."""


def commit(
    system: System,
    plan: Plan,
    arrivals: "Sequence[Arrival]" = (),
    *,
    at_boot: bool = False,
    triggered_elsewhere: "Mapping[str, Written] | None" = None,
) -> Outcome:
    """Carry out a plan. Raises MossError with the system unchanged, or returns when it is done for good.

    `arrivals` bring packages from bundles that are open already. `at_boot`: the switch is left to the
    next boot, see `moss.operations.at_boot`. `triggered_elsewhere`: what triggers wrote in another system of the
    same packages, by name, which is as good here where all that it depends on is the same.
    """
    started = time.monotonic()
    with as_moss_error(f"make generation {plan.result}"), ExitStack() as open_files:
        check_switchable(system.root, plan.base)
        check_writable(system.root)
        if at_boot:
            refuse_first(plan.base)
        propose_skeleton(system.root.path, system.root.usr)
        with under_way(system, plan.operation, plan.base) as entry:
            store = open_files.enter_context(Store(system.root.store, system.effects))
            triggered = make_staged(system, plan, entry, arrivals, store, open_files, triggered_elsewhere)
            sealed = complete_tree(system, store)
            _make_skeleton(system)
            add_to_menu(system, plan.result)
            if at_boot:
                warnings = leave_made_to_boot(system, entry, plan.result, sealed)
                return Outcome(
                    plan.result, plan.base, time.monotonic() - started, warnings, at_boot=True, triggers=triggered
                )
            entry = ready_to_switch(system, entry, plan.result, sealed)
            due = due_on_system(system, os.path.join(system.root.spare, "usr"))
            with uninterrupted():
                exchange(system.root, system.root.spare, system.effects)
                warnings = finish(system.root, system.record, system.effects, entry, system.clock())
    if plan.base is None and not system.effects.apply_owners:
        warnings = (*warnings, OWNERS_NOT_APPLIED)
    behind = () if plan.base is None else left_behind(system.root.archived_usr(plan.base))
    return Outcome(plan.result, plan.base, time.monotonic() - started, warnings, behind, triggers=triggered, due=due)


def make_staged(
    system: System,
    plan: Plan,
    entry: JournalEntry,
    arrivals: "Sequence[Arrival]",
    store: Store,
    open_files: ExitStack,
    triggered_elsewhere: "Mapping[str, Written] | None" = None,
) -> "tuple[TriggerRun, ...]":
    """Make the generation, in the spare's place: all of its tree, durable only after the caller's `syncfs`."""
    missing = _missing(system, plan, arrivals)
    arrivals = (*arrivals, *_arriving(system, missing, open_files))
    brought = frozenset(digest for arrival in arrivals for digest in arrival.wanted)
    fetched = fetch_stones(system, [one for one in missing if _digest(one) not in brought], open_files)
    tree, chosen = _stage(system, plan, entry, fetched, arrivals, store)
    make_tree(system, plan.result, tree, store)
    return _trigger(system, plan, chosen, store, triggered_elsewhere or {})


def _missing(system: System, plan: Plan, arrivals: "Sequence[Arrival]") -> list[Chosen]:
    """The packages whose stones are needed, and that the bundles at hand do not bring: each with who offers it."""
    brought = frozenset(digest for arrival in arrivals for digest in arrival.wanted)
    unknown = [
        one for one in plan.chosen if _digest(one) not in brought and known_row(system.record, one) is None
    ]
    if any(arrival.is_whole for arrival in arrivals):  # it brings what its generation has, and says what it lacks
        return unknown
    again = refetched(system, plan.chosen, plan.omissions)
    return [*unknown, *(replace(one.package, candidate=one.candidate) for one in again)]


def _digest(chosen: Chosen) -> PackageDigest | None:
    return None if chosen.candidate is None else chosen.candidate.digest


def _arriving(system: System, missing: Sequence[Chosen], open_files: ExitStack) -> "list[Arrival]":
    """What is missing and comes from repositories that are bundles."""
    bundles = {one.name: one for one in repositories(system.record) if one.uri.startswith(BUNDLE_PREFIX)}
    wanted: dict[str, list[PackageDigest]] = {}
    for one in missing:
        if one.candidate is not None and one.candidate.repository in bundles:
            wanted.setdefault(one.candidate.repository, []).append(one.candidate.digest)
    if not wanted:
        return []
    from moss.operations.bundled import arrivals_of  # only where a bundle is read

    return arrivals_of(system, [(bundles[name], digests) for name, digests in wanted.items()], open_files)


def _stage(
    system: System,
    plan: Plan,
    entry: JournalEntry,
    fetched: list[Fetched],
    arrivals: "Sequence[Arrival]",
    store: Store,
) -> tuple[NextTree, list[PackageId]]:
    """Put packages, layouts and the staged generation on record, and new files into the store.

    The files are durable before the transaction is committed: a row means that a file is there.
    Collisions and missing space are found before the first file is written.
    """
    model = next_file(system, plan)
    with system.record.transaction():
        known = {known_row(system.record, one) for one in plan.chosen}
        incoming = record_fetched(fetched, system.record)
        rows = {one.fetched.chosen.candidate_key: one.package for one in incoming}
        for arrival in arrivals:
            rows |= arrival.record(system.record)
        packages_of_it = [_row(system, chosen, rows) for chosen in plan.chosen]
        # Under another filter what triggers wrote may lack files that nobody can fetch: they run again.
        same_filter = cuts.omissions_of(system.record, plan.base) == plan.omissions
        carried = carried_over(system.record, plan.base) if same_filter else []
        generations.record_staged(
            system.record,
            plan.result,
            created_at=system.clock(),
            parent=plan.base,
            command=system.command,
            model=plan.model,
            selections=[
                *((package, chosen.reason) for package, chosen in zip(packages_of_it, plan.chosen, strict=True)),
                *((package, Reason()) for package in carried),
            ],
            facts=facts_of(system),
            path_filter=plan.omissions,
            model_text=model.next,
        )
        model_file.record(system.record, model)
        journal.set_target(system.record, entry.id, plan.result)
        tree = plan_tree(system, plan, [*packages_of_it, *carried])
        check_space(system.root.state_directory, system.root.store, system.record, incoming, tree, arrivals)
        check_menu(system, system.active, plan.result)
        for link in broken_links(system, plan, [one for one in packages_of_it if one not in known]):
            system.reporter.warning(str(link))
        expect(system.root, system.record, system.effects)
        count = len(fetched) + sum(len(arrival.wanted) for arrival in arrivals)
        if count:
            system.reporter.stage(f"unpacking {count} packages")
        unpack(incoming, cuts.filter_of(system.record, plan.result), store, system.record, system.reporter)
        for arrival in arrivals:
            arrival.unpack(system.record, store, system.reporter)
        _refuse_lacking(system)
        system.effects.syncfs(store.fd)
    system.effects.commit_point("generation staged")
    have_arrived(system.root, system.effects)
    return tree, [*packages_of_it, *carried]


def _refuse_lacking(system: System) -> None:
    """NotFound where files did not come: a bundle that is a repository has not what its generation leaves out."""
    labels = cuts.still_lacking(system.record)
    if labels:
        raise NotFound(
            "some files are not here and did not come with what was fetched",
            because=[f"they are of {', '.join(labels[:12])}{' and more' if len(labels) > 12 else ''}"],
            remedies=["install them from another repository", "leave out what the bundle's generation leaves out"],
        )


def _trigger(
    system: System, plan: Plan, chosen: Sequence[PackageId], store: Store, elsewhere: "Mapping[str, Written]"
) -> "tuple[TriggerRun, ...]":
    """Run what is due over the tree; nothing of it is loaded where there are no triggers and never were."""
    spare_usr = os.path.join(system.root.spare, "usr")
    if not has_triggers(system, spare_usr, "tx") and not has_runs(system.record, plan.base):
        return ()
    from moss.operations.triggering import run_triggers

    return run_triggers(system, plan.base, plan.result, chosen, store, elsewhere)


def _row(system: System, chosen: Chosen, rows: dict[str, PackageId]) -> PackageId:
    row = rows.get(chosen.candidate_key) or known_row(system.record, chosen)
    assert row is not None
    return row


def _make_skeleton(system: System) -> None:
    """The links and directories around /usr, where they are missing."""
    skeleton = propose_skeleton(system.root.path, os.path.join(system.root.spare, "usr"))
    if not skeleton.is_empty:
        apply_skeleton(skeleton, system.root.path, system.effects)
