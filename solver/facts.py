"""What holds of the machine and of subscriptions, whatever is chosen."""

from bisect import bisect_left
from collections.abc import Iterable
from fnmatch import fnmatchcase

from solver.model import Relation


class Facts:
    """Texts that relations may name, or match with `*` and `?`: looked up among the few that begin alike."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = sorted(set(texts))
        self._set = frozenset(self.texts)

    def has(self, relation: Relation) -> bool:
        """Whether a fact satisfies the relation. None has a version."""
        if not self.texts or relation.version is not None:
            return False
        return bool(self.matching(relation.name))

    def matching(self, name: str) -> list[str]:
        """The facts of this name, or that match it as a pattern."""
        if "*" not in name and "?" not in name:
            return [name] if name in self._set else []
        start = name[: min(at for sign in "*?[" if (at := name.find(sign)) >= 0)]
        first = bisect_left(self.texts, start)
        found = []
        for text in self.texts[first:]:
            if not text.startswith(start):
                break
            if fnmatchcase(text, name):
                found.append(text)
        return found


NO_FACTS = Facts(())
