"""Several compiled universes as one, without taking any package apart again.

A question to one universe costs a fraction of what it costs to ask several: names need no joining, and
what matches a relation has been looked up. Here the columns of the universes are put one after the
other, what they number in their own ways is numbered in one, packages are sorted anew, and matching is
left to `solver.matching`, as when packages are compiled.

Packages of one name, version and key are one: the first in the order of universes stands for all.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from operator import itemgetter

from solver.compile import ARRAYS, NO_TEXT
from solver.matching import capability_arrays, hash_slots, matched
from solver.numbering import FORMULAS, RELATION_COLUMNS, RELATIONS, Order
from solver.tables import pieces
from solver.uncollected import uncollected
from solver.universe import Universe

# Columns of packages whose numbers are those of texts, and those that mean the same everywhere.
_TEXTS = ("version", "version_key", "key")
_PLAIN = ("scheme", "flags", "size_low", "size_high", "installed_low", "installed_high")

_Row = tuple[int, ...]


@uncollected()
def merge(universes: Sequence[Universe], priorities: Mapping[str, int]) -> list[memoryview]:
    """The table of all their packages, in pieces to be put one after the other. It is sorted for these
    priorities of repositories; with others it means what the universes mean, but is slower to ask."""
    return _Merger(universes).merged(priorities)


class _Texts:
    """The texts of all universes, numbered on. What was found to read the same is given one number."""

    def __init__(self, universes: Sequence[Universe]) -> None:
        self.all = b"".join(universe.texts for universe in universes)
        self.base = list(accumulate((len(universe.text_start) - 1 for universe in universes), initial=0))
        self.start = array("i", (0,))
        for universe in universes:
            begin = self.start[-1]
            self.start.extend([begin + end for end in universe.text_start[1:]])
        self._first: dict[bytes, int] = {}

    def __getitem__(self, number: int) -> bytes:
        return self.all[self.start[number] : self.start[number + 1]]

    def first(self, index: int, numbers: Iterable[int]) -> dict[int, int]:
        """For texts of a universe the number of the first that reads the same; none stays none."""
        base, known, found = self.base[index], self._first, {NO_TEXT: NO_TEXT}
        for number in set(numbers) - {NO_TEXT}:
            found[number] = known.setdefault(self[base + number], base + number)
        return found


class _Merger:
    """The common numbers, and the columns of the merged table as far as they are made."""

    def __init__(self, universes: Sequence[Universe]) -> None:
        self.universes, self.texts = universes, _Texts(universes)
        # For each universe, from its own numbers to the common ones.
        self.capability: list[array[int]] = []
        self.relation: list[array[int]] = []
        self.formula: list[array[int]] = []
        self.arrays: dict[str, array[int]] = {"text_start": self.texts.start}

    def merged(self, priorities: Mapping[str, int]) -> list[memoryview]:
        arrays, texts = self.arrays, self.texts
        self._number_capabilities()
        self._number_relations()
        self._number_formulas()
        order = self._place_packages(priorities)
        self._list_all(order)
        names = [texts[number] for number in arrays["capability_text"]]
        arrays["capability_slot"] = hash_slots(names)
        arrays["patterns"] = array("i", self._open(names))
        arrays["key_slot"] = hash_slots([texts[number] for number in arrays["key"]])
        for numbers in (self.capability, self.relation, self.formula, names, order):
            numbers.clear()  # matching needs the room
        arrays |= capability_arrays(len(arrays["capability_text"]), arrays)
        arrays |= matched(arrays, texts)
        return pieces(ARRAYS, arrays, texts.all)

    # Numbers

    def _number_capabilities(self) -> None:
        numbers: dict[bytes, int] = {}
        first = array("i")
        for base, universe in zip(self.texts.base, self.universes, strict=False):
            known = len(numbers)
            of_universe = map(universe.text_bytes, universe.capability_text)
            self.capability.append(array("i", [numbers.setdefault(text, len(numbers)) for text in of_universe]))
            fresh = (text for text, number in zip(universe.capability_text, self.capability[-1], strict=True)
                     if number >= known)  # fmt: skip
            first.extend([base + text for text in fresh])
        self.arrays["capability_text"] = first

    def _number_relations(self) -> None:
        numbers: dict[_Row, int] = {}
        for index, u in enumerate(self.universes):
            first = self.texts.first(index, chain(u.relation_version, u.relation_key, u.relation_arch)).__getitem__
            rows = zip(
                map(self.capability[index].__getitem__, u.relation_capability),
                u.relation_operator,
                map(first, u.relation_version),
                map(first, u.relation_key),
                u.relation_scheme,
                map(first, u.relation_arch),
                strict=True,
            )
            self.relation.append(array("i", [numbers.setdefault(row, len(numbers)) for row in rows]))
        for at, name in enumerate(RELATION_COLUMNS):
            self.arrays[name] = array("i", map(itemgetter(at), numbers))

    def _number_formulas(self) -> None:
        numbers: dict[_Row, int] = {}  # of the text, the scheme, and the parts
        for index, u in enumerate(self.universes):
            first, starts = self.texts.first(index, u.formula_text), u.part_start.tolist()
            part = list(map(self.relation[index].__getitem__, u.part))
            rows = zip(u.formula_text, u.formula_scheme, starts, starts[1:], strict=False)
            every = ((first[text], scheme, *part[begin:end]) for text, scheme, begin, end in rows)
            self.formula.append(array("i", [numbers.setdefault(row, len(numbers)) for row in every]))
        self.arrays["formula_text"] = array("i", map(itemgetter(0), numbers))
        self.arrays["formula_scheme"] = array("i", map(itemgetter(1), numbers))
        self.arrays["part"] = array("i", chain.from_iterable(row[2:] for row in numbers))
        self.arrays["part_start"] = array("i", accumulate((len(row) - 2 for row in numbers), initial=0))

    # Packages

    def _place_packages(self, priorities: Mapping[str, int]) -> list[int]:
        """The columns of packages. Returns their order, as numbers that go on from universe to universe."""
        arrays, texts = self.arrays, self.texts
        columns = {name: array("i") for name in ("name", "arch", "repository", *_TEXTS, *_PLAIN)}
        for index, u in enumerate(self.universes):
            base = texts.base[index]
            columns["name"].extend(map(self.capability[index].__getitem__, u.name))
            columns["arch"].extend(map(texts.first(index, u.arch).__getitem__, u.arch))
            columns["repository"].extend(map(texts.first(index, u.repository).__getitem__, u.repository))
            for name in _TEXTS:
                columns[name].extend([base + number for number in getattr(u, name)])
            for name in _PLAIN:
                columns[name].extend(getattr(u, name))
        order = self._order(columns, priorities)
        for name, column in columns.items():
            arrays[name] = array("i", map(column.__getitem__, order))
        arrays["arches"] = array("i", sorted(set(arrays["arch"])))
        arrays["repositories"] = array("i", sorted(set(arrays["repository"])))
        arrays["priorities"] = array("i", [priorities.get(texts[r].decode(), 0) for r in arrays["repositories"]])
        return order

    def _order(self, columns: Mapping[str, Sequence[int]], priorities: Mapping[str, int]) -> list[int]:
        """By name; of one name by priority and scheme, newest first; what is left equal by repository and key."""
        texts, order = self.texts, list[int]()
        repository, scheme, version, key = (columns[name] for name in ("repository", "scheme", "version_key", "key"))
        urgency = {number: -priorities.get(texts[number].decode(), 0) for number in set(repository)}
        for alike in self._by_name(columns["name"]):
            if len(alike) == 1:
                order.append(alike[0])
                continue
            found: dict[tuple[bytes, bytes], int] = {}
            for package in alike:
                found.setdefault((texts[version[package]], texts[key[package]]), package)
            rows = [
                (newest, texts[repository[p]], own, urgency[repository[p]], scheme[p], p)
                for (newest, own), p in found.items()
            ]
            if len(rows) > 1:
                rows.sort(key=itemgetter(1, 2))
                rows.sort(key=itemgetter(0), reverse=True)
                rows.sort(key=itemgetter(3, 4))
            order += [row[-1] for row in rows]
        return order

    def _by_name(self, names: Sequence[int]) -> Iterator[list[int]]:
        """The packages of each name, names in order."""
        of_name: dict[int, list[int]] = {}
        for package, name in enumerate(names):
            of_name.setdefault(name, []).append(package)
        text = self.arrays["capability_text"]
        for name in sorted(of_name, key=lambda name: self.texts[text[name]]):
            yield of_name[name]

    def _list_all(self, order: Sequence[int]) -> None:
        """What packages list."""
        several = Order(order)
        for name in FORMULAS:
            self._list(several, f"{name}_start", {name: self.formula})
        for name in RELATIONS:
            self._list(several, f"{name}_start", {name: self.relation})
        provided = {"provides_capability": self.capability, "provides_version": None, "provides_key": None}
        self._list(several, "provides_start", provided)

    def _list(self, order: Order, starts: str, columns: Mapping[str, Sequence[Sequence[int]] | None]) -> None:
        """Lists that begin at the same places, each with the common numbers of what it holds; None where it holds
        texts."""
        start = array("i", (0,))
        for universe in self.universes:
            begin = start[-1]
            start.extend([begin + end for end in getattr(universe, starts)[1:]])
        self.arrays[starts] = order.start(start)
        for name, numbers in columns.items():
            flat = array("i")
            for index, universe in enumerate(self.universes):
                listed, base = getattr(universe, name), self.texts.base[index]
                if numbers is None:
                    flat.extend([NO_TEXT if number == NO_TEXT else base + number for number in listed])
                else:
                    flat.extend(map(numbers[index].__getitem__, listed))
            self.arrays[name] = order.lists(start, flat)

    def _open(self, names: Sequence[bytes]) -> list[int]:
        """As in `solver.assemble`: of what one of them left open, what the others do not close."""
        provided = set(self.arrays["provides_capability"])
        every = {self.capability[index][own] for index, u in enumerate(self.universes) for own in u.patterns}
        return sorted(n for n in every if b"*" in names[n] or b"?" in names[n] or n not in provided)
