"""Why a path is not there: which subscription leaves it out of which package, and by which pattern."""

from collections.abc import Mapping, Sequence

from moss.db import cuts, generations, trees
from moss.errors import NotFound, UsageError
from moss.in_force import fits_shape
from moss.merge import Resolver
from moss.operations.subscriptions import known_definitions
from moss.operations.system import System
from moss.path_filter import Omission, matcher
from moss.subscription import VALUE, Definition
from solver.values import value


@value
class PathStands:
    """How a path of the active generation stands."""

    path: str
    """From the root's top."""
    holders: tuple[str, ...]
    """Labels of the packages that have it there now."""
    left_out: tuple[str, ...]
    """Sentences: who leaves it out of which package."""
    remedy: str
    """What brings it back, as a sentence without its full stop."""


def path_stands(system: System, text: str) -> PathStands:
    """The packages that have a path, and who leaves it out. NotFound where no installed package has it."""
    path = _below_usr(text)
    follow = Resolver(trees.directory_links(system.record, system.active)) if system.active is not None else None
    tried = dict.fromkeys((path, follow.real_path(path))) if follow is not None else {path: None}
    holders = [one for place in tried for one in cuts.holders_at(system.record, system.active, place)]
    if not holders:
        raise NotFound(f"no installed package has /usr/{path}", remedies=["moss provides PATTERN", "moss search WORD"])
    path_filter = cuts.omissions_of(system.record, system.active)
    staying = dict.fromkeys(label for label, _, omission in holders if omission is None)
    told = dict[str, None]()
    names = dict[str, str]()
    for label, place, omission in holders:
        if omission is None or label in staying:
            continue
        one = path_filter[omission]
        names[one.subscription] = place
        told[f"the subscription {one.subscription} leaves it out of {label}{_by(one, place)}"] = None
    return PathStands(f"/usr/{path}", tuple(staying), tuple(told), _remedy(system, names))


def _remedy(system: System, names: Mapping[str, str]) -> str:
    """What brings a path back that these subscriptions leave out, each where some package has it."""
    said = {one.name: one.values for one in generations.model_of(system.record, system.active).switches}
    definitions = {one.name: one for one in known_definitions(system).definitions} if any(said.values()) else {}

    def values(name: str) -> Sequence[str]:
        definition, there = definitions.get(name), said.get(name, ())
        return (*there, _value_of(definition, names[name])) if there and definition is not None else ()

    commands = [" ".join(("moss subscribe", name, *values(name))) for name in names]
    return f"{' and '.join(commands)} {'brings' if len(commands) == 1 else 'bring'} it back"


def _value_of(definition: Definition, path: str) -> str:
    """The value of a subscription by which it keeps a path; dots where none is found."""
    kept = [one.pattern for one in definition.paths if one.keep]
    stems = [stem for part in path.split("/") for stem in (part, part.partition(".")[0])]
    tried = [stem[at:] for stem in stems for at in range(len(stem)) if not at or stem[at - 1] in "_-"]
    for found in tried:
        if not fits_shape(definition, found):
            continue
        keeps = matcher((Omission(definition.name, tuple(one.replace(VALUE, found) for one in kept)),))
        if keeps(path) is not None or keeps(f"{path}/x") is not None:
            return found
    return "…"


def _below_usr(text: str) -> str:
    """A path as packages have theirs; UsageError for one that no package can have."""
    parts = [part for part in text.split("/") if part]
    if parts and parts[0] == "usr":
        parts = parts[1:]
    if not parts or any(part in (".", "..") for part in parts):
        raise UsageError(f"{text} is not a path below /usr", remedies=["name one: moss why-not /usr/share/doc/vim"])
    return "/".join(parts)


def _by(omission: Omission, path: str) -> str:
    """The pattern that takes it; a directory goes with what is below it."""
    for pattern in omission.patterns:
        if matcher((Omission(omission.subscription, (pattern,)),))(path) is not None:
            return f", by {pattern}"
    return ", with all that is below it"
