"""What a plan leaves out of its packages' paths, and what that comes to: bytes, what must be fetched again, links
that will lead nowhere.

What a package has that is not on record yet is known when it was fetched: then its links are looked at.
"""

from collections.abc import Iterable, Iterator

from moss.db import cuts, layouts, trees
from moss.db.packages import known_row
from moss.generation import PackageId
from moss.merge import Resolver, target_below_usr
from moss.operations.refetching import refetched
from moss.operations.system import System
from moss.operations.vouching import sources_of
from moss.path_filter import PathFilter
from moss.plan import BrokenLink, Plan
from solver.values import replace


def with_omissions(system: System, plan: Plan, omissions: PathFilter) -> Plan:
    """The plan, with what it leaves out. NotFound where something comes back that nobody offers any more."""
    if not omissions and not cuts.anything_omitted(system.record):
        return plan
    again = refetched(system, plan.chosen, omissions)
    if again:
        space = replace(
            plan.space,
            download=plan.space.download + sum(one.candidate.stone_size for one in again),
            store=plan.space.store + sum(one.missing for one in again),
        )
        offered = [replace(one.package, present=None, candidate=one.candidate) for one in again]
        plan = replace(plan, refetched=again, space=space, sources=sources_of(system, [*plan.chosen, *offered]))
    return surveyed(system, plan, omissions)


def surveyed(system: System, plan: Plan, omissions: PathFilter) -> Plan:
    """The plan with what it leaves out, and what that comes to where it was something else before."""
    before = cuts.omissions_of(system.record, plan.base)
    plan = replace(plan, omissions=omissions, omissions_before=before)
    if not plan.filters_otherwise:
        return plan
    from moss.survey import survey  # another filter is rare

    known = [(one.name, row) for one in plan.chosen if (row := known_row(system.record, one)) is not None]
    found = survey(layouts.to_survey(system.record, known), before, omissions)
    return replace(plan, savings=found.savings, warnings=(*plan.warnings, *map(str, found.broken)))


def broken_links(system: System, plan: Plan, new: Iterable[PackageId]) -> Iterator[BrokenLink]:
    """Links of packages that were not on record when the plan was made, to what it leaves out.

    To be called when the generation is staged and its directory links are on record.
    """
    if not plan.omissions:
        return
    follow = Resolver(trees.directory_links(system.record, plan.result))
    for package, path, target in layouts.links_in(system.record, new, cuts.filter_of(system.record, plan.result)):
        place = target_below_usr(follow.real_path(path), target)
        omission = None if place is None else cuts.omission_at(system.record, plan.result, follow.real_path(place))
        if omission is not None:
            yield BrokenLink(path, target, package, plan.omissions[omission].subscription)


def left_out_by(system: System) -> dict[str, int]:
    """Bytes that each subscription leaves out of the active generation."""
    omissions = cuts.omissions_of(system.record, system.active)
    sizes = dict.fromkeys((one.subscription for one in omissions), 0)
    for omission, size in cuts.sizes_left_out(system.record, system.active).items():
        sizes[omissions[omission].subscription] += size
    return sizes
