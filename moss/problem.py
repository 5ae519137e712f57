"""From the model and the record to a problem for the solver."""

from collections.abc import Sequence

from moss.generation import Selected
from moss.model import SystemModel, Wish
from moss.offers import as_solver_package
from moss.repository import Repository
from solver import Problem, Removal, Request, Universe
from solver import Wish as SolverWish
from solver.values import value

_GENERIC_ARCHITECTURES = ("noarch",)


@value
class ChangeRequest:
    """What a verb asks for: the model to reach, and how eagerly."""

    operation: str
    model: SystemModel
    updates: tuple[str, ...] = ()
    """Package names to bring to their newest version."""
    update_all: bool = False
    removals: tuple[str, ...] = ()
    """Capabilities that nothing may provide any more."""
    new_wishes: frozenset[str] = frozenset()
    """Of the model's wishes, those this request adds: their texts."""


def make_problem(
    request: ChangeRequest,
    installed: Sequence[Selected],
    universes: Sequence[Universe],
    repositories: Sequence[Repository],
    architectures: Sequence[str],
) -> Problem:
    """All that the answer depends on. Packages that no repository has any more come along."""
    return Problem(
        universes=(*universes, *_remembered(installed, universes)),
        installed=tuple(selected.candidate_key for selected in installed),
        automatic=frozenset(selected.candidate_key for selected in installed),
        request=Request(
            wishes=tuple(_solver_wish(wish, request) for wish in request.model.wishes),
            removals=tuple(Removal(Wish.parse(text).wanted) for text in request.removals),
            updates=request.updates,
            update_all=request.update_all,
        ),
        priorities={repository.name: repository.priority for repository in repositories},
        architectures=(*architectures, *_GENERIC_ARCHITECTURES),
    )


def _solver_wish(wish: Wish, request: ChangeRequest) -> SolverWish:
    text = str(wish)
    reason = "" if text in request.new_wishes else "earlier"
    return SolverWish(wish.wanted, reason=reason, origin=text)


def _remembered(installed: Sequence[Selected], universes: Sequence[Universe]) -> list[Universe]:
    """A small universe of the installed packages that no repository offers."""
    lost = [
        as_solver_package(
            selected.metadata, selected.candidate_key, selected.repository, selected.installed_size
        )
        for selected in installed
        if all(universe.package_of_key(selected.candidate_key.encode()) < 0 for universe in universes)
    ]
    return [Universe.of(lost)] if lost else []
