"""What the maker of a stone says of its relations to others, and how a stone carries that."""

from collections.abc import Iterator, Mapping, Sequence

from moss.capability import Capability
from moss.definitions import relation_fault
from moss.errors import UsageError, read_each
from moss.facts import is_about_facts
from moss.package import Metadata, Relations
from moss.relation_texts import PARSERS, relations_of
from moss.subscription import subscription_named
from solver.formula import FormulaError
from solver.model import Formula, Operator, Provide, Relation
from solver.model import relations_of as relations_in
from solver.values import replace
from solver.version import Scheme, VersionError, sort_key

_FORMULAS = ("depends", "recommends", "supplements")


def relations_said(said: Mapping[str, Sequence[str]]) -> Relations:
    """What is said by word (`depends`, `breaks`); UsageError tells of all that is wrong with it."""
    read_each(_judge, [(word, text) for word, texts in said.items() for text in texts])
    return relations_of(said)


def _judge(behind: tuple[str, str]) -> None:
    word, text = behind
    try:
        for one in _relations(PARSERS[word](text)):
            if wrong := relation_fault(one, facts=word in _FORMULAS):
                help_of_it = f"moss pack --help tells what --{word} takes"
                raise UsageError(f"--{word} {text!r}: {wrong}", remedies=[help_of_it])
            if one.version is not None:
                sort_key(Scheme.STONE, one.version)
    except FormulaError as fault:
        example = f"--{word} 'lib ({'=' if word == 'provides' else '>='} 2)'"
        more = " or 'lib (>= 2) | other'" if word in _FORMULAS else ""
        raise UsageError(f"--{word} {text!r}: {fault.in_a_line}", remedies=[example + more]) from fault
    except VersionError as fault:
        raise UsageError(f"--{word} {text!r}: {fault}") from fault


def _relations(said: Formula | Provide) -> Iterator[Relation]:
    if isinstance(said, Provide):
        yield Relation(said.name, Operator.EQ if said.version else None, said.version)
    else:
        yield from relations_in(said)


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
