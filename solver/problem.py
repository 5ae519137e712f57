"""A problem: all that an answer depends on, in one value."""

from collections.abc import Mapping

from solver.preferences import FEWEST_REMOVALS, Measure
from solver.request import Request
from solver.universe import Universe
from solver.values import field, value


@value
class Problem:
    """The same problem has the same answer on every machine.

    `installed` and `automatic` hold package keys; every installed key must be in one of the
    universes (packages no repository has any more come in a small universe of their own).
    Automatic packages are installed only for others and go, uncounted, when nothing needs them.
    A repository with a higher priority wins whatever the versions; those not named have 0.
    `architectures` are the ones that may be installed ("", "all" and "noarch" always may); none
    named: all. `preferences` are lexicographic, the most important first.
    """

    universes: tuple[Universe, ...]
    installed: tuple[str, ...] = ()
    request: Request = field(default_factory=Request)
    preferences: tuple[Measure, ...] = FEWEST_REMOVALS
    priorities: Mapping[str, int] = field(default_factory=dict)
    architectures: tuple[str, ...] = ()
    automatic: frozenset[str] = frozenset()
