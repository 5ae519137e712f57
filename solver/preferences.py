"""What makes one answer better than another: measures, counted, the first of them first.

An order of preferences is data. Each measure counts names, dependencies or recommendations; less
is better, and each is proven least before the next is looked at.
"""

from enum import Enum


class Measure(Enum):
    """What a level of preference counts; the value is its name for people."""

    REMOVED = "removed"
    """installed names that go, but for those whose place another package takes"""
    DOWNGRADED = "downgraded"
    """installed names that come in an older version"""
    NOT_UPDATED = "notupdated"
    """names asked to be updated that are there but not in their newest version"""
    OUTDATED = "outdated"
    """new names that come in another than their newest version"""
    CHANGED = "changed"
    """installed names not asked to be updated that come in another version"""
    UNPREFERRED = "unpreferred"
    """dependencies of new packages and wishes met by another than the first alternative, where none
    of the alternatives was installed (of one relation, the packages of that very name come before
    others that provide it); and preferences of subscriptions not followed"""
    UNMET = "unmet"
    """recommendations of new packages and wants of subscriptions that are not met"""
    NEW = "new"
    """names that were not installed"""
    ADDED = "added"
    """packages that were not installed, but for updates that were asked for"""
    NOT_UP_TO_DATE = "notuptodate"
    """names that are there but not in their newest version (CUDF)"""
    ALTERED = "altered"
    """packages, a name in a version, that come or go (CUDF's `changed`, as aspcud counts it)"""
    UNSATISFIED = "unsat_recommends"
    """recommendations of all packages that are not met (CUDF)"""


FEWEST_REMOVALS = (
    Measure.REMOVED,
    Measure.DOWNGRADED,
    Measure.NOT_UPDATED,
    Measure.OUTDATED,
    Measure.CHANGED,
    Measure.UNPREFERRED,
    Measure.UNMET,
    Measure.NEW,
)
NEWEST_FIRST = (
    Measure.DOWNGRADED,
    Measure.NOT_UPDATED,
    Measure.REMOVED,
    Measure.OUTDATED,
    Measure.CHANGED,
    Measure.UNPREFERRED,
    Measure.UNMET,
    Measure.NEW,
)
PARANOID = (Measure.REMOVED, Measure.ALTERED)
TRENDY = (Measure.REMOVED, Measure.NOT_UP_TO_DATE, Measure.UNSATISFIED, Measure.NEW)

ORDERS = {
    "fewest-removals": FEWEST_REMOVALS,
    "newest": NEWEST_FIRST,
    "paranoid": PARANOID,
    "trendy": TRENDY,
}


class PreferenceError(ValueError):
    """A name that is no order and no measure."""


def parse_preferences(text: str) -> tuple[Measure, ...]:
    """An order by its name, or measures by theirs: `-removed,-notupdated,-new`.

    Raises PreferenceError, which says what there is.
    """
    if text in ORDERS:
        return ORDERS[text]
    measures = []
    for word in text.split(","):
        name = word.strip()
        if name.startswith("+"):
            raise PreferenceError(f"{name}: every measure counts what there should be less of")
        try:
            measures.append(Measure(name.removeprefix("-")))
        except ValueError:
            known = ", ".join([*ORDERS, *(measure.value for measure in Measure)])
            raise PreferenceError(f"no such preference: {name or '(nothing)'}; there are {known}") from None
    return tuple(dict.fromkeys(measures))
