"""The verbs: each turns a model and what the person typed into a request. They know nothing else."""

from collections.abc import Iterable, Mapping, Sequence

from moss import model as models
from moss.capability import Capability, CapabilityKind
from moss.errors import NotFound, UsageError
from moss.in_force import fits_shape, shapes_text
from moss.model import Hold, Pin, SystemModel
from moss.problem import ChangeRequest
from moss.subscription import Definition, Setting, Switch, near_names
from solver.model import Operator, Relation
from solver.values import replace


def install_request(model: SystemModel, texts: Sequence[str], repository: str | None = None) -> ChangeRequest:
    """Wish for these too, from this repository where one is named. UsageError tells of every text
    that cannot be a wish."""
    wishes = tuple(
        replace(wish, repository=wish.repository or repository) for wish in models.checked_wishes(texts)
    )
    return ChangeRequest(
        "install",
        models.install(model, wishes),
        new_wishes=frozenset(str(wish) for wish in wishes),
    )


def remove_request(model: SystemModel, texts: Sequence[str], installed: Iterable[str]) -> ChangeRequest:
    """Stop wishing for these; packages that are named go, whoever else might want to keep them.

    `installed` are the names of the packages there are. NotFound for what is neither wished for nor
    installed.
    """
    names = [wish.wanted.name for wish in models.checked_wishes(texts)]
    there = set(installed)
    wished = {wish.wanted.name for wish in model.wishes}
    unknown = [name for name in names if name not in there and name not in wished]
    if unknown:
        raise NotFound(f"{', '.join(unknown)} is not installed", remedies=["moss list installed"])
    gone = tuple(name for name in dict.fromkeys(names) if Capability.parse(name).kind is CapabilityKind.NAME)
    return ChangeRequest("remove", models.remove(model, names), removals=gone)


def update_request(model: SystemModel, names: Sequence[str] = (), installed: Iterable[str] = ()) -> ChangeRequest:
    """Move to the newest set, or only these packages. NotFound for one that is not installed."""
    unknown = sorted(set(names) - set(installed))
    if unknown:
        raise NotFound(
            f"{', '.join(unknown)} is not installed, so it cannot be updated",
            remedies=[f"moss install {' '.join(unknown)}", "moss list installed"],
        )
    return ChangeRequest("update", model, updates=tuple(names), update_all=not names)


def sync_request(model: SystemModel) -> ChangeRequest:
    """Make the system what the model says, changing nothing that already fits."""
    return ChangeRequest("sync", model)


def pin_request(
    model: SystemModel, texts: Sequence[str], installed: Mapping[str, str], repository: str | None, now: int
) -> ChangeRequest:
    """Let these packages be installed only in these versions, or from this repository; without
    either, in the version they are `installed` in. UsageError and NotFound for what cannot be pinned.
    """
    pins = []
    for wish in models.checked_wishes(texts):
        name, source = wish.wanted.name, wish.repository or repository
        if Capability.parse(name).kind is not CapabilityKind.NAME:
            raise UsageError(
                f"{name} is a capability; what can be pinned is a package", remedies=[f"moss provides '{name}'"]
            )
        wanted = wish.wanted
        if wanted.operator is None and source is None:
            if name not in installed:
                raise NotFound(
                    f"{name} is not installed, so there is no version to pin it to",
                    remedies=[f"moss pin '{name} = VERSION'", "moss list installed"],
                )
            wanted = Relation(name, Operator.EQ, installed[name])
        pins.append(Pin(wanted, source, now))
    return ChangeRequest("pin", models.pin(model, pins), new_pins=frozenset(map(str, pins)))


def unpin_request(model: SystemModel, names: Sequence[str]) -> ChangeRequest:
    """Let these be installed in any version again. NotFound for one that is not pinned."""
    return ChangeRequest("unpin", models.unpin(model, names))


def hold_request(model: SystemModel, names: Sequence[str], installed: Iterable[str], now: int) -> ChangeRequest:
    """Leave these packages exactly as they are. NotFound for one that is not installed."""
    unknown = sorted(set(names) - set(installed))
    if unknown:
        raise NotFound(f"{', '.join(unknown)} is not installed, so it cannot be held", remedies=["moss list installed"])
    holds = [Hold(name, now) for name in names]
    return ChangeRequest("hold", models.hold(model, holds), new_pins=frozenset(names))


def unhold_request(model: SystemModel, names: Sequence[str]) -> ChangeRequest:
    """Let these change again. NotFound for one that is not held."""
    return ChangeRequest("unhold", models.unhold(model, names))


def subscribe_request(
    model: SystemModel,
    name: str,
    values: Sequence[str],
    why: str,
    definitions: Mapping[str, Definition],
    *,
    automatic: bool = False,
) -> ChangeRequest:
    """Turn a subscription on, with these values in place of older ones; `automatic`: as its definition has it.

    UsageError for values that it does not take. Whether there is one of that name is the caller's to know.
    """
    definition = definitions.get(name)
    if automatic:
        if values or why:
            raise UsageError("--auto gives up what you said: there is no value or reason to keep")
        if definition is None or definition.default is Setting.AUTO:
            return ChangeRequest("subscribe", models.without_switches(model, [name]))
        return ChangeRequest("subscribe", models.subscribe(model, [Switch(name, Setting.AUTO)]))
    if values:
        _check_values(name, values, definition)
    switch = Switch(name, Setting.ON, tuple(dict.fromkeys(values)), why)
    return ChangeRequest("subscribe", models.subscribe(model, [switch]), new_switches=frozenset([name]))


def unsubscribe_request(
    model: SystemModel, names: Sequence[str], why: str, definitions: Mapping[str, Definition]
) -> ChangeRequest:
    """Turn subscriptions off, whatever their definitions say. What is off anyway, and what nobody defines,
    is only forgotten. NotFound for what is neither known nor set."""
    said = {one.name for one in model.switches}
    unknown = sorted(set(names) - said - definitions.keys())
    if unknown:
        import shlex  # only for someone who mistyped

        near = dict.fromkeys(one for name in unknown for one in near_names(name, [*said, *definitions]))
        raise NotFound(
            f"there is no subscription {', '.join(unknown)}",
            remedies=[*(f"moss unsubscribe {shlex.quote(one)}" for one in near), "moss subscriptions"],
        )
    off = [name for name in names if name in definitions and definitions[name].default is not Setting.OFF]
    model = models.without_switches(model, [name for name in names if name not in off])
    switches = [Switch(name, Setting.OFF, (), why) for name in off]
    return ChangeRequest("unsubscribe", models.subscribe(model, switches), new_switches=frozenset(off))


def _check_values(name: str, values: Sequence[str], definition: Definition | None) -> None:
    if definition is None or definition.shapes is None:
        raise UsageError(f"the subscription {name} takes no values", remedies=[f"moss subscribe {name}"])
    wrong = [one for one in values if not fits_shape(definition, one)]
    if wrong:
        raise UsageError(
            f"{', '.join(wrong)} cannot be a value of the subscription {name}",
            because=[shapes_text(definition)],
            remedies=["moss subscriptions"],
        )
