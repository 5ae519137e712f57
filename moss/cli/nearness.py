"""Did you mean: the words that someone may have meant who typed another."""

from collections.abc import Iterable
from difflib import get_close_matches


def near(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Known words close to this one, the closest first; none where nothing is close."""
    return get_close_matches(word, sorted(set(known)), n=limit, cutoff=0.7)
