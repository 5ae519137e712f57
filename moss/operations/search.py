"""Search: the packages on offer that have certain words in their names or summaries."""

from collections.abc import Sequence

from moss.db import candidates
from moss.db.repositories import repositories
from moss.operations.system import System
from moss.repository import Candidate


def search(system: System, words: Sequence[str]) -> list[Candidate]:
    """Those that have all the words, whatever their case; by name, those with a word in the name first."""
    wanted = [word.casefold() for word in words]
    used = [repository.name for repository in repositories(system.record) if repository.enabled]
    found = candidates.with_words(system.offers, used, words)
    return sorted(found, key=lambda one: not any(word in one.metadata.name.casefold() for word in wanted))
