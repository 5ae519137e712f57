"""What every clause says and why it is there.

A rule is data: its kind, and what it is about as numbers of the pool or of the request. The clause
itself is made in `solver.encode`, where each kind is emitted in one place. p, q stand for packages,
`A(f)` for the packages that can satisfy the formula f.
"""

from enum import Enum

from solver.model import Formula, Relation
from solver.request import Forbid, Hold, Pin, Removal, Subscription, Wish
from solver.values import ordered_value, value


@ordered_value
class Candidate:
    """A package as sentences need it."""

    name: str
    version: str
    repository: str
    key: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Kind(Enum):
    """Why a clause is there. The formula is the clause; ¬ is not, ∨ or."""

    WISHED = "wished"  # q ∨ q' ∨ …                for q in A(wish)
    KEPT = "kept"  # q ∨ q' ∨ …                    for q in A(what is kept)
    NEEDS = "needs"  # ¬p ∨ q ∨ q' ∨ …             for q in A(a dependency of p)
    CONFLICTS = "conflicts"  # ¬p ∨ ¬q             q matches a conflict of p
    BREAKS = "breaks"  # ¬p ∨ ¬q                   q matches a break of p
    ONE_VERSION = "one version"  # ¬p ∨ ¬q         p and q have one name
    REMOVED = "removed"  # ¬p                      p matches a removal
    FORBIDDEN = "forbidden"  # ¬p                  p is new and matches a forbid
    PINNED = "pinned"  # ¬p                        p has a pinned name and does not match the pin
    HELD = "held"  # p                             p is installed and held
    NO_OLDER = "no older"  # p ∨ q ∨ q' ∨ …        p is in a solution, q a newer version of its name
    SUBSCRIBED = "subscribed"  # ¬condition ∨ q ∨ … for q in A(what the rule requires)


Asked = Wish | Removal | Forbid | Pin | Hold | Subscription


@value
class Rule:
    """One rule of a conflict.

    `package` is p where the rule speaks of one, `other` its q. `formula` is the dependency, the
    conflict or the wish; `candidates` are all that could satisfy it, and where there are none,
    `near` those of the right name and a wrong version. `asked` is the part of the request the rule
    comes from.
    """

    kind: Kind
    package: Candidate | None = None
    other: Candidate | None = None
    formula: Formula | Relation | None = None
    candidates: tuple[Candidate, ...] = ()
    near: tuple[Candidate, ...] = ()
    asked: Asked | None = None
