"""A universe being put together: what comes is numbered at once, sorted and matched at the end.

Texts, capabilities, versions, relations and formulas that read the same are kept once. Nothing is made
of a package but numbers at the end of long arrays: a value each would take ten times the room.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from solver.compile import ARRAYS, NO_TEXT, OPERATORS
from solver.matching import capability_arrays, hash_slots, matched
from solver.model import Operator
from solver.numbering import FORMULAS, RELATION_COLUMNS, RELATIONS, Order, picked, renumber
from solver.tables import pack
from solver.version import Scheme, make_sort_key

LISTS = (*FORMULAS, *RELATIONS, "provides_capability")
START = {"provides_capability": "provides_start"}
COLUMNS = (
    *("name", "version", "version_key", "scheme", "arch", "repository"),
    *("flags", "size_low", "size_high", "installed_low", "installed_high"),
)
_OPERATOR_NUMBER = {operator: number for number, operator in enumerate(OPERATORS)}


class Version(NamedTuple):
    """The numbers of a version's text and of its sort key."""

    text: int
    key: int


NO_VERSION = Version(NO_TEXT, NO_TEXT)


class Assembly:
    """What was added so far. Versions raise VersionError where they are none."""

    def __init__(self) -> None:
        self.texts: dict[bytes, int] = {}
        self.capabilities: dict[str, int] = {}
        self.keys: dict[str, int] = {}
        """Of the packages, each with its row."""
        self.order: list[int] = []
        """Those rows in the order of the universe, once it is packed."""
        self._versions: list[dict[str, Version]] = [{} for _ in Scheme]
        # One package after another: a number for each column; what it lists, and where each list ends.
        self._rows, self._ends = array("i"), array("i")
        self._listed = {name: array("i") for name in LISTS}
        self._provides_version, self._provides_key = array("i"), array("i")
        self._relations: dict[tuple[int, ...], int] = {}
        self._formulas: dict[tuple[object, ...], int] = {}
        self._part_start, self._part = array("i", (0,)), array("i")
        self._formula_text, self._formula_scheme = array("i"), array("i")

    def text(self, text: bytes) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def capability(self, name: str) -> int:
        return self.capabilities.setdefault(name, len(self.capabilities))

    def version(self, scheme: Scheme, version: str | None) -> Version:
        if version is None:
            return NO_VERSION
        known = self._versions[scheme]
        found = known.get(version)
        if found is None:
            key = self.text(make_sort_key(scheme, version))
            found = known[version] = Version(self.text(version.encode()), key)
        return found

    def relation(self, scheme: Scheme, name: str, operator: Operator | None, version: Version, arch: str | None) -> int:
        value = (
            *(self.capability(name), _OPERATOR_NUMBER[operator], version.text, version.key, scheme),
            NO_TEXT if arch is None else self.text(arch.encode()),
        )
        return self._relations.setdefault(value, len(self._relations))

    def formula(self, scheme: Scheme, parts: Sequence[int], text: str | None = None) -> int:
        """What wants one of some relations; or, where it has a text, what that says of them."""
        value = (text, scheme, *parts)
        number = self._formulas.get(value)
        if number is None:
            number = self._formulas[value] = len(self._formulas)
            self._part.extend(parts)
            self._part_start.append(len(self._part))
            self._formula_text.append(NO_TEXT if text is None else self.text(text.encode()))
            self._formula_scheme.append(scheme)
        return number

    def add(
        self,
        key: str,
        *,
        name: int,
        version: Version,
        scheme: Scheme,
        arch: int,
        repository: int,
        size: int,
        installed_size: int | None,
        flags: int = 0,
        provides: Iterable[tuple[int, Version]] = (),
        listed: Mapping[str, Iterable[int]],
    ) -> None:
        """A package, by the numbers of what it is; `listed` holds its formulas (depends, recommends,
        supplements) and relations (conflicts, breaks, replaces). Its key must be new."""
        self.keys[key] = len(self._ends) // len(LISTS)
        takes = -1 if installed_size is None else installed_size
        self._rows.extend((
            name, version.text, version.key, scheme, arch, repository, flags,
            size & 0x7FFFFFFF, size >> 31, takes & 0x7FFFFFFF, takes >> 31,
        ))  # fmt: skip
        for capability, provided in provides:
            self._listed["provides_capability"].append(capability)
            self._provides_version.append(provided.text)
            self._provides_key.append(provided.key)
        for kind, numbers in listed.items():
            self._listed[kind].extend(numbers)
        self._ends.extend(map(len, self._listed.values()))

    def packed(self) -> bytes:
        """The universe of all that was added; the assembly is used up by it."""
        self._formulas.clear()
        self._versions.clear()
        packages, keys = self._sorted_packages()
        arrays = self._relation_columns() | packages
        mentioned = renumber(arrays)
        arrays["priorities"] = array("i", bytes(4 * len(arrays["repositories"])))
        texts, names = list(self.texts), list(self.capabilities)
        self.texts.clear()
        self.capabilities.clear()
        texts = [texts[number] for number in mentioned.texts]
        names = [names[number] for number in mentioned.capabilities]
        first_key, first_capability = len(texts), len(texts) + len(keys)
        texts += [*keys, *(name.encode() for name in names)]
        arrays["key"] = array("i", range(first_key, first_capability))
        arrays["capability_text"] = array("i", range(first_capability, len(texts)))
        arrays["key_slot"] = hash_slots(keys)
        arrays["capability_slot"] = hash_slots(texts[first_capability:])
        arrays["patterns"] = array("i", _open(names, arrays))
        arrays["text_start"] = array("i", accumulate(map(len, texts), initial=0))
        arrays |= capability_arrays(len(names), arrays)
        arrays |= matched(arrays, texts)
        return pack(ARRAYS, arrays, b"".join(texts))

    def _relation_columns(self) -> dict[str, array[int]]:
        columns = zip(*self._relations, strict=True) if self._relations else ((),) * 6
        arrays = {name: array("i", column) for name, column in zip(RELATION_COLUMNS, columns, strict=True)}
        self._relations.clear()
        arrays["part_start"], arrays["part"] = self._part_start, self._part
        arrays["formula_text"], arrays["formula_scheme"] = self._formula_text, self._formula_scheme
        return arrays

    def _sorted_packages(self) -> tuple[dict[str, array[int]], list[bytes]]:
        """By name, newest first; what is left equal, by repository and key. With their keys."""
        column = {name: self._rows[at :: len(COLUMNS)] for at, name in enumerate(COLUMNS)}
        texts, names = list(self.texts), list(self.capabilities)
        keys = dict(zip(self.keys.values(), self.keys, strict=True))
        self.keys.clear()
        order = sorted(sorted(keys), key=[names[number] for number in column["name"]].__getitem__)
        for first, end in _runs([column["name"][at] for at in order]):
            order[first:end] = sorted(order[first:end], key=lambda at: (texts[column["repository"][at]], keys[at]))
            order[first:end] = sorted(
                order[first:end],
                key=lambda at: (-column["scheme"][at], texts[column["version_key"][at]]),
                reverse=True,
            )
        self.order = order
        arrays = {name: picked(numbers, order) for name, numbers in column.items()}
        several = Order(order)
        for number, (name, flat) in enumerate(self._listed.items()):
            start = array("i", (0,)) + self._ends[number :: len(LISTS)]
            beside = (self._provides_version, self._provides_key) if name == "provides_capability" else ()
            new_start, (arrays[name], *others) = several.lists(start, flat, *beside)
            arrays[START.get(name, f"{name}_start")] = new_start
            arrays |= zip(("provides_version", "provides_key"), others, strict=False)
        return arrays, [keys[at].encode() for at in order]


def _open(names: Sequence[str], arrays: Mapping[str, array[int]]) -> list[int]:
    """The capabilities that a fact of the machine may be meant by: patterns, and what is of a kind, as in
    `kind(name)`, and is provided by nobody here."""
    provided = set(arrays["provides_capability"])
    return [
        number
        for number, name in enumerate(names)
        if "*" in name or "?" in name or ("(" in name and number not in provided)
    ]


def _runs(names: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where several in a row have the same name."""
    first = 0
    for at in range(1, len(names) + 1):
        if at == len(names) or names[at] != names[first]:
            if at - first > 1:
                yield first, at
            first = at
