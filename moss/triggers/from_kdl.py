"""Trigger files in KDL: a node's arguments are its texts, its properties and children its parts."""

from moss.errors import CorruptData
from moss.kdl import Document, KdlError, Node, Value, parse
from moss.kdl.values import place
from moss.triggers.reading import Said


def said_in_kdl(text: str, file: str) -> Said:
    """CorruptData where it is not KDL, or says a name twice."""
    try:
        document = parse(text)
        return Said(_parts(document, document.nodes, {}), 1, 1)
    except KdlError as fault:
        raise CorruptData(str(fault), file=file, remedies=["look at docs/triggers.md"]) from fault


def _parts(document: Document, nodes: tuple[Node, ...], properties: dict[str, Said]) -> dict[str, Said]:
    parts = dict(properties)
    for node in nodes:
        if node.name in parts:
            raise document.error(f"{node.name!r} is said twice", node.start)
        parts[node.name] = _said(document, node)
    return parts


def _said(document: Document, node: Node) -> Said:
    line, column = place(document.text, node.start)
    if node.arguments:
        if node.children or node.properties:
            raise document.error(f"{node.name!r} has texts and parts: it can have one of them", node.start)
        texts = tuple(_text(document, one) for one in node.arguments)
        return Said(texts[0].content if len(texts) == 1 else texts, line, column)
    properties = {name: _text(document, one) for name, one in node.properties.items()}
    return Said(_parts(document, node.children, properties), line, column)


def _text(document: Document, one: Value) -> Said:
    if not isinstance(one.value, str):
        raise document.error("this must be a text", one.start)
    return Said(one.value, *place(document.text, one.start))
