"""Editing: what changes in a model, changed in its text; every other character stays.

A change is made one part at a time, each on the text that the one before has left: the parts know their
places only in the text that they were read from.
"""

from collections.abc import Callable, Mapping, Sequence

from moss.kdl import (
    Document,
    Node,
    Value,
    append_argument,
    append_node,
    as_value,
    parse,
    remove_argument,
    remove_node,
    replace_value,
)
from moss.kdl.values import NEWLINE, Plain
from moss.model import SystemModel
from moss.model_text.items import Item, items_of, repository_items
from moss.model_text.read import read_model
from moss.model_text.repositories import comparable
from moss.model_text.values import StatedRepository

_INDENT = "    "


def edited(text: str, before: SystemModel, after: SystemModel) -> str:
    """The text with what is different in `after`. KdlError where it is no KDL."""
    old = items_of(before)
    for section, new in items_of(after).items():
        text = _edited_section(text, section, old[section], new)
    return text


def with_repositories(text: str, repositories: Sequence[StatedRepository]) -> str:
    """The text with exactly these repositories in it. What says of one what is wanted, in whatever words, stays.
    ModelTextError where the text cannot be followed."""
    there = {one.name: one for one in read_model(text, "the system model").repositories or ()}
    wanted = {one.name: one for one in repositories}
    for name in there.keys() - wanted.keys():
        text = _removed(text, "repositories", name)
    items = repository_items(repositories)
    for name, one in wanted.items():
        if name not in there or comparable(there[name]) != comparable(one):
            text = _said(text, "repositories", items[name])
    return text


def _edited_section(text: str, section: str, old: Mapping[str, Item], new: Mapping[str, Item]) -> str:
    for name in old:
        if name not in new:
            text = _removed(text, section, name)
    for name, item in new.items():
        if item != old.get(name):
            text = _said(text, section, item)
    return text


def _removed(text: str, section: str, name: str) -> str:
    while (found := _find(document := parse(text), section, name)) is not None:
        text = remove_node(document, found)
    return text


def _said(text: str, section: str, item: Item) -> str:
    """The text with a node that says exactly this, made anew or changed where it stands."""
    if _find(parse(text), section, item.name) is None:
        return _added(text, section, item)
    text = _with_arguments(text, section, item)
    for key, said in item.properties:
        text = _with_property(text, section, item.name, key, said)
    for key, said in item.children:
        text = _with_child(text, section, item.name, key, said)
    return text


def _added(text: str, section: str, item: Item) -> str:
    document = parse(text)
    parents = document.named(section)
    newline = _newline(text)
    if not parents:
        lines = [f"{section} {{", *(_INDENT + line for line in item.lines()), "}"]
        gap = newline if text.strip() and not text.endswith(newline * 2) else ""
        ended = newline if text and not NEWLINE.fullmatch(text[-1]) else ""
        return text + ended + gap + "".join(line + newline for line in lines)
    parent = parents[-1]
    if _is_on_one_line(document, parent):
        return append_node(document, parent, item.on_one_line())
    indent = _indent_inside(document, parent)
    return append_node(document, parent, (newline + indent).join(item.lines()))


def _with_arguments(text: str, section: str, item: Item) -> str:
    wanted = item.arguments

    def step(document: Document, node: Node) -> str | None:
        there = node.arguments
        for argument, said in zip(there, wanted, strict=False):
            if type(argument.value) is not type(said) or argument.value != said:
                return replace_value(document, argument, as_value(said))
        if len(there) > len(wanted):
            return remove_argument(document, there[-1])
        if len(there) < len(wanted):
            return append_argument(document, node, as_value(wanted[len(there)]))
        return None

    return _until_done(text, section, item.name, step)


def _with_property(text: str, section: str, name: str, key: str, said: Plain) -> str:
    def step(document: Document, node: Node) -> str | None:
        found = node.properties.get(key)
        if said is None:
            return None if found is None else remove_argument(document, found)
        if found is None:
            return append_argument(document, node, f"{key}={as_value(said)}")
        return None if _is(found, said) else replace_value(document, found, as_value(said))

    return _until_done(text, section, name, step)


def _with_child(text: str, section: str, name: str, key: str, said: Plain) -> str:
    def step(document: Document, node: Node) -> str | None:
        found = node.child(key)
        if said is None:
            return None if found is None else _without_child(document, node, found)
        if found is None:
            return _with_further_child(document, node, f"{key} {as_value(said)}")
        return None if _is(found.arguments[0], said) else replace_value(document, found.arguments[0], as_value(said))

    return _until_done(text, section, name, step)


def _with_further_child(document: Document, node: Node, child: str) -> str:
    """With it in the node's block; where that is new, on one line if the block around it is."""
    above = next(one for one in document.nodes if one.start <= node.start < one.end)
    if node.block is None and _is_on_one_line(document, above):
        text = document.text
        return f"{text[: node.entries_end]} {{ {child} }}{text[node.entries_end :]}"
    return append_node(document, node, child)


def _is_on_one_line(document: Document, node: Node) -> bool:
    return node.block is not None and bool(node.children) and NEWLINE.search(document.text, *node.block) is None


def _without_child(document: Document, node: Node, child: Node) -> str:
    """Without it; without the whole block where nothing but this was in it."""
    text = document.text
    assert node.block is not None
    begin, end = node.block
    if text[begin + 1 : child.start].strip() or text[child.after : end - 1].strip():
        return remove_node(document, child)
    return text[:begin].rstrip(" \t") + text[end:]


def _until_done(text: str, section: str, name: str, step: Callable[[Document, Node], str | None]) -> str:
    """Do the step on every node of this name until it has nothing left to do."""
    number = 0
    while True:
        document = parse(text)
        nodes = [node for node in _items(document, section) if node.name == name]
        if number == len(nodes):
            return text
        changed = step(document, nodes[number])
        if changed is None:
            number += 1
        else:
            text = changed


def _is(found: Value, said: Plain) -> bool:
    return type(found.value) is type(said) and found.value == said


def _items(document: Document, section: str) -> list[Node]:
    return [node for parent in document.named(section) for node in parent.children]


def _find(document: Document, section: str, name: str) -> Node | None:
    return next((node for node in _items(document, section) if node.name == name), None)


def _indent_inside(document: Document, parent: Node) -> str:
    """Of the lines that go on from a node in this block."""
    text = document.text
    anchor = parent.children[-1].start if parent.children else parent.start
    start = max((found.end() for found in NEWLINE.finditer(text, 0, anchor)), default=0)
    line = text[start:anchor]
    blank = line[: len(line) - len(line.lstrip())]
    return blank if parent.children else blank + _INDENT


def _newline(text: str) -> str:
    found = NEWLINE.search(text)
    return found[0] if found else "\n"
