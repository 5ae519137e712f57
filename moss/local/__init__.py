"""What a generation says about /etc and /var, applied where the admin has nothing (docs/etc-and-var.md).

    propose_local_changes(root, usr, recorded) -> LocalChanges      looks
    apply_local_changes(changes, root, effects) -> recorded         acts
"""

from moss.local.apply import apply_local_changes
from moss.local.changes import Change, Kept, KeptBecause, LocalChanges, Why
from moss.local.propose import propose_local_changes

__all__ = [
    "Change",
    "Kept",
    "KeptBecause",
    "LocalChanges",
    "Why",
    "apply_local_changes",
    "propose_local_changes",
]
