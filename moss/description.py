"""What a tree says of its generation, as text: the system model, and a comment after it that moss alone reads.

    …the model as the person has it, whole…
    /* moss keeps this for when its record is lost:
    {"command":"moss install vim","created_at":1790000000,"made":{},"omissions":[]}
    */

So the text is a system model like any other: `moss sync --model` takes it, and people can read it.
"""

import json
from collections.abc import Mapping

from moss.path_filter import NOTHING_OMITTED, PathFilter, as_plain, from_plain
from solver.values import value

_OPENS = "/* moss keeps this for when its record is lost:\n"
_CLOSES = "\n*/\n"


@value
class Description:
    """Of one generation."""

    text: str
    """Of its model."""
    created_at: int
    """Seconds since 1970, UTC."""
    command: str
    path_filter: PathFilter = NOTHING_OMITTED
    made: Mapping[str, tuple[str, ...]] = {}
    """The paths below /usr that triggers wrote, by the trigger's name."""


def as_text(said: Description) -> str:
    """The same description is always the same text."""
    rest = {
        "created_at": said.created_at,
        "command": said.command,
        "omissions": as_plain(said.path_filter),
        "made": {name: list(paths) for name, paths in said.made.items()},
    }
    # No star in it: with a slash beside it, it would begin another comment, or end this one.
    data = json.dumps(rest, sort_keys=True, separators=(",", ":")).replace("*", "\\u002a")
    line_end = "" if said.text.endswith("\n") or not said.text else "\n"
    return f"{said.text}{line_end}{_OPENS}{data}{_CLOSES}"


def described(text: str) -> Description:
    """What `as_text` wrote. ValueError, in words, for any other text."""
    model, opens, rest = text.rpartition(_OPENS)
    if not opens or not rest.endswith(_CLOSES):
        raise ValueError("it does not end with what moss keeps there")
    try:
        found = json.loads(rest.removesuffix(_CLOSES))
        created_at, command = found["created_at"], found["command"]
        made = {str(name): tuple(map(str, paths)) for name, paths in found["made"].items()}
        path_filter = from_plain(found["omissions"])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as fault:
        raise ValueError(f"what moss keeps there is damaged ({fault})") from fault
    if not isinstance(created_at, int) or not isinstance(command, str):
        raise ValueError("what moss keeps there is damaged")
    return Description(model, created_at, command, path_filter, made)
