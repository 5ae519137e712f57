"""What a package says about others, as texts: in its stone and in both databases."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moss.package import Relations
from solver.formula import FormulaError, parse_formula, parse_relation
from solver.model import Formula, Operator, Provide

MULTI_ARCH, FOREIGN = "multi-arch", "foreign"
"""How it is said that packages of other architectures may have their needs met by it."""
LISTS = ("depends", "recommends", "supplements", "provides", "conflicts", "breaks", "replaces")
"""Words, as a stone and a maker have them."""
WORDS = (*LISTS, MULTI_ARCH)


def _provide(text: str) -> Provide:
    relation = parse_relation(text)
    if relation.arch is not None or relation.operator not in (None, Operator.EQ):
        raise FormulaError(text, 0, "a capability, perhaps with '(= version)'")
    return Provide(relation.name, relation.version)


PARSERS: Mapping[str, Callable[[str], Formula | Provide]] = {
    **dict.fromkeys(("depends", "recommends", "supplements"), parse_formula),
    "provides": _provide,
    **dict.fromkeys(("conflicts", "breaks", "replaces"), parse_relation),
}
"""What reads the texts behind each of the words; they raise FormulaError."""


def texts_of(relations: Relations) -> dict[str, list[str]]:
    """By word; what is empty is left out."""
    every = {word: list(map(str, getattr(relations, word))) for word in LISTS}
    every[MULTI_ARCH] = [FOREIGN] if relations.serves_every_architecture else []
    return {word: texts for word, texts in every.items() if texts}


def relations_of(texts: Mapping[str, Sequence[str]]) -> Relations:
    """Raises FormulaError. Only these words are looked at."""
    found: dict[str, Any] = {word: tuple(map(PARSERS[word], texts.get(word, ()))) for word in LISTS}
    return Relations(**found, serves_every_architecture=FOREIGN in texts.get(MULTI_ARCH, ()))
