"""A universe that is put together from what another one knows: only what is new is taken apart and numbered.

What the other one mentions keeps its number while this one is put together, and the packages that stay keep their
rows. The universe is then the one that would be made of the same packages without the other: see `solver.numbering`.
"""

from __future__ import annotations

from array import array
from itertools import count
from operator import sub

from solver.assemble import COLUMNS, LISTS, START, Assembly
from solver.compile import NO_TEXT
from solver.numbering import RELATION_COLUMNS
from solver.universe import Universe


class Continued(Assembly):
    """Knows all that a universe does. Of its packages those are in this one that `stay`."""

    def __init__(self, universe: Universe) -> None:
        super().__init__()
        self._know_names(universe)
        self._know_relations(universe)
        self._know_packages(universe)

    def stay(self, key: str, package: int) -> None:
        """A package of the other universe, by its number there, is one of this too. Its key must be new."""
        self.keys[key] = package

    def _know_names(self, universe: Universe) -> None:
        # Behind the texts that things mention come the keys, then the capabilities.
        mentioned = universe.key[0] if len(universe) else 0
        self.texts.update(zip(map(universe.text_bytes, range(mentioned)), count()))
        self.capabilities.update(zip(map(universe.text, universe.capability_text), count()))

    def _know_relations(self, universe: Universe) -> None:
        columns = [getattr(universe, name) for name in RELATION_COLUMNS]
        self._relations.update(zip(zip(*columns, strict=True), count()))
        self._part_start, self._part = _own(universe.part_start), _own(universe.part)
        self._formula_text, self._formula_scheme = _own(universe.formula_text), _own(universe.formula_scheme)
        starts, parts = universe.part_start.tolist(), universe.part.tolist()
        for number, (text, scheme) in enumerate(zip(self._formula_text, self._formula_scheme, strict=True)):
            said = None if text == NO_TEXT else universe.text(text)
            self._formulas[said, scheme, *parts[starts[number] : starts[number + 1]]] = number

    def _know_packages(self, universe: Universe) -> None:
        rows = array("i", bytes(4 * len(COLUMNS) * len(universe)))
        for at, name in enumerate(COLUMNS):
            rows[at :: len(COLUMNS)] = _own(getattr(universe, name))
        self._rows = bytearray(rows.tobytes())
        self._sizes = array("i", bytes(4 * len(LISTS) * len(universe)))
        for at, name in enumerate(LISTS):
            start = getattr(universe, START.get(name, f"{name}_start"))
            self._sizes[at :: len(LISTS)] = array("i", map(sub, start[1:], start))
            self._listed[name] = _own(getattr(universe, name))
        self._provides_version, self._provides_key = _own(universe.provides_version), _own(universe.provides_key)


def _own(view: memoryview[int]) -> array[int]:
    copy = array("i")
    copy.frombytes(view.cast("B"))
    return copy
