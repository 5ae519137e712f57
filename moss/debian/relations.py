"""Debian's relation fields as moss's relations, and a control paragraph as moss's metadata.

    Depends, Pre-Depends   -> depends       libc6 (>= 2.36), default-mta | mail-transport-agent
    Recommends             -> recommends
    Provides               -> provides      awk, libfoo (= 1.2)
    Conflicts, Breaks, Replaces             as they are called

The same paragraph gives the same metadata whether it comes from a .deb or from a repository's
Packages file. Suggests and Enhances ask for nothing and are left out. `:any` and `:native` stay with
the relation, as does `:ARCH` in moss's word, where it is not about a companion of that name
(`moss.debian.companion`); the package's own architecture says nothing and goes. A paragraph whose package is called
`libgl1:i386` is a companion's.

The plain tags of format v1 get what upstream can read: the names of needs without alternatives (that a
version is dropped only weakens them), provided names, and unversioned conflicts.
"""

import re
from collections.abc import Iterable, Mapping

from moss.architecture import stone_architecture
from moss.capability import Capability, CapabilityKind
from moss.debian.companion import companions_name, is_companion, named
from moss.debian.paragraph import Fields
from moss.errors import CorruptData
from moss.package import Metadata, Relations
from solver.compile import any_arch
from solver.model import AnyOf, Formula, Operator, Provide, Relation
from solver.values import replace
from solver.version import Scheme, VersionError, sort_key

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-]*(?::[a-z0-9][a-z0-9\-]*)?")
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
    name = _required(fields, "Package", file)
    relations = relations_of(fields, file)
    return Metadata(
        name=name,
        version=_required(fields, "Version", file),
        release=1,
        build_release=1,
        architecture=debian_architecture(architecture),
        summary=fields.summary,
        description=fields.description,
        homepage=fields.get("Homepage", "").strip(),
        source_id=(fields.get("Source", "").split() or [name.partition(":")[0]])[0],
        depends=_sorted(_plain_needs(relations.depends)),
        provides=_sorted(Capability(CapabilityKind.NAME, provide.name) for provide in relations.provides),
        conflicts=_sorted(_plain_conflicts(relations)),
        scheme=Scheme.DEB,
        rich_relations=relations,
        source_digest=source_digest,
    )


def relations_of(fields: Fields, file: str) -> Relations:
    """What the paragraph says about other packages."""
    own, is_second = fields.get("Architecture", "").strip(), is_companion(fields.get("Package", ""))

    def formulas(field: str) -> tuple[Formula, ...]:
        return tuple(
            _formula([_relation(text, own, is_second, field, file) for text in clause.split("|")])
            for clause in _clauses(fields.get(field, ""))
        )

    def single(field: str, companion: bool) -> tuple[Relation, ...]:
        return tuple(
            _relation(clause, own, companion, field, file) for clause in _clauses(fields.get(field, ""))
        )

    provided = single("Provides", False)
    provides = tuple(dict.fromkeys(_provide(relation, file) for relation in provided))

    def against(field: str) -> tuple[Relation, ...]:
        """What is said against a name is said of its packages of every architecture."""
        if not is_second:
            return single(field, False)
        own_names = {relation.name for relation in provided}
        return *single(field, True), *(one for one in single(field, False) if one.name not in own_names)

    if is_second:
        for_all = (Provide(*namesake(fields)), *provides) if serves_all(fields) else ()
        provides = (*(replace(one, name=companions_name(one.name, own)) for one in provides), *for_all)
    return Relations(
        depends=_unique(formulas("Pre-Depends") + formulas("Depends")),
        recommends=_unique(formulas("Recommends")),
        provides=provides,
        conflicts=tuple(dict.fromkeys((*against("Conflicts"), *(beside_namesake(fields) if is_second else ())))),
        breaks=tuple(dict.fromkeys(against("Breaks"))),
        replaces=tuple(dict.fromkeys(against("Replaces"))),
        serves_every_architecture=not is_second and serves_all(fields),
    )


def serves_all(fields: Mapping[str, str]) -> bool:
    """Whether what it provides is for packages of every architecture."""
    return fields.get("Multi-Arch", "").strip() == "foreign"


def namesake(fields: Mapping[str, str]) -> tuple[str, str]:
    """A companion's name as Debian has it, and its version."""
    return fields["Package"].partition(":")[0].strip(), fields["Version"].strip()


def beside_namesake(fields: Mapping[str, str]) -> tuple[Relation, Relation]:
    """With which versions of the machine's own package of its name a companion cannot be."""
    name, version = namesake(fields)
    not_older = Operator.GT if fields.get("Multi-Arch", "").strip() == "same" else Operator.GE
    return Relation(name, Operator.LT, version), Relation(name, not_older, version)


def _clauses(field: str) -> list[str]:
    """The parts between commas; a trailing comma is common and means nothing."""
    return [clause for clause in (part.strip() for part in field.split(",")) if clause]


def _formula(relations: list[Relation]) -> Formula:
    return relations[0] if len(relations) == 1 else AnyOf(tuple(relations))


def _unique(formulas: tuple[Formula, ...]) -> tuple[Formula, ...]:
    return tuple(dict.fromkeys(formulas))


def _relation(text: str, own: str, companion: bool, field: str, file: str) -> Relation:
    found = _RELATION.fullmatch(text.strip())
    if found is None:
        raise _bad(file, f"{field}: {text.strip()[:80]!r} is no relation to a package")
    version = found["version"]
    if version is not None:
        _check_version(version, field, file)
    operator = None if version is None else OPERATORS[found["operator"]]
    name, arch = named(found["name"], found["arch"], own, companion)
    return Relation(name, operator, version, arch)


def _provide(relation: Relation, file: str) -> Provide:
    if relation.operator not in (None, Operator.EQ):
        raise _bad(file, f"Provides: '{relation}' is provided in a range of versions; only '=' is possible")
    return Provide(relation.name, relation.version)


def _plain_needs(formulas: Iterable[Formula]) -> Iterable[Capability]:
    return (
        Capability(CapabilityKind.NAME, formula.name)
        for formula in formulas
        if isinstance(formula, Relation) and any_arch(formula.arch) and not is_companion(formula.name)
    )


def _plain_conflicts(relations: Relations) -> Iterable[Capability]:
    """Without versions, and without what the package itself provides: Debian's packages do not conflict
    with themselves."""
    own = {provide.name for provide in relations.provides}
    return (
        Capability(CapabilityKind.NAME, relation.name)
        for relation in relations.conflicts + relations.breaks
        if relation.operator is None and relation.arch is None
        and not is_companion(relation.name) and relation.name not in own
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
