"""What a repository offers, put in the place of what it offered before: only rows that differ are written.

An index that is read again says nearly all of what it said. Each row has a fingerprint of all it is made of; a row
whose fingerprint comes again stays where it is, and is not even made.

    before    a 1024   b 2048   c 3072   d 4096        rows lie in the order of the index, by their number,
    now       a        x        c        d             with room between them
    after     a 1024   x 2048   c 3072   d 4096

Where there is no room, or the order is another, rows that could stay are written again.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from moss.db.connection import Database

Row = tuple[str | int | bytes | None, ...]
Made = tuple[Row, list[str]]
"""A row without its number and repository, and what it provides besides its name."""
Offered = TypeVar("Offered")

_ROOM = 1024
"""Between two rows that are written one after the other."""
_MOST_WAITING = 2000
"""Rows that are held back until it is known what comes behind them."""


class Offering(Generic[Offered]):
    """Takes what a repository offers in the order of its index; inside a transaction, which must end with `finish`.
    `made` makes a row, and is asked only where one is written."""

    def __init__(
        self, database: Database, repository: str, insert: str, provide: str, made: Callable[[Offered], Made]
    ) -> None:
        self._connection, self._repository = database.connection, repository
        self._insert, self._provide, self._made = insert, provide, made
        rows = self._connection.execute(
            "SELECT fingerprint, id FROM candidate WHERE repository = ? ORDER BY id DESC", (repository,)
        )
        self._before: dict[bytes, int] = {}
        self._numbers: list[int] = []
        for fingerprint, number in rows:
            assert isinstance(fingerprint, bytes) and isinstance(number, int)
            self._before[fingerprint] = number
            self._numbers.append(number)
        self._at = 0
        """The number of the last row that has its place."""
        self._waiting: list[tuple[bytes, Offered]] = []
        self._staying: set[int] = set()

    def take(self, offered: Sequence[tuple[bytes, Offered]]) -> None:
        """What is offered, behind the fingerprint of all that its row is made of."""
        for one in offered:
            there = self._before.get(one[0], 0)
            if there > self._at and self._place_before(there):
                self._staying.add(there)
                self._at = there
            else:
                self._waiting.append(one)
        if len(self._waiting) > _MOST_WAITING or not self._before:
            self._place_last()

    def finish(self) -> None:
        """Everything was taken: what was offered before and is no more goes."""
        self._place_last()
        gone = [(number,) for number in self._numbers if number not in self._staying]
        self._connection.executemany("DELETE FROM candidate WHERE id = ?", gone)

    def _place_before(self, there: int) -> bool:
        """Write what is waiting between the last row and this one; False where it has no room."""
        if not self._waiting:
            return True
        step = (there - self._at) // (len(self._waiting) + 1)
        if not step or self._others_between(self._at, there):
            return False
        between = (self._repository, self._at, there)
        self._connection.execute("DELETE FROM candidate WHERE +repository = ? AND id > ? AND id < ?", between)
        self._write([self._at + step * (number + 1) for number in range(len(self._waiting))])
        return True

    def _others_between(self, first: int, last: int) -> bool:
        rows = self._connection.execute(
            "SELECT 1 FROM candidate WHERE id > ? AND id < ? AND +repository <> ? LIMIT 1",
            (first, last, self._repository),
        )
        return rows.fetchone() is not None

    def _place_last(self) -> None:
        """Write what is waiting behind all there is. What was there before and comes later is written again."""
        if not self._waiting:
            return
        ((highest,),) = self._connection.execute("SELECT coalesce(max(id), 0) FROM candidate")
        first = int(highest) + _ROOM
        self._write([first + _ROOM * number for number in range(len(self._waiting))])

    def _write(self, numbers: Sequence[int]) -> None:
        waiting, self._waiting = self._waiting, []
        provided: list[tuple[str, int]] = []

        def rows() -> Iterator[Row]:
            for number, (mark, one) in zip(numbers, waiting, strict=True):
                row, names = self._made(one)
                provided.extend([(name, number) for name in names])
                yield (number, self._repository, *row, mark)

        self._connection.executemany(self._insert, rows())
        self._connection.executemany(self._provide, provided)
        self._staying.update(numbers)
        self._at = numbers[-1]
