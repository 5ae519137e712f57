"""Debian's relation fields as moss's relations, and a control paragraph as moss's metadata.

    Depends, Pre-Depends   -> depends       libc6 (>= 2.36), default-mta | mail-transport-agent
    Recommends             -> recommends
    Provides               -> provides      awk, libfoo (= 1.2)
    Conflicts, Breaks, Replaces             as they are called

The same paragraph gives the same metadata whether it comes from a .deb or from a repository's
Packages file. Suggests and Enhances ask for nothing and are left out. `:any`, `:native` and `:ARCH`
stay with the relation, the last in moss's word for the architecture; the package's own architecture
says nothing and goes.

The plain tags of format v1 get what upstream can read: the names of needs without alternatives (that a
version is dropped only weakens them), provided names, and unversioned conflicts.
"""

import re
from collections.abc import Iterable

from moss.architecture import stone_architecture
from moss.capability import Capability, CapabilityKind
from moss.debian.paragraph import Fields
from moss.errors import CorruptData
from moss.package import Metadata, Relations
from solver.model import AnyOf, Formula, Operator, Provide, Relation
from solver.version import Scheme, VersionError, sort_key

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-]*")
RELATION_PATTERN = (
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9+.\-]*)"
    r"(?::(?P<arch>[a-z0-9][a-z0-9\-]*))?"
    r"(?:\s*\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^()\s<>=]+)\s*\))?"
)
_RELATION = re.compile(RELATION_PATTERN)
# "<" and ">" are obsolete and mean "or equal" (Debian policy 7.1).
OPERATORS = {
    "<<": Operator.LT,
    "<=": Operator.LE,
    "<": Operator.LE,
    "=": Operator.EQ,
    ">=": Operator.GE,
    ">": Operator.GE,
    ">>": Operator.GT,
}


def metadata_of(fields: Fields, file: str, source_digest: str | None = None) -> Metadata:
    """A control paragraph as metadata. CorruptData says which field of `file` is wrong."""
    architecture = _required(fields, "Architecture", file)
    own = debian_architecture(architecture)
    relations = relations_of(fields, own, file)
    return Metadata(
        name=_required(fields, "Package", file),
        version=_required(fields, "Version", file),
        release=1,
        build_release=1,
        architecture=own,
        summary=fields.summary,
        description=fields.description,
        homepage=fields.get("Homepage", "").strip(),
        source_id=(fields.get("Source", "").split() or [_required(fields, "Package", file)])[0],
        depends=_sorted(_plain_needs(relations.depends)),
        provides=_sorted(Capability(CapabilityKind.NAME, provide.name) for provide in relations.provides),
        conflicts=_sorted(_plain_conflicts(relations)),
        scheme=Scheme.DEB,
        rich_relations=relations,
        source_digest=source_digest,
    )


def relations_of(fields: Fields, own_architecture: str, file: str) -> Relations:
    """What the paragraph says about other packages."""

    def formulas(name: str) -> tuple[Formula, ...]:
        return tuple(
            _formula([_relation(text, own_architecture, name, file) for text in clause.split("|")])
            for clause in _clauses(fields.get(name, ""))
        )

    def single(name: str) -> tuple[Relation, ...]:
        return tuple(
            _relation(clause, own_architecture, name, file) for clause in _clauses(fields.get(name, ""))
        )

    return Relations(
        depends=_unique(formulas("Pre-Depends") + formulas("Depends")),
        recommends=_unique(formulas("Recommends")),
        provides=tuple(dict.fromkeys(_provide(relation, file) for relation in single("Provides"))),
        conflicts=tuple(dict.fromkeys(single("Conflicts"))),
        breaks=tuple(dict.fromkeys(single("Breaks"))),
        replaces=tuple(dict.fromkeys(single("Replaces"))),
    )


def _clauses(field: str) -> list[str]:
    """The parts between commas; a trailing comma is common and means nothing."""
    return [clause for clause in (part.strip() for part in field.split(",")) if clause]


def _formula(relations: list[Relation]) -> Formula:
    return relations[0] if len(relations) == 1 else AnyOf(tuple(relations))


def _unique(formulas: tuple[Formula, ...]) -> tuple[Formula, ...]:
    return tuple(dict.fromkeys(formulas))


def _relation(text: str, own_architecture: str, field: str, file: str) -> Relation:
    found = _RELATION.fullmatch(text.strip())
    if found is None:
        raise _bad(file, f"{field}: {text.strip()[:80]!r} is no relation to a package")
    version, arch = found["version"], found["arch"]
    if version is not None:
        _check_version(version, field, file)
    if arch is not None:
        arch = debian_architecture(arch)
    operator = None if version is None else OPERATORS[found["operator"]]
    return Relation(found["name"], operator, version, None if arch == own_architecture else arch)


def _provide(relation: Relation, file: str) -> Provide:
    if relation.operator not in (None, Operator.EQ):
        raise _bad(file, f"Provides: '{relation}' is provided in a range of versions; only '=' is possible")
    return Provide(relation.name, relation.version)


def _plain_needs(formulas: Iterable[Formula]) -> Iterable[Capability]:
    return (
        Capability(CapabilityKind.NAME, formula.name)
        for formula in formulas
        if isinstance(formula, Relation) and formula.arch in (None, "any", "native")
    )


def _plain_conflicts(relations: Relations) -> Iterable[Capability]:
    """Without versions, and without what the package itself provides: Debian's packages do not conflict
    with themselves."""
    own = {provide.name for provide in relations.provides}
    return (
        Capability(CapabilityKind.NAME, relation.name)
        for relation in relations.conflicts + relations.breaks
        if relation.operator is None and relation.arch is None and relation.name not in own
    )


def debian_architecture(debian: str) -> str:
    return "noarch" if debian == "all" else stone_architecture(debian)


def _sorted(capabilities: Iterable[Capability]) -> tuple[Capability, ...]:
    return tuple(sorted(set(capabilities), key=lambda capability: capability.full_text))


def _required(fields: Fields, name: str, file: str) -> str:
    value = fields.get(name, "").strip()
    if not value:
        raise _bad(file, f"the field '{name}' is missing")
    if name == "Version":
        _check_version(value, name, file)
    elif not _NAME.fullmatch(value):
        raise _bad(file, f"the field '{name}' is {value[:60]!r}, which cannot be one")
    return value


def _check_version(version: str, field: str, file: str) -> None:
    try:
        sort_key(Scheme.DEB, version)
    except VersionError as error:
        raise _bad(file, f"{field}: {error}") from error


def _bad(file: str, message: str) -> CorruptData:
    return CorruptData(
        message, file=file, remedies=["get the package again, or ask its maker to mend its control file"]
    )
