"""Outliving one's own update: what is needed to the end of a change is loaded before it begins.

While a change goes on, /usr is exchanged. The Python and the moss that run may lie in the old one; in the new
one there may be others, or none. So nothing may be imported from then on, and no file of moss's own read:
tests/cli/test_outliving.py watches over it. Modules that most commands never need are imported late
elsewhere in moss; those of them that the rest of a change may need are named here.
"""

from importlib import import_module

_NEEDED_LATER = (
    "unicodedata",  # laying out text that is not ASCII
    "moss.operations.upkeep",
)


def load_what_is_needed_later() -> None:
    for name in _NEEDED_LATER:
        import_module(name)
