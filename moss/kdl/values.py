"""What a KDL document consists of, each part with its place in the text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from solver.values import value

NEWLINE = re.compile("\r\n|[\r\n\x85\x0b\x0c\u2028\u2029]")

Plain: TypeAlias = str | int | float | bool | None


class KdlError(ValueError):
    """Text that is not KDL, or says something that cannot be meant there; where, counted from 1."""

    def __init__(self, message: str, text: str, offset: int) -> None:
        self.line, self.column = place(text, offset)
        super().__init__(f"line {self.line}, column {self.column}: {message}")
        self.message = message
        self.offset = offset


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, counted from 1."""
    line, start = 1, 0
    for found in NEWLINE.finditer(text, 0, offset):
        line, start = line + 1, found.end()
    return line, offset - start + 1


@value
class Value:
    """An argument, or a property's value. `text[start:end]` is how it is written, its type included."""

    value: Plain
    type: str | None
    start: int
    end: int
    begin: int
    """Where its entry begins: its own start, or that of its key."""


@value
class Node:
    """A node. `text[start:end]` is all of it, without the newline or `;` that ends it at `after`."""

    name: str
    type: str | None
    arguments: tuple[Value, ...]
    properties: Mapping[str, Value]
    """By key; where a key is said twice, the last one."""
    children: tuple[Node, ...]
    start: int
    name_start: int
    name_end: int
    entries_end: int
    """Where its last argument or property, or its name, ends."""
    end: int
    after: int
    semicolon: bool
    """Whether a `;` ends it."""
    block: tuple[int, int] | None = None
    """From `{` to behind `}`; None where it has no children block."""

    def child(self, name: str) -> Node | None:
        """The first child of this name."""
        return next((child for child in self.children if child.name == name), None)

    @property
    def strings(self) -> tuple[str, ...]:
        """Its arguments that are strings."""
        return tuple(one.value for one in self.arguments if isinstance(one.value, str))


@value
class Document:
    """A document's text and its nodes."""

    text: str
    nodes: tuple[Node, ...] = ()

    def named(self, name: str) -> tuple[Node, ...]:
        """The top-level nodes of this name."""
        return tuple(node for node in self.nodes if node.name == name)

    def error(self, message: str, offset: int) -> KdlError:
        """An error about what stands at a place of this document."""
        return KdlError(message, self.text, offset)
