"""Packages into the arrays of a universe.

Everything is numbered in the order of the sorted packages, so the table does not depend on the
order in which they came. Relations and formulas that read the same are kept once, and what each
matches among these packages is looked up here, while nobody waits.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from zlib import crc32

from solver.model import AnyOf, Formula, Operator, Package, Provide, Relation, relations_of
from solver.tables import pack, rows
from solver.version import Scheme, VersionError, compare_keys, sort_key

ARRAYS = (
    *("text_start", "repositories", "arches", "patterns"),
    *("capability_text", "capability_slot", "capability_first", "capability_end"),
    *("provider_start", "provider", "provider_version", "provider_key"),
    *("supplementer_start", "supplementer", "replacer_start", "replacer"),
    *("name", "version", "version_key", "key", "key_slot", "scheme", "arch", "repository"),
    *("flags", "size_low", "size_high"),
    *("provides_start", "provides_capability", "provides_version"),
    *("depends_start", "depends", "recommends_start", "recommends"),
    *("supplements_start", "supplements", "conflicts_start", "conflicts"),
    *("breaks_start", "breaks", "replaces_start", "replaces"),
    *("relation_capability", "relation_operator", "relation_version", "relation_key"),
    *("relation_scheme", "relation_arch", "match_start", "match"),
    *("formula_text", "formula_scheme", "part_start", "part"),
    *("choice_start", "choice", "preferred"),
)
# What every package has one of, in the order of `_Compiler.rows`.
_ROW = (
    *("name", "version", "version_key", "key", "scheme"),
    *("arch", "repository", "flags", "size_low", "size_high"),
)
NO_TEXT = -1
MULTI_VERSION = 1
OPERATORS = (None, *Operator)
_OPERATOR_NUMBER = {operator: number for number, operator in enumerate(OPERATORS)}
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
    return arch is None or arch == "any" or arch == "native"


def version_matches(operator: Operator, scheme: Scheme, provided: bytes | None, wanted: bytes | None) -> bool:
    """Whether a provider's version (its sort key, None for none) satisfies a relation's."""
    if provided is None:
        return UNVERSIONED_MATCHES[scheme]
    return wanted is not None and operator.holds(compare_keys(scheme, provided, wanted))


def compile_packages(packages: Iterable[Package]) -> bytes:
    """The compiled table. Raises ModelError."""
    collecting = gc.isenabled()
    gc.disable()  # millions of small values, none of them garbage
    try:
        compiler = _Compiler()
        for package in _in_order(packages):
            compiler.add(package)
        if compiler.faults:
            raise ModelError(compiler.faults)
        compiler.match_relations()
        return compiler.packed()
    finally:
        if collecting:
            gc.enable()


def _in_order(packages: Iterable[Package]) -> list[Package]:
    """Sorted by name, newest first; the same package said twice is one."""
    by_key: dict[str, Package] = {}
    faults = []
    for package in packages:
        known = by_key.setdefault(package.key, package)
        if known is not package and known != package:
            faults.append(f"two packages have the key {package.key}: {known} and {package}")
    keyed = []
    for package in by_key.values():
        try:
            keyed.append((sort_key(package.scheme, package.version), package))
        except VersionError as error:
            faults.append(f"{package.name}: {error}")
    if faults:
        raise ModelError(faults)
    keyed.sort(key=lambda pair: (pair[1].repository, pair[1].key))
    keyed.sort(key=lambda pair: pair[0], reverse=True)
    keyed.sort(key=lambda pair: (pair[1].name, pair[1].scheme))
    return [package for _, package in keyed]


def _hash_slots(hashes: list[int]) -> array[int]:
    """An open-addressed table of numbers + 1, at most half full."""
    size = 8
    while size < 2 * len(hashes):
        size *= 2
    slots = [0] * size
    for number, value in enumerate(hashes, 1):
        slot = value & (size - 1)
        while slots[slot]:
            slot = (slot + 1) & (size - 1)
        slots[slot] = number
    return array("i", slots)


class _Compiler:
    """Numbers texts, capabilities, relations and formulas as packages are added."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.texts: dict[bytes, int] = {}
        self.capabilities: dict[str, int] = {}
        self.column: dict[str, list[int]] = {name: [] for name in ARRAYS}
        self.rows: list[tuple[int, ...]] = []
        self.listed: dict[str, list[list[int]]] = {
            name: [] for name in ("depends", "recommends", "supplements", "conflicts", "breaks", "replaces")
        }
        self.provides: list[list[tuple[int, int]]] = []
        self.providers: dict[int, list[tuple[int, int, int]]] = {}
        self.named: dict[int, list[int]] = {}
        # By scheme, then by value; and by identity, which is quicker: all that is numbered is kept,
        # so that its id stays its own.
        self.relations: list[dict[Relation, int]] = [{} for _ in Scheme]
        self.formulas: list[dict[Formula, int]] = [{} for _ in Scheme]
        self.seen: list[dict[int, int]] = [{} for _ in Scheme]
        self.kept: list[Formula] = []
        self.numbered: list[tuple[Relation, Scheme]] = []
        self.parts: list[list[int]] = []
        self.matches: list[tuple[list[int], list[int]]] = []
        self.choices: list[list[int]] = []

    def text(self, text: bytes) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def capability(self, name: str) -> int:
        return self.capabilities.setdefault(name, len(self.capabilities))

    def key(self, scheme: Scheme, version: str, where: object) -> int:
        try:
            return self.text(sort_key(scheme, version))
        except VersionError as error:
            self.faults.append(f"{where}: {error}")
            return NO_TEXT

    def add(self, package: Package) -> None:
        scheme, number, name = package.scheme, len(self.rows), self.capability(package.name)
        version = self.text(package.version.encode())
        key = self.key(scheme, package.version, package.name)
        self.rows.append(
            (
                *(name, version, key, self.text(package.key.encode()), scheme),
                *(self.text(package.arch.encode()), self.text(package.repository.encode())),
                MULTI_VERSION if package.multi_version else 0,
                *(package.size & 0x7FFFFFFF, package.size >> 31),
            )
        )
        self.named.setdefault(name, []).append(number)
        self.providers.setdefault(name, []).append((number, version, key))
        self.provides.append([self.provide(number, p, scheme) for p in package.provides])
        listed, formulas, relations = self.listed, self.formula_numbers, self.relation_numbers
        listed["depends"].append(formulas(package.depends, scheme))
        listed["recommends"].append(formulas(package.recommends, scheme))
        listed["supplements"].append(formulas(package.supplements, scheme))
        listed["conflicts"].append(relations(package.conflicts, scheme))
        listed["breaks"].append(relations(package.breaks, scheme))
        listed["replaces"].append(relations(package.replaces, scheme))

    def provide(self, package: int, provide: Provide, scheme: Scheme) -> tuple[int, int]:
        capability, version, key = self.capability(provide.name), NO_TEXT, NO_TEXT
        if provide.version is not None:
            version = self.text(provide.version.encode())
            key = self.key(scheme, provide.version, provide)
        self.providers.setdefault(capability, []).append((package, version, key))
        return capability, version

    def relation_numbers(self, relations: Sequence[Relation], scheme: Scheme) -> list[int]:
        return [self.relation(relation, scheme) for relation in relations] if relations else []

    def relation(self, relation: Relation, scheme: Scheme) -> int:
        known = self.relations[scheme]
        number = known.get(relation)
        if number is None:
            number = known[relation] = len(self.numbered)
            self.numbered.append((relation, scheme))
            version, arch, key = relation.version, relation.arch, NO_TEXT
            if version is not None:
                key = self.key(scheme, version, relation)
            column = self.column
            column["relation_capability"].append(self.capability(relation.name))
            column["relation_operator"].append(_OPERATOR_NUMBER[relation.operator])
            column["relation_scheme"].append(scheme)
            column["relation_key"].append(key)
            column["relation_version"].append(NO_TEXT if version is None else self.text(version.encode()))
            column["relation_arch"].append(NO_TEXT if arch is None else self.text(arch.encode()))
        return number

    def formula_numbers(self, formulas: Sequence[Formula], scheme: Scheme) -> list[int]:
        if not formulas:
            return []
        seen = self.seen[scheme]
        return [
            number if (number := seen.get(id(formula))) is not None else self.formula(formula, scheme)
            for formula in formulas
        ]

    def formula(self, formula: Formula, scheme: Scheme) -> int:
        known = self.formulas[scheme]
        number = known.get(formula)
        if number is None:
            number = known[formula] = len(self.parts)
            plain = is_plain(formula)
            self.parts.append(self.relation_numbers(tuple(relations_of(formula)), scheme))
            self.column["formula_text"].append(NO_TEXT if plain else self.text(str(formula).encode()))
            self.column["formula_scheme"].append(scheme)
        self.seen[scheme][id(formula)] = number
        self.kept.append(formula)
        return number

    def match_relations(self) -> None:
        """Fills what each relation and each plain alternative matches among these packages."""
        for name, numbers in zip(_ROW, zip(*self.rows, strict=True), strict=False):
            self.column[name] = list(numbers)
        keys = list(self.texts)
        matches = [self.matching(relation, scheme, keys) for relation, scheme in self.numbered]
        choices, preferred = [], self.column["preferred"]
        for text, parts in zip(self.column["formula_text"], self.parts, strict=True):
            chosen: dict[int, None] = {}
            first = 0
            for part in parts if text == NO_TEXT else ():
                named, others = matches[part]
                for group in (named, others):
                    chosen.update(dict.fromkeys(group))
                    first = first or len(chosen)
            choices.append(list(chosen))
            preferred.append(first)
        self.matches, self.choices = matches, choices

    def matching(self, relation: Relation, scheme: Scheme, keys: list[bytes]) -> tuple[list[int], list[int]]:
        """The packages of the name itself, then the others that provide it."""
        providers = self.providers.get(self.capabilities[relation.name])
        if not providers:
            return [], []
        operator, version, schemes = relation.operator, relation.version, self.column["scheme"]
        if operator is not None and version is not None:
            wanted = sort_key(scheme, version)
            found = [
                package
                for package, _, key in providers
                if schemes[package] == scheme
                and version_matches(operator, scheme, None if key == NO_TEXT else keys[key], wanted)
            ]
        else:
            found = [package for package, _, _ in providers]
        if not any_arch(relation.arch) and relation.arch is not None:
            arch, arches = self.texts.get(relation.arch.encode()), self.column["arch"]
            found = [package for package in found if arches[package] == arch]
        own = set(self.named.get(self.capabilities[relation.name], ()))
        every = sorted(dict.fromkeys(found))
        return [p for p in every if p in own], [p for p in every if p not in own]

    def packed(self) -> bytes:
        column = self.column
        capability_texts = [self.text(name.encode()) for name in self.capabilities]
        column["capability_text"] = capability_texts
        texts = list(self.texts)
        arrays = {name: array("i", numbers) for name, numbers in column.items()}
        arrays["capability_slot"] = _hash_slots([crc32(texts[t]) for t in capability_texts])
        arrays["key_slot"] = _hash_slots([crc32(texts[t]) for t in column["key"]])
        arrays["text_start"] = array("i", accumulate(map(len, texts), initial=0))
        patterns = [c for name, c in self.capabilities.items() if "*" in name or "?" in name]
        arrays["patterns"] = array("i", patterns)
        for several, one in (("repositories", "repository"), ("arches", "arch")):
            arrays[several] = array("i", sorted(set(column[one])))
        self.pack_capabilities(arrays)
        for name, lists in self.listed.items():
            arrays[name + "_start"], arrays[name] = rows(lists)
        provided = [[c for c, _ in pairs] for pairs in self.provides]
        arrays["provides_start"], arrays["provides_capability"] = rows(provided)
        arrays["provides_version"] = array("i", [v for pairs in self.provides for _, v in pairs])
        arrays["match_start"], arrays["match"] = rows([n + o for n, o in self.matches])
        arrays["part_start"], arrays["part"] = rows(self.parts)
        arrays["choice_start"], arrays["choice"] = rows(self.choices)
        return pack(ARRAYS, arrays, b"".join(texts))

    def pack_capabilities(self, arrays: dict[str, array[int]]) -> None:
        """Who is named so, who provides it, and whose supplements mention it."""
        count = len(self.capabilities)
        named = [self.named.get(c, ()) for c in range(count)]
        arrays["capability_first"] = array("i", [own[0] if own else 0 for own in named])
        arrays["capability_end"] = array("i", [own[-1] + 1 if own else 0 for own in named])
        providers = [self.providers.get(c, ()) for c in range(count)]
        flat = [provider for pairs in providers for provider in pairs]
        arrays["provider_start"] = array("i", accumulate(map(len, providers), initial=0))
        arrays["provider"] = array("i", [package for package, _, _ in flat])
        arrays["provider_version"] = array("i", [version for _, version, _ in flat])
        arrays["provider_key"] = array("i", [key for _, _, key in flat])
        supplementers: list[list[int]] = [[] for _ in range(count)]
        replacers: list[list[int]] = [[] for _ in range(count)]
        for package in range(len(self.provides)):
            formulas = self.listed["supplements"][package]
            self.index(package, {r for f in formulas for r in self.parts[f]}, supplementers)
            self.index(package, self.listed["replaces"][package], replacers)
        arrays["supplementer_start"], arrays["supplementer"] = rows(supplementers)
        arrays["replacer_start"], arrays["replacer"] = rows(replacers)

    def index(self, package: int, relations: Iterable[int], lists: list[list[int]]) -> None:
        """Notes the package with every capability of the relations."""
        capability_of = self.column["relation_capability"]
        for capability in {capability_of[relation] for relation in relations}:
            lists[capability].append(package)


def is_plain(formula: Formula) -> bool:
    """Whether a formula is one relation or a choice among several, as nearly all are."""
    if isinstance(formula, Relation):
        return True
    return (
        isinstance(formula, AnyOf)
        and len(formula.parts) > 1
        and all(isinstance(part, Relation) for part in formula.parts)
    )
