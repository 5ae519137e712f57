"""Which paths of packages a generation leaves out."""

from solver.values import value


@value
class Omission:
    """What one subscription leaves out below /usr: paths that match `patterns` and none of `kept`."""

    subscription: str
    patterns: tuple[str, ...]
    kept: tuple[str, ...] = ()


PathFilter = tuple[Omission, ...]
"""A path is left out when any of these leaves it out; by the subscriptions' names."""

NOTHING_OMITTED: PathFilter = ()
