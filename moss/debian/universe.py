"""A Packages index straight into a compiled universe.

An index says the same things over and over: of a million relations less than a tenth differ. Each text
is taken apart once and then stands for its number, so that no value is made of a package on the way.
The result is the universe that the packages' metadata would be compiled to; a test compares the two.
"""

import re

from moss.debian.index import Listed
from moss.debian.relations import OPERATORS, RELATION_PATTERN, debian_architecture
from moss.errors import CorruptData
from solver.compile import NO_TEXT
from solver.compile import _Compiler as Tables  # the numbering of a universe's texts and relations
from solver.model import Operator, Provide, Relation
from solver.version import Scheme, VersionError, sort_key

_RELATION = re.compile(rf"\s*{RELATION_PATTERN}\s*")
_Row = tuple[str, bytes, str, str, str, int, list[Provide], dict[str, list[int]]]
_FORMULAS = ("depends", "recommends")
_RELATIONS = {"conflicts": "Conflicts", "breaks": "Breaks", "replaces": "Replaces"}
_NOTHING: list[int] = []
_NO_PROVIDES: list[Provide] = []


class _Odd(Exception):
    """A text that is not written the usual way; what is wrong with it, if anything."""


class IndexCompiler:
    """Takes the packages of an index one by one; `compiled` is their universe.

    A package that comes twice counts once. CorruptData names the package whose fields are wrong.
    """

    def __init__(self, repository: str) -> None:
        self._repository = repository
        self._tables = Tables()
        self._rows: dict[str, _Row] = {}
        self._relation_numbers: dict[tuple[str, Operator | None, str | None, str | None], int] = {}
        self._formula_numbers: dict[tuple[int, ...], int] = {}
        # What a text stands for depends on the package's own architecture, which says nothing.
        self._clauses: dict[str, _Clauses] = {}
        self._provides: dict[str, list[Provide]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, listed: Listed, file: str) -> bool:
        """Whether it is new. `file` is where it is listed, for errors."""
        if listed.sha256 in self._rows:
            return False
        try:
            self._rows[listed.sha256] = self._row(listed)
        except (_Odd, VersionError) as wrong:
            raise CorruptData(
                f"the paragraph of {listed.label}: {wrong}",
                file=file,
                remedies=["moss repo update, or ask the repository's maker"],
            ) from wrong
        return True

    def _row(self, listed: Listed) -> _Row:
        fields, own = listed.fields, listed.architecture
        clauses = self._clauses.get(own)
        if clauses is None:
            clauses = self._clauses[own] = _Clauses(self, own)
        numbers: dict[str, list[int]] = {}
        needs = clauses.numbers(fields["Depends"]) if "Depends" in fields else _NOTHING
        if "Pre-Depends" in fields:
            needs = clauses.numbers(fields["Pre-Depends"]) + needs
        if needs:
            numbers["depends"] = list(dict.fromkeys(needs))
        if "Recommends" in fields:
            numbers["recommends"] = list(dict.fromkeys(clauses.numbers(fields["Recommends"])))
        for kind, name in _RELATIONS.items():
            if name in fields:
                numbers[kind] = list(dict.fromkeys(self._singles(fields[name], name, own)))
        provides = self._provided(fields["Provides"]) if "Provides" in fields else _NO_PROVIDES
        key = sort_key(Scheme.DEB, listed.version)
        return (
            listed.name, key, listed.version, listed.sha256, own, listed.size, provides, numbers,
        )  # fmt: skip

    def _singles(self, text: str, field: str, own: str) -> list[int]:
        return [self.relation(part, own, field) for part in text.split(",") if part.strip(" \0")]

    def _provided(self, text: str) -> list[Provide]:
        found = self._provides.get(text)
        if found is None:
            parts = [_parsed(part, "Provides") for part in text.split(",") if part.strip(" \0")]
            for name, operator, version, _ in parts:
                if operator not in (None, Operator.EQ):
                    raise _Odd(f"Provides: {name!r} is provided in a range of versions; only '=' is possible")
                if version is not None:
                    sort_key(Scheme.DEB, version)
            found = list(dict.fromkeys(Provide(name, version) for name, _, version, _ in parts))
            self._provides[text] = found
        return found

    def relation(self, text: str, own: str, field: str) -> int:
        """The number of a relation. _Odd says why it is none."""
        name, operator, version, arch = _parsed(text, field)
        if arch is not None:
            arch = debian_architecture(arch)
            if arch == own:
                arch = None
        value = (name, operator, version, arch)
        number = self._relation_numbers.get(value)
        if number is None:
            if version is not None:
                sort_key(Scheme.DEB, version)
            number = self._tables.relation(Relation(*value), Scheme.DEB)
            self._relation_numbers[value] = number
        return number

    def choice(self, relations: tuple[int, ...]) -> int:
        """The number of the formula that wants one of these; of one alone, that relation."""
        number = self._formula_numbers.get(relations)
        if number is None:
            number = self._formula_numbers[relations] = len(self._formula_numbers)
            tables = self._tables
            tables.parts.append(list(relations))
            tables.column["formula_text"].append(NO_TEXT)
            tables.column["formula_scheme"].append(Scheme.DEB)
        return number

    def compiled(self) -> bytes:
        """The universe of all that was added; afterwards the compiler is empty."""
        rows = sorted(self._rows.values(), key=lambda row: row[3])
        # What texts stand for is not asked any more; matching and packing need the room.
        for done in (self._rows, self._clauses, self._provides, self._relation_numbers, self._formula_numbers):
            done.clear()
        rows.sort(key=lambda row: row[1], reverse=True)
        rows.sort(key=lambda row: row[0])
        self._fill(rows)
        rows.clear()
        self._tables.match_relations()
        return self._tables.packed()

    def _fill(self, rows: list[_Row]) -> None:
        tables, column, texts = self._tables, self._tables.column, self._tables.texts
        text, capability = texts.setdefault, tables.capability
        listed = {kind: numbers.append for kind, numbers in tables.listed.items()}
        for number, (name, key, version, sha256, own, size, provides, numbers) in enumerate(rows):
            own_name = capability(name)
            version_text = text(version.encode(), len(texts))
            version_key = text(key, len(texts))
            column["name"].append(own_name)
            column["version"].append(version_text)
            column["version_key"].append(version_key)
            column["key"].append(text(b"sha256:" + sha256.encode(), len(texts)))
            column["arch"].append(text(own.encode(), len(texts)))
            column["size_low"].append(size & 0x7FFFFFFF)
            column["size_high"].append(size >> 31)
            tables.named.setdefault(own_name, []).append(number)
            tables.providers.setdefault(own_name, []).append((number, version_text, version_key))
            tables.provides.append([tables.provide(number, one, Scheme.DEB) for one in provides])
            for kind, append in listed.items():
                append(numbers.get(kind, _NOTHING))
        column["scheme"] = [Scheme.DEB] * len(rows)
        column["flags"] = [0] * len(rows)
        column["repository"] = [tables.text(self._repository.encode())] * len(rows)


class _Clauses(dict[str, int]):
    """From the text between two commas to the number of its formula, for packages of one architecture."""

    def __init__(self, compiler: IndexCompiler, own: str) -> None:
        self._compiler, self._own = compiler, own

    def numbers(self, text: str) -> list[int]:
        try:
            return [self[clause] for clause in text.split(", ")]
        except _Odd:  # perhaps only spaced in another way
            return [self[clause] for clause in text.replace("\0", " ").split(",") if clause.strip()]

    def __missing__(self, clause: str) -> int:
        relations = [self._compiler.relation(part, self._own, "Depends") for part in clause.split("|")]
        number = self[clause] = self._compiler.choice(tuple(relations))
        return number


def _parsed(text: str, field: str) -> tuple[str, Operator | None, str | None, str | None]:
    found = _RELATION.fullmatch(text.replace("\0", " "))
    if found is None:
        raise _Odd(f"{field}: {text.strip()[:80]!r} is no relation to a package")
    name, arch, operator, version = found.groups()
    return name, None if operator is None else OPERATORS[operator], version, arch
