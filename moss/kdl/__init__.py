"""KDL 2, the language of the system model: read with every place known, changed without touching the rest.

    document = parse(text)                       # KdlError says line and column
    for node in document.nodes: node.name, node.arguments, node.properties, node.children
    text = remove_node(document, node)           # the other lines are as they were, comments included

A `Document` keeps its text; nodes and values say where in it they stand. Changing is done on the text,
so what is not changed cannot be lost. The grammar is that of the specification, version 2.0.
"""

from moss.kdl.edit import append_argument, append_node, remove_argument, remove_node, replace_value
from moss.kdl.parse import parse
from moss.kdl.values import Document, KdlError, Node, Value
from moss.kdl.write import as_string, as_value

__all__ = [
    "Document",
    "KdlError",
    "Node",
    "Value",
    "append_argument",
    "append_node",
    "as_string",
    "as_value",
    "parse",
    "remove_argument",
    "remove_node",
    "replace_value",
]
