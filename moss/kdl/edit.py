"""Changing a document's text: each function returns the new text, all that it does not change kept to the letter."""

import re

from moss.kdl.values import NEWLINE, Document, Node, Value

_INDENT = "    "
_BLANK = re.compile(r"[^\S\r\n\x0b\x0c\x85\u2028\u2029]*")
_REST = re.compile(_BLANK.pattern + r"(?://[^\r\n\x0b\x0c\x85\u2028\u2029]*)?")
_WITHOUT_SEPARATOR = re.compile(r";[ \t]*\Z")


def append_node(document: Document, parent: Node | None, node: str) -> str:
    """Put a node's text behind the last child of `parent`, or at the end of the document.

    It gets a line of its own, indented like the child before it, unless the block stands on one line.
    """
    text = document.text
    if parent is None:
        before = "" if not text or _ends_line(text) else _newline(text)
        return f"{text}{before}{node}{_newline(text)}"
    if parent.block is None:
        indent = _indent_of(text, parent.start)
        lines = _newline(text).join((" {", indent + _INDENT + node, indent + "}"))
        return text[: parent.entries_end] + lines + text[parent.entries_end :]
    begin, end = parent.block
    if NEWLINE.search(text, begin, end) is None:
        return _append_on_line(document, parent, node)
    return _append_line(document, parent, node)


def _append_on_line(document: Document, parent: Node, node: str) -> str:
    assert parent.block is not None
    text, (begin, end) = document.text, parent.block
    if not parent.children:
        inside = text[begin + 1 : end - 1].strip()
        return f"{text[: begin + 1]} {inside + ' ' if inside else ''}{node} {text[end - 1 :]}"
    last = parent.children[-1]
    at = last.after if last.semicolon else last.end
    return f"{text[:at]}{'' if last.semicolon else ';'} {node}{text[at:]}"


def _append_line(document: Document, parent: Node, node: str) -> str:
    assert parent.block is not None
    text, (_, end) = document.text, parent.block
    newline = _newline(text)
    closing = _line_start(text, end - 1)
    indent = _indent_of(text, parent.start) + _INDENT
    if parent.children:
        indent = _indent_of(text, parent.children[-1].start, indent)
    if _BLANK.fullmatch(text, closing, end - 1):
        return f"{text[:closing]}{indent}{node}{newline}{text[closing:]}"
    # The closing brace has something before it on its line.
    before, closing_line = text[: end - 1].rstrip(" "), _indent_of(text, parent.start) + text[end - 1 :]
    return newline.join((before, indent + node, closing_line))


def remove_node(document: Document, node: Node) -> str:
    """Take a node out; where it stands alone on its line, with that line and the comment at its end."""
    text = document.text
    start, end = _line_start(text, node.start), _rest_of_line(text, node.after)
    if end is not None and _BLANK.fullmatch(text, start, node.start):
        return text[:start] + text[end:]
    if node.semicolon:
        blank = _BLANK.match(text, node.after)
        assert blank is not None
        return text[: node.start] + text[blank.end() :]
    return _WITHOUT_SEPARATOR.sub("", text[: node.start]) + text[node.end :]


def replace_value(document: Document, value: Value, written: str) -> str:
    """Write something else where a value stands."""
    return document.text[: value.start] + written + document.text[value.end :]


def append_argument(document: Document, node: Node, written: str) -> str:
    """Put a further argument, or a property (`key=value`), behind the last one."""
    return f"{document.text[: node.entries_end]} {written}{document.text[node.entries_end :]}"


def remove_argument(document: Document, value: Value) -> str:
    """Take an argument or a property out, with the space before it."""
    text, start = document.text, value.begin
    while start and text[start - 1] in " \t":
        start -= 1
    return text[:start] + text[value.end :]


def _newline(text: str) -> str:
    """The newline that this text uses."""
    found = NEWLINE.search(text)
    return found[0] if found else "\n"


def _ends_line(text: str) -> bool:
    return bool(text) and NEWLINE.fullmatch(text[-1]) is not None


def _line_start(text: str, offset: int) -> int:
    while offset and not NEWLINE.fullmatch(text[offset - 1]):
        offset -= 1
    return offset


def _rest_of_line(text: str, offset: int) -> int | None:
    """Where the line ends that `offset` is on or has just left; None where more than a comment is left of it."""
    if offset and NEWLINE.fullmatch(text[offset - 1]):
        return offset
    rest = _REST.match(text, offset)
    if rest is None:
        return None
    newline = NEWLINE.match(text, rest.end())
    if newline:
        return newline.end()
    return rest.end() if rest.end() == len(text) else None


def _indent_of(text: str, offset: int, otherwise: str = "") -> str:
    """The space before what stands at `offset`, if it is the first on its line."""
    start = _line_start(text, offset)
    return text[start:offset] if _BLANK.fullmatch(text, start, offset) else otherwise
