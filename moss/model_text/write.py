"""Writing: a text for a model that has none yet."""

from collections.abc import Iterable, Sequence

from moss.model import SystemModel
from moss.model_text.items import Item, items_of, repository_items
from moss.model_text.values import StatedRepository

_HEAD = """\
// What this system should be. Edit it as you like: `moss sync` then makes the system so.
// install, remove, subscribe and pin edit it too, and leave alone what you write here.
"""
_INDENT = "    "


def written(model: SystemModel, repositories: Sequence[StatedRepository]) -> str:
    """The text that says this, and how to go on from it."""
    sections = {"repositories": repository_items(repositories), **items_of(model)}
    shown = [_section(name, items.values()) for name, items in sections.items() if items or name == "packages"]
    return "\n".join([_HEAD, *shown])


def _section(name: str, items: Iterable[Item]) -> str:
    lines = [_INDENT + line for item in items for line in item.lines()]
    return "".join(f"{line}\n" for line in (f"{name} {{", *lines, "}"))
