"""What a package says about others, as texts: in its stone and in both databases."""

from collections.abc import Mapping, Sequence

from moss.package import Relations
from solver.formula import FormulaError, parse_formula, parse_relation
from solver.model import Operator, Provide

MULTI_ARCH, FOREIGN = "multi-arch", "foreign"
"""How it is said that packages of other architectures may have their needs met by it."""
LISTS = ("depends", "recommends", "supplements", "provides", "conflicts", "breaks", "replaces")
"""Words, as a stone and a maker have them."""
WORDS = (*LISTS, MULTI_ARCH)


def texts_of(relations: Relations) -> dict[str, list[str]]:
    """By word; what is empty is left out."""
    every = {word: list(map(str, getattr(relations, word))) for word in LISTS}
    every[MULTI_ARCH] = [FOREIGN] if relations.serves_every_architecture else []
    return {word: texts for word, texts in every.items() if texts}


def relations_of(texts: Mapping[str, Sequence[str]]) -> Relations:
    """Raises FormulaError. Only these words are looked at."""
    return Relations(
        depends=tuple(map(parse_formula, texts.get("depends", ()))),
        recommends=tuple(map(parse_formula, texts.get("recommends", ()))),
        supplements=tuple(map(parse_formula, texts.get("supplements", ()))),
        provides=tuple(map(parse_provide, texts.get("provides", ()))),
        conflicts=tuple(map(parse_relation, texts.get("conflicts", ()))),
        breaks=tuple(map(parse_relation, texts.get("breaks", ()))),
        replaces=tuple(map(parse_relation, texts.get("replaces", ()))),
        serves_every_architecture=FOREIGN in texts.get(MULTI_ARCH, ()),
    )


def parse_provide(text: str) -> Provide:
    """What is provided, as a text. Raises FormulaError."""
    relation = parse_relation(text)
    if relation.arch is not None or relation.operator not in (None, Operator.EQ):
        raise FormulaError(text, 0, "a capability, perhaps with '(= version)'")
    return Provide(relation.name, relation.version)
