"""What the maker of a stone says of its relations to others, and how a stone carries that."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from moss.capability import Capability
from moss.definitions import relation_fault
from moss.errors import UsageError, read_each
from moss.facts import is_about_facts
from moss.package import Metadata, Relations
from moss.relation_texts import parse_provide
from moss.subscription import subscription_named
from solver.formula import FormulaError, parse_formula, parse_relation
from solver.model import Formula, Operator, Provide, Relation, relations_of
from solver.values import replace
from solver.version import Scheme, VersionError, sort_key

_Said = TypeVar("_Said", bound=Formula | Provide)


def relations_said(said: Mapping[str, Sequence[str]]) -> Relations:
    """What is said by word (`depends`, `breaks`); UsageError tells of all that is wrong behind one of them."""

    def each(word: str, parse: Callable[[str], _Said]) -> tuple[_Said, ...]:
        return read_each(partial(_read, parse, word), said.get(word, ()))

    return Relations(
        depends=each("depends", parse_formula),
        recommends=each("recommends", parse_formula),
        supplements=each("supplements", parse_formula),
        provides=each("provides", parse_provide),
        conflicts=each("conflicts", parse_relation),
        breaks=each("breaks", parse_relation),
        replaces=each("replaces", parse_relation),
    )


def _read(parse: Callable[[str], _Said], word: str, text: str) -> _Said:
    try:
        found = parse(text)
        for one in _relations(found):
            if wrong := relation_fault(one, facts=parse is parse_formula):
                help_of_it = f"moss pack --help tells what --{word} takes"
                raise UsageError(f"--{word} {text!r}: {wrong}", remedies=[help_of_it])
            if one.version is not None:
                sort_key(Scheme.STONE, one.version)
        return found
    except FormulaError as fault:
        example = f"--{word} 'lib ({'=' if parse is parse_provide else '>='} 2)'"
        more = " or 'lib (>= 2) | other'" if parse is parse_formula else ""
        raise UsageError(f"--{word} {text!r}: {fault.in_a_line}", remedies=[example + more]) from fault
    except VersionError as fault:
        raise UsageError(f"--{word} {text!r}: {fault}") from fault


def _relations(said: Formula | Provide) -> Iterator[Relation]:
    if isinstance(said, Provide):
        yield Relation(said.name, Operator.EQ if said.version else None, said.version)
    else:
        yield from relations_of(said)


def with_relations(metadata: Metadata, relations: Relations) -> Metadata:
    """A statement that says this about others: in plain words where format v1 has them for all of it; else beside
    those, which then hold what can be read by who knows no others: a need without its version, no conflict that has
    one."""
    needs = (one for one in relations.depends if isinstance(one, Relation) and one.arch is None)
    barred = (one for one in relations.conflicts if one.operator is None and one.arch is None)
    plain = replace(
        metadata,
        depends=_capabilities(one.name for one in needs if not _is_of_the_machine(one)),
        provides=_capabilities(one.name for one in relations.provides),
        conflicts=_capabilities(one.name for one in barred),
    )
    return plain if plain.relations == relations else replace(plain, rich_relations=relations)


def _is_of_the_machine(relation: Relation) -> bool:
    return is_about_facts(relation.name) or subscription_named(relation) is not None


def _capabilities(names: Iterator[str]) -> tuple[Capability, ...]:
    return tuple(map(Capability.parse, dict.fromkeys(names)))
