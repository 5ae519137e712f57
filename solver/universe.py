"""A compiled universe: the packages of one repository revision as an immutable table.

Packages, capabilities, relations and formulas are numbered. What a relation matches within its own
universe is decided when the table is compiled; `solver.pool` joins several universes.

    package     → depends, recommends, supplements (formulas), conflicts, breaks, replaces (relations)
    formula     → relations, and the candidates of a plain alternative, the preferred ones first
    relation    → capability, operator, version, architecture, candidates
    capability  → packages of this name, newest first; all providers
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

from solver.compile import ARRAYS, EVERY_ARCH, MULTI_VERSION, NO_TEXT, OPERATORS, compile_packages
from solver.formula import parse_formula
from solver.model import AnyOf, Formula, Package, Provide, Relation
from solver.tables import unpack
from solver.version import Scheme


class Universe:
    """The numbered packages of one buffer; reading it copies nothing."""

    def __init__(self, buffer: bytes | memoryview) -> None:
        view = memoryview(buffer).cast("B") if not isinstance(buffer, bytes) else memoryview(buffer)
        views, texts = unpack(ARRAYS, view)
        self._source, self._skip = _sliced_quickly(view, texts)
        self.text_start = views["text_start"]
        self.patterns, self.qualified = views["patterns"], views["qualified"]
        self.repositories, self.arches = views["repositories"], views["arches"]
        self.priorities = views["priorities"]  # those of the repositories that packages are sorted for
        self._few_texts: dict[int, str] = {}  # of repositories and architectures
        self.capability_text = views["capability_text"]
        self.capability_slot = views["capability_slot"]
        self.capability_first = views["capability_first"]
        self.capability_end = views["capability_end"]
        self.provider_start, self.provider = views["provider_start"], views["provider"]
        self.provider_version = views["provider_version"]
        self.provider_key = views["provider_key"]
        self.supplementer_start = views["supplementer_start"]
        self.supplementer = views["supplementer"]
        self.replacer_start, self.replacer = views["replacer_start"], views["replacer"]
        self.name, self.version = views["name"], views["version"]
        self.version_key = views["version_key"]
        self.key, self.key_slot = views["key"], views["key_slot"]
        self.scheme, self.arch = views["scheme"], views["arch"]
        self.repository, self.flags = views["repository"], views["flags"]
        self.size_low, self.size_high = views["size_low"], views["size_high"]
        self.installed_low, self.installed_high = views["installed_low"], views["installed_high"]
        self.provides_start = views["provides_start"]
        self.provides_capability = views["provides_capability"]
        self.provides_version, self.provides_key = views["provides_version"], views["provides_key"]
        self.depends_start, self.depends = views["depends_start"], views["depends"]
        self.recommends_start, self.recommends = views["recommends_start"], views["recommends"]
        self.supplements_start, self.supplements = views["supplements_start"], views["supplements"]
        self.conflicts_start, self.conflicts = views["conflicts_start"], views["conflicts"]
        self.breaks_start, self.breaks = views["breaks_start"], views["breaks"]
        self.replaces_start, self.replaces = views["replaces_start"], views["replaces"]
        self.relation_capability = views["relation_capability"]
        self.relation_operator = views["relation_operator"]
        self.relation_version = views["relation_version"]
        self.relation_key = views["relation_key"]
        self.relation_scheme = views["relation_scheme"]
        self.relation_arch = views["relation_arch"]
        self.match_start, self.match = views["match_start"], views["match"]
        self.formula_text = views["formula_text"]
        self.formula_scheme = views["formula_scheme"]
        self.part_start, self.part = views["part_start"], views["part"]
        self.choice_start, self.choice = views["choice_start"], views["choice"]
        self.preferred = views["preferred"]

    @staticmethod
    def compile(packages: Iterable[Package]) -> bytes:
        """The table of these packages, the same whatever their order.

        Raises ModelError, which lists all that is wrong: two packages of one key, versions that
        are none.
        """
        return compile_packages(packages)

    @classmethod
    def from_bytes(cls, buffer: bytes | memoryview) -> Universe:
        """The universe in a buffer, which must stay as it is. Raises UniverseError."""
        return cls(buffer)

    @classmethod
    def of(cls, packages: Iterable[Package]) -> Universe:
        """Compiled and opened in one go."""
        return cls(compile_packages(packages))

    def __len__(self) -> int:
        return len(self.name)

    @property
    def texts(self) -> bytes:
        """All texts, one after the other."""
        return self._source[self._skip : self._skip + self.text_start[-1]]

    def text_bytes(self, number: int) -> bytes:
        """The bytes of a numbered text."""
        starts, skip = self.text_start, self._skip
        return self._source[skip + starts[number] : skip + starts[number + 1]]

    def text(self, number: int) -> str:
        """A numbered text."""
        starts, skip = self.text_start, self._skip
        return self._source[skip + starts[number] : skip + starts[number + 1]].decode()

    def open_texts(self) -> list[str]:
        """The capabilities that a fact of the machine may be meant by: patterns, and `kind(name)` that nobody
        here provides."""
        return [self.text(self.capability_text[number]) for number in self.patterns]

    def capability(self, name: bytes) -> int:
        """The number of a capability, or -1 where nothing here mentions it."""
        return self.capability_hashed(name, zlib.crc32(name))

    def capability_hashed(self, name: bytes, value: int) -> int:
        """`capability`, its hash already at hand."""
        slots, source, starts, skip = self.capability_slot, self._source, self.text_start, self._skip
        mask = len(slots) - 1
        slot = value & mask
        while number := slots[slot]:
            text = self.capability_text[number - 1]
            if source[skip + starts[text] : skip + starts[text + 1]] == name:
                return number - 1
            slot = (slot + 1) & mask
        return -1

    def package_of_key(self, key: bytes) -> int:
        """The package with this key, or -1."""
        slots = self.key_slot
        mask = len(slots) - 1
        slot = zlib.crc32(key) & mask
        while number := slots[slot]:
            if self.text_bytes(self.key[number - 1]) == key:
                return number - 1
            slot = (slot + 1) & mask
        return -1

    def named(self, capability: int) -> range:
        """The packages whose name is this capability, newest first."""
        return range(self.capability_first[capability], self.capability_end[capability])

    def name_of(self, package: int) -> str:
        """A package's name."""
        return self.text(self.capability_text[self.name[package]])

    def is_multi_version(self, package: int) -> bool:
        """Whether other versions may be installed beside it."""
        return bool(self.flags[package] & MULTI_VERSION)

    def is_for_every_arch(self, package: int) -> bool:
        """Whether it meets needs of its name in other architectures too."""
        return bool(self.flags[package] & EVERY_ARCH)

    def has_other_archs(self) -> bool:
        """Whether a package has its architecture in its name, to stand beside the machine's own."""
        return any(len(self.named(capability)) for capability in self.qualified)

    def told(self, package: int) -> tuple[str, str, str, str]:
        """A package's name, version, repository and key."""
        source, starts, skip, repository = self._source, self.text_start, self._skip, self.repository[package]
        name, version, key = self.capability_text[self.name[package]], self.version[package], self.key[package]
        return (
            source[skip + starts[name] : skip + starts[name + 1]].decode(),
            source[skip + starts[version] : skip + starts[version + 1]].decode(),
            self._few_texts.get(repository) or self._few_text(repository),
            source[skip + starts[key] : skip + starts[key + 1]].decode(),
        )

    def details(self, package: int) -> tuple[int, str, int, int | None]:
        """How its version is written, its architecture, its sizes."""
        arch, high = self.arch[package], self.installed_high[package]
        return (
            self.scheme[package],
            self._few_texts.get(arch) or self._few_text(arch),
            self.size_high[package] << 31 | self.size_low[package],
            None if high < 0 else high << 31 | self.installed_low[package],
        )

    def _few_text(self, number: int) -> str:
        if number not in self._few_texts:
            self._few_texts[number] = self.text(number)
        return self._few_texts[number]

    def relation(self, number: int) -> Relation:
        """A numbered relation as a value."""
        name = self.text(self.capability_text[self.relation_capability[number]])
        operator = OPERATORS[self.relation_operator[number]]
        version, arch = self.relation_version[number], self.relation_arch[number]
        return Relation(
            name,
            operator,
            None if operator is None else self.text(version),
            None if arch == NO_TEXT else self.text(arch),
        )

    def formula(self, number: int) -> Formula:
        """A numbered formula as a value."""
        text = self.formula_text[number]
        if text != NO_TEXT:
            return parse_formula(self.text(text))
        first, end = self.part_start[number], self.part_start[number + 1]
        parts = tuple(self.relation(relation) for relation in self.part[first:end])
        return parts[0] if len(parts) == 1 else AnyOf(parts)

    def package(self, number: int) -> Package:
        """A package as it was compiled."""

        def formulas(start: memoryview[int], flat: memoryview[int]) -> tuple[Formula, ...]:
            return tuple(self.formula(f) for f in flat[start[number] : start[number + 1]])

        def relations(start: memoryview[int], flat: memoryview[int]) -> tuple[Relation, ...]:
            return tuple(self.relation(r) for r in flat[start[number] : start[number + 1]])

        return Package(
            key=self.text(self.key[number]),
            name=self.name_of(number),
            version=self.text(self.version[number]),
            scheme=Scheme(self.scheme[number]),
            arch=self.text(self.arch[number]),
            repository=self.text(self.repository[number]),
            provides=self.provides(number),
            depends=formulas(self.depends_start, self.depends),
            conflicts=relations(self.conflicts_start, self.conflicts),
            breaks=relations(self.breaks_start, self.breaks),
            replaces=relations(self.replaces_start, self.replaces),
            recommends=formulas(self.recommends_start, self.recommends),
            supplements=formulas(self.supplements_start, self.supplements),
            multi_version=self.is_multi_version(number),
            every_arch=self.is_for_every_arch(number),
            size=self.size(number),
            installed_size=self.installed_size(number),
        )

    def provides(self, package: int) -> tuple[Provide, ...]:
        """What a package says it provides."""
        first, end = self.provides_start[package], self.provides_start[package + 1]
        return tuple(
            Provide(
                self.text(self.capability_text[self.provides_capability[at]]),
                None if self.provides_version[at] == NO_TEXT else self.text(self.provides_version[at]),
            )
            for at in range(first, end)
        )

    def size(self, package: int) -> int:
        """Bytes, as the package says."""
        return self.size_high[package] << 31 | self.size_low[package]

    def installed_size(self, package: int) -> int | None:
        """Bytes, as the package says."""
        high = self.installed_high[package]
        return None if high < 0 else high << 31 | self.installed_low[package]


def _sliced_quickly(view: memoryview[int], texts: memoryview[int]) -> tuple[bytes, int]:
    """What to slice for a text, and where the texts begin in it.

    A slice of bytes, or of a mapped file, is made three times as fast as one of a view of them.
    """
    source: Any = view.obj
    if len(source) == len(view) and isinstance(source[:0], bytes):
        return source, len(view) - len(texts)
    return bytes(texts), 0
