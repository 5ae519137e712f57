"""The verbs: each turns a model and what the person typed into a request. They know nothing else."""

from collections.abc import Iterable, Sequence

from moss import model as models
from moss.capability import Capability, CapabilityKind
from moss.errors import NotFound
from moss.model import SystemModel
from moss.problem import ChangeRequest


def install_request(model: SystemModel, texts: Sequence[str]) -> ChangeRequest:
    """Wish for these too. UsageError tells of every text that cannot be a wish."""
    wishes = models.checked_wishes(texts)
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


