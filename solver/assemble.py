"""A universe being put together: what comes is numbered at once, sorted and matched at the end.

Texts, capabilities, versions, relations and formulas that read the same are kept once. Nothing is made
of a package but numbers at the end of long arrays: a value each would take ten times the room.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from struct import Struct
from typing import NamedTuple

from solver.compile import ARRAYS, NO_TEXT, OPERATORS
from solver.matching import capability_arrays, hash_slots, matched
from solver.model import Operator
from solver.numbering import FORMULAS, RELATIONS, Order, renumber, together
from solver.tables import pack
from solver.version import Scheme, make_sort_key

LISTS = (*FORMULAS, *RELATIONS, "provides_capability")
START = {"provides_capability": "provides_start"}
COLUMNS = (
    *("name", "version", "version_key", "scheme", "arch", "repository"),
    *("flags", "size_low", "size_high", "installed_low", "installed_high"),
)
# Where in the sizes of the last package that of a list is; a package that lists nothing.
_AT = {name: at - len(LISTS) for at, name in enumerate(LISTS)}
_NO_LISTS = array("i", bytes(4 * len(LISTS)))
_row = Struct(f"{len(COLUMNS)}i").pack  # a quarter of the time that an array takes to be extended by them
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
        # One package after another: a number for each column, and how long each of its lists is.
        self._rows, self._sizes = bytearray(), array("i")
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
        arch_text = NO_TEXT if arch is None else self.text(arch.encode())
        value = (self.capability(name), _OPERATOR_NUMBER[operator], version.text, version.key, scheme, arch_text)
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
        provides: Collection[tuple[int, Version]] = (),
        listed: Mapping[str, Collection[int]],
    ) -> None:
        """A package, by the numbers of what it is; `listed` holds its formulas (depends, recommends,
        supplements) and relations (conflicts, breaks, replaces). Its key must be new."""
        self.keys[key] = len(self._sizes) // len(LISTS)
        takes = -1 if installed_size is None else installed_size
        self._rows += _row(
            name, version.text, version.key, scheme, arch, repository, flags,
            size & 0x7FFFFFFF, size >> 31, takes & 0x7FFFFFFF, takes >> 31,
        )  # fmt: skip
        self._sizes.extend(_NO_LISTS)
        for kind, numbers in listed.items():
            self._listed[kind].extend(numbers)
            self._sizes[_AT[kind]] = len(numbers)
        if provides:
            for capability, provided in provides:
                self._listed["provides_capability"].append(capability)
                self._provides_version.append(provided.text)
                self._provides_key.append(provided.key)
            self._sizes[_AT["provides_capability"]] = len(provides)

    def packed(self) -> bytes:
        """The universe of all that was added; the assembly is used up by it."""
        self._formulas.clear()
        self._versions.clear()
        arrays, keys = self._sorted_packages()
        arrays["part_start"], arrays["part"] = self._part_start, self._part
        arrays["formula_text"], arrays["formula_scheme"] = self._formula_text, self._formula_scheme
        relations = list(self._relations)
        self._relations.clear()
        mentioned = renumber(arrays, relations)
        arrays["priorities"] = array("i", bytes(4 * len(arrays["repositories"])))
        texts, names = list(self.texts), list(self.capabilities)
        self.texts.clear()
        self.capabilities.clear()
        texts = [texts[number] for number in mentioned.texts]
        names = [names[number] for number in mentioned.capabilities]
        first_key, first_capability = len(texts), len(texts) + len(keys)
        texts += [*keys, *map(str.encode, names)]
        arrays["key"] = array("i", range(first_key, first_capability))
        arrays["capability_text"] = array("i", range(first_capability, len(texts)))
        arrays["key_slot"] = hash_slots(keys)
        arrays["capability_slot"] = hash_slots(texts[first_capability:])
        arrays["text_start"] = array("i", accumulate(map(len, texts), initial=0))
        pool = b"".join(texts)
        every_name = pool[arrays["text_start"][first_capability] :]  # no package of Debian's has such a mark
        marked = any(mark in every_name for mark in (b"*", b"?", b"("))
        arrays["patterns"] = array("i", _open(names, arrays) if marked else ())
        arrays |= capability_arrays(len(names), arrays)
        arrays |= matched(arrays, texts)
        return pack(ARRAYS, arrays, pool)

    def _sorted_packages(self) -> tuple[dict[str, array[int]], list[bytes]]:
        """By name, newest first; what is left equal, by repository and key. With their keys."""
        rows = array("i")
        rows.frombytes(self._rows)
        name, key, scheme, repository = (
            rows[COLUMNS.index(column) :: len(COLUMNS)] for column in ("name", "version_key", "scheme", "repository")
        )
        texts, names = list(self.texts), list(self.capabilities)
        keys = dict(zip(self.keys.values(), self.keys, strict=True))
        self.keys.clear()
        order = sorted(sorted(keys), key=[names[number] for number in name].__getitem__)
        for first, end in _runs([name[at] for at in order]):
            order[first:end] = sorted(order[first:end], key=lambda at: (texts[repository[at]], keys[at]))
            order[first:end] = sorted(order[first:end], key=lambda at: (-scheme[at], texts[key[at]]), reverse=True)
        self.order = order
        return self._placed(rows, order), [keys[at].encode() for at in order]

    def _placed(self, rows: array[int], order: Sequence[int]) -> dict[str, array[int]]:
        """The columns of packages in this order, and what they list."""
        several = Order(order)
        placed, sizes = several.rows(rows, len(COLUMNS)), several.rows(self._sizes, len(LISTS))
        arrays = {name: placed[at :: len(COLUMNS)] for at, name in enumerate(COLUMNS)}
        for at, (name, flat) in enumerate(self._listed.items()):
            start = list(accumulate(self._sizes[at :: len(LISTS)], initial=0))
            arrays[name] = several.lists(start, flat)
            arrays[START.get(name, f"{name}_start")] = array("i", accumulate(sizes[at :: len(LISTS)], initial=0))
        # What is provided was the last of them; these lie beside it.
        arrays["provides_version"] = several.lists(start, self._provides_version)
        arrays["provides_key"] = several.lists(start, self._provides_key)
        return arrays


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
    like_the_next = [at for at, (name, following) in enumerate(pairwise(names)) if name == following]
    return ((first, end + 1) for first, end in together(like_the_next))
