"""Trigger files in YAML: composed by PyYAML, with the place of everything, and nothing made but texts."""

from collections.abc import Iterable
from typing import Protocol

import yaml

from moss.errors import CorruptData
from moss.triggers.reading import Said

_DEEPEST = 20
"""Levels of lists and parts."""


class _Mark(Protocol):
    line: int
    column: int


def said_in_yaml(text: str, file: str) -> Said:
    """CorruptData where it is not YAML, is empty, or uses anchors: a trigger has no need of them."""
    try:
        _check(yaml.parse(text, Loader=yaml.SafeLoader), file)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as fault:
        raise _fault(file, fault.problem_mark, f"it is not YAML: {fault.problem}") from fault
    except (yaml.YAMLError, RecursionError) as fault:
        raise CorruptData(f"is not YAML: {fault}", file=file, remedies=["look at docs/triggers.md"]) from fault
    if root is None:
        raise CorruptData("is empty", file=file, remedies=["look at docs/triggers.md"])
    return _said(root, file)


def _check(events: Iterable[yaml.Event], file: str) -> None:
    """Refuse what triggers have no use for as soon as it is seen: what is nested deep takes PyYAML long to read."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise _fault(file, event.start_mark, "it has an alias (*…), which triggers do not use")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _fault(file, event.start_mark, f"it is nested deeper than {_DEEPEST} levels")


def _said(node: yaml.Node, file: str) -> Said:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if node.tag == "tag:yaml.org,2002:null":
        return Said((), line, column)
    if isinstance(node, yaml.ScalarNode):
        return Said(node.value, line, column)
    if isinstance(node, yaml.SequenceNode):
        return Said(tuple(_said(one, file) for one in node.value), line, column)
    parts: dict[str, Said] = {}
    for key, one in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _fault(file, key.start_mark, "a name must be a text")
        if key.value in parts:
            raise _fault(file, key.start_mark, f"{key.value!r} is said twice")
        parts[key.value] = _said(one, file)
    return Said(parts, line, column)


def _fault(file: str, mark: "_Mark | None", message: str) -> CorruptData:
    place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    return CorruptData(place + message, file=file, remedies=["look at docs/triggers.md"])
