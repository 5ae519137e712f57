"""Things of a model as nodes: what the text must say of each, whatever else it says."""

from collections.abc import Iterable

from moss.kdl import as_string, as_value
from moss.kdl.values import Plain
from moss.model import Pin, SystemModel, Wish
from moss.model_text.values import StatedRepository
from moss.subscription import Setting, Switch
from solver.model import Relation
from solver.values import value


@value
class Item:
    """One node of a section."""

    name: str
    arguments: tuple[Plain, ...] = ()
    properties: tuple[tuple[str, Plain], ...] = ()
    """Those that moss writes; None: it must not be there."""
    children: tuple[tuple[str, Plain], ...] = ()
    """Children with one value each; None: it must not be there."""

    def lines(self, indent: str = "    ") -> list[str]:
        """The node as text, without the indentation of its place."""
        if not self._children:
            return [self._head]
        return [f"{self._head} {{", *(f"{indent}{child}" for child in self._children), "}"]

    def on_one_line(self) -> str:
        return f"{self._head} {{ {'; '.join(self._children)} }}" if self._children else self._head

    @property
    def _head(self) -> str:
        parts = [as_string(self.name), *map(as_value, self.arguments)]
        parts += [f"{key}={as_value(said)}" for key, said in self.properties if said is not None]
        return " ".join(parts)

    @property
    def _children(self) -> list[str]:
        return [f"{key} {as_value(said)}" for key, said in self.children if said is not None]


def items_of(model: SystemModel) -> dict[str, dict[str, Item]]:
    """By section and by name, in the order in which they were said."""
    pins = {pin.wanted.name: pin for pin in model.pins}
    held = {hold.name for hold in model.holds}
    names = dict.fromkeys([*pins, *sorted(held)])
    return {
        "packages": _by_name(map(_of_wish, model.wishes)),
        "subscriptions": _by_name(map(_of_switch, model.switches)),
        "pins": _by_name(_of_pin(name, pins.get(name), name in held) for name in names),
    }


def repository_items(repositories: Iterable[StatedRepository]) -> dict[str, Item]:
    return _by_name(map(_of_repository, repositories))


def _by_name(items: Iterable[Item]) -> dict[str, Item]:
    return {item.name: item for item in items}


def _of_wish(wish: Wish) -> Item:
    return Item(wish.wanted.name, _range(wish.wanted), (("from", wish.repository),), (("why", wish.why or None),))


def _of_switch(switch: Switch) -> Item:
    arguments: tuple[Plain, ...] = switch.values
    match switch.setting:
        case Setting.OFF:
            arguments = (False,)
        case Setting.AUTO:
            arguments = ("auto",)
        case Setting.ON:
            pass
    return Item(switch.name, arguments, (), (("why", switch.why or None),))


def _of_pin(name: str, pin: Pin | None, held: bool) -> Item:
    """Without `why`: a pin's is in the text alone."""
    source = None if pin is None else pin.repository
    return Item(name, () if pin is None else _range(pin.wanted), (("from", source), ("hold", held or None)))


def _of_repository(one: StatedRepository) -> Item:
    # What the record does not know of is not taken out.
    said: tuple[tuple[str, Plain], ...] = (
        *([("description", one.description)] if one.description else []),
        ("uri", one.uri or None),
        ("base-uri", one.base_uri or None),
        ("channel", one.channel or None),
        ("version", one.version or None),
        ("priority", one.priority or None),
        ("enabled", None if one.enabled else False),
        ("unsigned", one.unsigned or None),
        ("trust", one.trust or None),
        ("max-staleness", one.max_staleness or None),
    )
    return Item(one.name, children=said)


def _range(wanted: Relation) -> tuple[Plain, ...]:
    return () if wanted.operator is None else (f"{wanted.operator.value} {wanted.version}",)
