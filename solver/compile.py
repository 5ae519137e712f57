"""Packages into the arrays of a universe.

Everything is numbered in the order of the sorted packages, so the table does not depend on the
order in which they came. `solver.assemble` numbers, `solver.matching` finds what matches what.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import TYPE_CHECKING

from solver.model import ANY_ARCH, AnyOf, Formula, Operator, Package, Provide, Relation, relations_of
from solver.uncollected import uncollected
from solver.version import Scheme, VersionError, compare_keys

if TYPE_CHECKING:
    from solver.assemble import Version

ARRAYS = (
    *("text_start", "repositories", "priorities", "arches", "patterns", "qualified"),
    *("capability_text", "capability_slot", "capability_first", "capability_end"),
    *("provider_start", "provider", "provider_version", "provider_key"),
    *("supplementer_start", "supplementer", "replacer_start", "replacer"),
    *("name", "version", "version_key", "key", "key_slot", "scheme", "arch", "repository"),
    *("flags", "size_low", "size_high", "installed_low", "installed_high"),
    *("provides_start", "provides_capability", "provides_version", "provides_key"),
    *("depends_start", "depends", "recommends_start", "recommends"),
    *("supplements_start", "supplements", "conflicts_start", "conflicts"),
    *("breaks_start", "breaks", "replaces_start", "replaces"),
    *("relation_capability", "relation_operator", "relation_version", "relation_key"),
    *("relation_scheme", "relation_arch", "match_start", "match"),
    *("formula_text", "formula_scheme", "part_start", "part"),
    *("choice_start", "choice", "preferred"),
)
NO_TEXT = -1
MULTI_VERSION, EVERY_ARCH = 1, 2
"""Flags of a package."""
OPERATORS = (None, *Operator)
_SHOWN = 20

# Whether a provide without a version satisfies a relation that wants one (libsolv's disttypes and
# the CUDF specification; Debian policy 7.5 says no).
UNVERSIONED_MATCHES = {Scheme.DEB: False, Scheme.RPM: True, Scheme.STONE: False, Scheme.INTEGER: True}


class ModelError(ValueError):
    """Packages that cannot be compiled: everything that is wrong with them, in `faults`."""

    def __init__(self, faults: list[str]) -> None:
        more = f"\n… and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        super().__init__("\n".join(faults[:_SHOWN]) + more)
        self.faults = tuple(faults)


def any_arch(arch: str | None) -> bool:
    """Whether a relation's architecture limits nothing."""
    return arch is None or arch in ANY_ARCH


def without_arch(capability: bytes) -> bytes:
    """The name in `name:i386`, which a package of another architecture has beside one of the machine's own; nothing
    where it is not of this form."""
    return capability.rpartition(b":")[0] if b":" in capability and capability[-1:] != b")" else b""


def version_matches(operator: Operator, scheme: Scheme, provided: bytes | None, wanted: bytes | None) -> bool:
    """Whether a provider's version (its sort key, None for none) satisfies a relation's."""
    if provided is None:
        return UNVERSIONED_MATCHES[scheme]
    return wanted is not None and operator.holds(compare_keys(scheme, provided, wanted))


@uncollected()
def compile_packages(packages: Iterable[Package]) -> bytes:
    """The compiled table. Raises ModelError."""
    compiler = _Compiler()
    for package in _in_order(packages, compiler.faults):
        compiler.add(package)
    if compiler.faults:
        raise ModelError(compiler.faults)
    return compiler.assembly.packed()


def _in_order(packages: Iterable[Package], faults: list[str]) -> list[Package]:
    """Sorted, whatever their order was, for numbers go by it; the same package said twice is one."""
    by_key: dict[str, Package] = {}
    for package in packages:
        known = by_key.setdefault(package.key, package)
        if known is not package and known != package:
            faults.append(f"two packages have the key {package.key}: {known} and {package}")
    return sorted(by_key.values(), key=attrgetter("name", "repository", "key"))


class _Compiler:
    """Takes packages apart into the numbers of an assembly."""

    def __init__(self) -> None:
        from solver.assemble import Assembly  # who opens a universe needs nothing of how it was made

        self.assembly = Assembly()
        self.faults: list[str] = []
        # By scheme and identity, which is quicker than by value; all that is numbered is kept, so
        # that its id stays its own.
        self.seen: list[dict[int, int]] = [{} for _ in Scheme]
        self.kept: list[Formula] = []

    def add(self, package: Package) -> None:
        scheme, assembly = package.scheme, self.assembly
        assembly.add(
            package.key,
            name=assembly.capability(package.name),
            version=self.version(package.version, scheme, package.name),
            scheme=scheme,
            arch=assembly.text(package.arch.encode()),
            repository=assembly.text(package.repository.encode()),
            size=package.size,
            installed_size=package.installed_size,
            flags=MULTI_VERSION * package.multi_version | EVERY_ARCH * package.every_arch,
            provides=[self.provide(provide, scheme) for provide in package.provides],
            listed={
                "depends": self.formulas(package.depends, scheme),
                "recommends": self.formulas(package.recommends, scheme),
                "supplements": self.formulas(package.supplements, scheme),
                "conflicts": self.relations(package.conflicts, scheme),
                "breaks": self.relations(package.breaks, scheme),
                "replaces": self.relations(package.replaces, scheme),
            },
        )

    def provide(self, provide: Provide, scheme: Scheme) -> tuple[int, Version]:
        return self.assembly.capability(provide.name), self.version(provide.version, scheme, provide)

    def version(self, version: str | None, scheme: Scheme, of: object) -> Version:
        try:
            return self.assembly.version(scheme, version)
        except VersionError as error:
            self.faults.append(f"{of}: {error}")
            return self.assembly.version(scheme, None)

    def relations(self, relations: Iterable[Relation], scheme: Scheme) -> list[int]:
        return [
            self.assembly.relation(scheme, one.name, one.operator, self.version(one.version, scheme, one), one.arch)
            for one in relations
        ]

    def formulas(self, formulas: Iterable[Formula], scheme: Scheme) -> list[int]:
        seen = self.seen[scheme]
        return [
            number if (number := seen.get(id(formula))) is not None else self.formula(formula, scheme)
            for formula in formulas
        ]

    def formula(self, formula: Formula, scheme: Scheme) -> int:
        text = None if is_plain(formula) else str(formula)
        number = self.assembly.formula(scheme, self.relations(relations_of(formula), scheme), text)
        self.seen[scheme][id(formula)] = number
        self.kept.append(formula)
        return number


def is_plain(formula: Formula) -> bool:
    """Whether a formula is one relation or a choice among several, as nearly all are."""
    if isinstance(formula, Relation):
        return True
    return (
        isinstance(formula, AnyOf)
        and len(formula.parts) > 1
        and all(isinstance(part, Relation) for part in formula.parts)
    )
