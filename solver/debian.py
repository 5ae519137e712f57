"""Debian control fields as packages, from the text of a Packages index or of dpkg's status file.

Pure text in, values out; who fetches and checks the index is the caller's affair. Relations read as
policy 7.1 says: alternatives are `|`, conjunctions `,`; `<<` and `>>` are < and >, and the obsolete
`<` and `>` mean <= and >=. Essential packages are not told apart here.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from solver.model import AnyOf, Formula, Operator, Package, Provide, Relation
from solver.version import Scheme

_FIELD = re.compile(
    r"^(Package|Version|Architecture|Size|SHA256|Status|Depends|Pre-Depends|Recommends|Conflicts|Breaks"
    r"|Replaces|Provides): *(.*)$",
    re.MULTILINE,
)
_RELATION = re.compile(
    r"\s*([a-zA-Z0-9][a-zA-Z0-9+.\-_]*)(?::([a-zA-Z0-9\-]+))?\s*(?:\(\s*([<>=]+)\s*([^\s)]+)\s*\))?\s*\Z"
)
_OPERATORS = {
    "<<": Operator.LT,
    "<=": Operator.LE,
    "<": Operator.LE,
    "=": Operator.EQ,
    ">": Operator.GE,
    ">=": Operator.GE,
    ">>": Operator.GT,
}


class DebianError(ValueError):
    """A control field that cannot be read."""


def read_packages(text: str, repository: str = "") -> Iterator[Package]:
    """The packages of an index; of a status file, those that are installed. Raises DebianError.

    The key is the SHA256 of the .deb, or name, version and architecture where it is not given.
    """
    for stanza in text.split("\n\n"):
        fields = dict(_FIELD.findall(stanza))
        if "Package" in fields and fields.get("Status", " installed").endswith(" installed"):
            yield read_package(fields, repository)


def read_package(fields: dict[str, str], repository: str = "") -> Package:
    """One package from its control fields. Raises DebianError."""
    name = fields["Package"]
    try:
        version, arch = fields["Version"], fields.get("Architecture", "")
        depends = read_depends(fields.get("Pre-Depends", "")) + read_depends(fields.get("Depends", ""))
        return Package(
            key=fields.get("SHA256") or f"{name}_{version}_{arch}",
            name=name,
            version=version,
            scheme=Scheme.DEB,
            arch=arch,
            repository=repository,
            provides=_read_provides(fields.get("Provides", "")),
            depends=tuple(dict.fromkeys(depends)) if "Pre-Depends" in fields else depends,
            conflicts=_read_relations(fields.get("Conflicts", "")),
            breaks=_read_relations(fields.get("Breaks", "")),
            replaces=_read_relations(fields.get("Replaces", "")),
            recommends=read_depends(fields.get("Recommends", "")),
            size=int(fields.get("Size", "0")),
        )
    except (KeyError, ValueError) as error:
        raise DebianError(f"{name}: {error}") from error


def read_depends(text: str) -> tuple[Formula, ...]:
    """A field of dependencies. Raises DebianError."""
    return tuple([_read_choice(part) for part in text.split(",") if part.strip()]) if text else ()


@lru_cache(maxsize=1 << 17)
def _read_choice(text: str) -> Formula:
    if "|" not in text:
        return _read_relation(text)
    relations = tuple(dict.fromkeys(_read_relation(part) for part in text.split("|")))
    return relations[0] if len(relations) == 1 else AnyOf(relations)


@lru_cache(maxsize=1 << 17)
def _read_relation(text: str) -> Relation:
    match = _RELATION.match(text)
    if match is None or (match[3] and match[3] not in _OPERATORS):
        raise DebianError(f"not a relation: {text.strip()!r}")
    name, arch, operator, version = match.groups()
    return Relation(name, _OPERATORS[operator] if operator else None, version, arch)


@lru_cache(maxsize=1 << 14)
def _read_relations(text: str) -> tuple[Relation, ...]:
    return tuple([_read_relation(part) for part in text.split(",") if part.strip()]) if text else ()


@lru_cache(maxsize=1 << 14)
def _read_provides(text: str) -> tuple[Provide, ...]:
    return tuple(Provide(relation.name, relation.version) for relation in _read_relations(text))
