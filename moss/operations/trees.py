"""The next generation's tree: how it will be made, and making it.

Out of the spare tree by difference where there is a clean one that nobody uses; else in full. Both
ways lead to the same tree.
"""

import os
from collections.abc import Sequence

from moss.busy import user_of
from moss.db import cuts, generations, trees
from moss.db.packages import replacements
from moss.db.paths import Holding
from moss.declared import Declared
from moss.difference import TreeDifference, tree_difference
from moss.discard import vacate_spare
from moss.generation import PackageId
from moss.materialise import materialise
from moss.operations.describing import declared
from moss.operations.system import System
from moss.plan import Plan
from moss.recycle import apply_difference
from moss.root import GenerationId, generation_of_tree
from moss.seal import Seal, seal
from moss.store import Store
from moss.whole import WholeLayout
from solver.values import value


@value
class InFull:
    """The whole layout, to be made where there is nothing yet. Reading it raises LayoutCollision."""

    layout: WholeLayout


NextTree = TreeDifference | InFull


def plan_tree(system: System, plan: Plan, chosen: Sequence[PackageId]) -> NextTree:
    """How the tree of a staged generation will be made. Changes no file."""
    path_filter = cuts.filter_of(system.record, plan.result)
    spare = trees.spare(system.record)
    if spare is not None and spare.clean and _is_usable(system, spare.generation):
        links = trees.directory_links(system.record, spare.generation)
        old = _held_by(system, spare.generation)
        difference = tree_difference(system.record, old, Holding(chosen, path_filter), links)
        if difference is not None:
            trees.record_directory_links(system.record, plan.result, links)
            return difference
    layout = WholeLayout(system.record, chosen, replacements(system.record, chosen), path_filter)
    trees.record_directory_links(system.record, plan.result, layout.directory_links)
    return InFull(layout)


def make_tree(system: System, number: GenerationId, tree: NextTree, store: Store) -> None:
    """Make it in the spare's place. The spare is dirty from before the first change."""
    system.reporter.stage(f"making generation {number}")
    spare_usr = os.path.join(system.root.spare, "usr")
    if isinstance(tree, TreeDifference):
        trees.mark_spare_dirty(system.record)
        system.effects.commit_point("spare is dirty")
        apply_difference(tree, store, spare_usr, declared(system.record, number), system.effects)
    else:
        trees.forget_spare(system.record)
        system.effects.commit_point("spare is forgotten")
        _make_in_full(system, declared(system.record, number), tree.layout, store)


def change_tree(
    system: System, number: GenerationId, old: Sequence[PackageId], new: Sequence[PackageId], store: Store
) -> None:
    """Make the tree that was just made of the packages `old` into one of `new`. Raises LayoutCollision."""
    if set(old) == set(new):
        return
    path_filter = cuts.filter_of(system.record, number)
    links = trees.directory_links(system.record, number)
    difference = tree_difference(system.record, Holding(old, path_filter), Holding(new, path_filter), links)
    if difference is not None:
        usr, said = os.path.join(system.root.spare, "usr"), declared(system.record, number, new)
        apply_difference(difference, store, usr, said, system.effects)
        return
    layout = WholeLayout(system.record, new, replacements(system.record, new), path_filter)
    with system.record.transaction():
        trees.record_directory_links(system.record, number, layout.directory_links)
    _make_in_full(system, declared(system.record, number, new), layout, store)


def complete_tree(system: System, store: Store) -> Seal:
    """The tree is as it shall be: make it durable, and seal it."""
    system.effects.syncfs(store.fd)
    return seal(os.path.join(system.root.spare, "usr"))


def _make_in_full(system: System, said: Declared, layout: WholeLayout, store: Store) -> None:
    vacate_spare(system.root, system.effects, system.reporter)
    system.effects.mkdir(system.root.spare, 0o700)
    materialise(layout, store, os.path.join(system.root.spare, "usr"), said, system.effects)


def whole_layout(system: System, number: GenerationId) -> WholeLayout:
    """All that a generation on record has below /usr."""
    ids = generations.package_ids_of(system.record, number)
    path_filter = cuts.filter_of(system.record, number)
    return WholeLayout(system.record, ids, replacements(system.record, ids), path_filter)


def begin_to_advance_spare(system: System, *, is_vacant: bool) -> TreeDifference | None:
    """The spare is to become a copy of the active tree, so that the next change does no more than itself: what makes
    it one, if anything is to be done (`advance_spare`). It is dirty from now on, until that was done and synced.

    `is_vacant`: the caller has just looked, and nobody is in it. From the beginning it is on record as what it
    will be: what only it had is nobody's any more. Interrupted, the next command's recovery removes it.
    """
    spare, active = trees.spare(system.record), system.active
    if spare is None or active is None or not spare.clean:
        return None
    if not (is_vacant or _is_usable(system, spare.generation)):
        return None
    old, new = _held_by(system, spare.generation), _held_by(system, active)
    links = trees.directory_links(system.record, active)
    if old == new or links != trees.directory_links(system.record, spare.generation):
        return None
    difference = tree_difference(system.record, old, new, links)
    if difference is None:
        return None
    trees.move_spare(system.record, active)
    system.effects.commit_point("spare is dirty")
    return difference


def advance_spare(system: System, difference: TreeDifference, number: GenerationId, store: Store) -> None:
    """Make the spare the copy of the active generation's tree that it is on record as. Not durable yet."""
    apply_difference(difference, store, os.path.join(system.root.spare, "usr"), Declared(number), system.effects)


def _held_by(system: System, generation: GenerationId) -> Holding:
    return Holding(
        generations.package_ids_of(system.record, generation), cuts.filter_of(system.record, generation)
    )


def _is_usable(system: System, generation: GenerationId) -> bool:
    """Whether the spare is there and nothing that runs is inside it (it must not change under anybody)."""
    usr = os.path.join(system.root.spare, "usr")
    return generation_of_tree(usr) == generation and user_of(system.root.spare) is None
