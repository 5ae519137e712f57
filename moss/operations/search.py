"""Search: the packages on offer that have certain words in their names or summaries."""

from collections.abc import Sequence

from moss.operations.queries import available
from moss.operations.system import System
from moss.repository import Candidate


def search(system: System, words: Sequence[str]) -> list[Candidate]:
    """Those that have all the words, whatever their case; by name, those with a word in the name first."""
    wanted = [word.casefold() for word in words]
    found = [one for one in available(system) if _has_all(one, wanted)]
    return sorted(found, key=lambda one: not any(word in one.metadata.name.casefold() for word in wanted))


def _has_all(candidate: Candidate, words: Sequence[str]) -> bool:
    text = f"{candidate.metadata.name}\n{candidate.metadata.summary}".casefold()
    return all(word in text for word in words)
