"""Removing trees that no generation on record is kept by, unless something that runs still uses them.

What cannot go now stays as it is and is told; every command that changes the system tries again.
"""

import os

from moss.busy import user_of
from moss.effects import Effects, as_moss_error
from moss.errors import MossError
from moss.reporter import Reporter
from moss.root import Root


def discard(holder: str, effects: Effects, reporter: Reporter) -> bool:
    """Remove a directory of a tree; False, with a warning, where that must wait. None there is fine."""
    user = user_of(holder)
    if user is not None:
        reporter.warning(f"{holder} is no longer needed and stays while it is in use by {user}")
        return False
    try:
        with as_moss_error(f"remove {holder}, which is no longer needed"):
            effects.remove_tree(holder)
    except MossError as fault:  # it is in nobody's way, so it stops nothing
        reporter.warning(" ".join((fault.message, *(f"({remedy})" for remedy in fault.remedies))))
        return False
    return True


def vacate_spare(root: Root, effects: Effects, reporter: Reporter) -> None:
    """Make room for a tree that is made in full. One that cannot go is put aside; recovery sees to it later."""
    if discard(root.spare, effects, reporter):
        return
    number = 1
    while os.path.lexists(root.aside(number)):
        number += 1
    effects.rename(root.spare, root.aside(number))
