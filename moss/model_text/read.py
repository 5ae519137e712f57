"""Reading: from text to what it says. All that is wrong is told at once, each with its place."""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from moss.capability import Capability, CapabilityKind
from moss.errors import MossError, UsageError
from moss.kdl import Document, KdlError, Node, Value, parse
from moss.kdl.values import place
from moss.model import Hold, Pin, SystemModel, Wish
from moss.model_text.values import ModelText, StatedRepository
from moss.subscription import Setting, Switch
from solver.formula import FormulaError, parse_relation
from solver.model import Relation

SECTIONS = ("repositories", "packages", "subscriptions", "pins")
_IGNORED = ("disable_warning",)
"""Upstream's, and without a meaning here."""
_RANGE = re.compile(r"(<<|>>|<=|>=|==|<|>|=)\s*(\S+)")
_REPOSITORY_TEXTS = ("uri", "base-uri", "channel", "version", "description", "trust")
_MOST_TOLD = 10
T = TypeVar("T")


class ModelTextError(UsageError):
    """A text that cannot be followed. The message begins with FILE:LINE:COLUMN."""


def read_model(text: str, name: str) -> ModelText:
    """What the text says; `name` is its file, for the person. Raises ModelTextError."""
    try:
        document = parse(text)
    except KdlError as fault:
        raise ModelTextError(
            f"{name}:{fault.line}:{fault.column}: {fault.message}", remedies=[_remedy(name)]
        ) from fault
    reading = _Reading(document, name)
    found = reading.everything()
    if reading.faults:
        first, *more = (told for _, told in sorted(reading.faults))
        told = [*more[: _MOST_TOLD - 1], *([f"and {len(more) - 9} more"] if len(more) >= _MOST_TOLD else [])]
        raise ModelTextError(first, because=told, remedies=[_remedy(name)])
    return found


def _remedy(name: str) -> str:
    return f"correct {name}; its language is in docs/system-model.md"


class _Reading:
    def __init__(self, document: Document, name: str) -> None:
        self.document, self.name = document, name
        self.faults: list[tuple[int, str]] = []
        self.warnings: list[tuple[int, str]] = []

    def everything(self) -> ModelText:
        for node in self.document.nodes:
            if node.name not in SECTIONS and node.name not in _IGNORED:
                self.warn(f"moss does not know {node.name!r} and leaves it alone{_meant(node.name)}", node.name_start)
        pins, holds = self.pins()
        model = SystemModel(
            tuple(self.each("packages", self.wish, lambda wish: wish.wanted.name)),
            tuple(pins),
            tuple(sorted(holds, key=lambda hold: hold.name)),
            tuple(self.each("subscriptions", self.switch, lambda switch: switch.name)),
        )
        repositories = None
        if self.document.named("repositories"):
            repositories = tuple(self.each("repositories", self.repository, lambda one: one.name))
        return ModelText(model, repositories, tuple(told for _, told in sorted(self.warnings)))

    def each(self, section: str, read: Callable[[Node], T | None], key: Callable[[T], str]) -> Iterator[T]:
        """Every thing of a section once; a fault where two of one key differ."""
        there: dict[str, tuple[T, Node]] = {}
        for node in self.items(section):
            said = read(node)
            if said is None:
                continue
            name = key(said)
            if name not in there:
                there[name] = said, node
                yield said
            elif there[name][0] != said:
                line, _ = place(self.document.text, there[name][1].start)
                self.fault(f"{name} is named in line {line} already, and otherwise", node.name_start)

    def items(self, section: str) -> Iterator[Node]:
        for node in self.document.named(section):
            self.no_entries(node)
            yield from node.children

    # Packages

    def wish(self, node: Node) -> Wish | None:
        relation = self.wanted(node)
        source = self.text_property(node, "from")
        self.only(node, properties=("from",), children=("why",))
        return None if relation is None else Wish(relation, self.why(node), source)

    def wanted(self, node: Node) -> Relation | None:
        """A capability and, as the only argument, perhaps a range."""
        try:
            name = str(Capability.parse(node.name))
            if parse_relation(name).name != name:
                raise FormulaError(name, 0, "a name alone")
        except (UsageError, FormulaError) as fault:
            self.fault(fault.message if isinstance(fault, MossError) else
                       f"{node.name!r} is not a package's name, nor kind(name)", node.name_start)  # fmt: skip
            return None
        if not node.arguments:
            return Relation(name)
        first, *more = node.arguments
        if more:
            self.fault('one range of versions at most: put each package into a node of its own', more[0].start)
        found = _RANGE.fullmatch(first.value.strip()) if isinstance(first.value, str) else None
        try:
            if found is not None:
                return parse_relation(f"{name} ({found[1]} {found[2]})")
        except FormulaError:
            pass
        self.fault(f'a range of versions is written like "< 3", not {self.as_written(first)}', first.start)
        return None

    # Subscriptions

    def switch(self, node: Node) -> Switch | None:
        self.only(node, properties=(), children=("why",))
        setting, values = Setting.ON, []
        for number, argument in enumerate(node.arguments):
            said = argument.value
            if isinstance(said, bool) or said == "auto":
                if len(node.arguments) > 1:
                    self.fault(f"{self.as_written(argument)} stands alone, without values", argument.start)
                    return None
                setting = Setting.AUTO if said == "auto" else Setting.ON if said else Setting.OFF
            elif isinstance(said, str) and said:
                if said in node.strings[:number]:
                    self.fault(f"{self.as_written(argument)} is said twice", argument.start)
                    return None
                values.append(said)
            else:
                self.fault(f'a value is a text, #true, #false or "auto", not {self.as_written(argument)}',
                           argument.start)  # fmt: skip
                return None
        if not node.name or not node.name.isprintable():
            self.fault(f"{node.name!r} is no name of a subscription", node.name_start)
            return None
        if "(" in node.name and (why := _capability_fault(node.name)):
            self.fault(why, node.name_start)
            return None
        return Switch(node.name, setting, tuple(values), self.why(node))

    # Pins

    def pins(self) -> tuple[list[Pin], list[Hold]]:
        said = list(self.each("pins", self.pin, lambda pair: pair[0]))
        return [pin for _, pin, _ in said if pin], [hold for _, _, hold in said if hold]

    def pin(self, node: Node) -> tuple[str, Pin | None, Hold | None] | None:
        relation = self.wanted(node)
        source = self.text_property(node, "from")
        held = self.property(node, "hold", bool, "#true or #false")
        self.only(node, properties=("from", "hold"), children=("why",))
        if relation is None:
            return None
        if Capability.parse(relation.name).kind is not CapabilityKind.NAME:
            self.fault(f"{relation.name} is a capability; what can be pinned is a package", node.name_start)
            return None
        pin = Pin(relation, source, 0) if relation.operator is not None or source else None
        if pin is None and not held and "hold" not in node.properties:
            self.fault(f'nothing is said of {relation.name}: write a range ("< 3"), from="REPO" or hold=#true',
                       node.name_start)  # fmt: skip
            return None
        return relation.name, pin, Hold(relation.name, 0) if held else None

    # Repositories

    def repository(self, node: Node) -> StatedRepository | None:
        before = len(self.faults)
        self.no_entries(node)
        texts = {key: self.child_value(node, key, str, "a text") for key in _REPOSITORY_TEXTS}
        flags = {key: self.child_value(node, key, bool, "#true or #false") for key in ("enabled", "unsigned")}
        numbers = {key: self.child_value(node, key, int, "a whole number") for key in ("priority", "max-staleness")}
        self.only(node, properties=(), children=(*texts, *flags, *numbers), entries=False)
        if node.child("uri") is None and not texts["base-uri"]:
            self.fault(f"the repository {node.name} has no uri and no base-uri", node.name_start)
        elif node.child("uri") is None and not texts["version"]:
            self.fault(f'{node.name} has a base-uri and no version, such as "stream/volatile"', node.name_start)
        if len(self.faults) > before:
            return None
        return StatedRepository(
            node.name,
            uri=texts["uri"] or "",
            base_uri=texts["base-uri"] or "",
            channel=texts["channel"] or "",
            version=texts["version"] or "",
            description=texts["description"] or "",
            priority=numbers["priority"] or 0,
            enabled=flags["enabled"] is not False,
            unsigned=flags["unsigned"] is True,
            trust=texts["trust"] or "",
            max_staleness=numbers["max-staleness"] or 0,
        )

    def child_value(self, node: Node, key: str, kind: type[T], wanted: str) -> T | None:
        child = node.child(key)
        if child is None:
            return None
        if len(child.arguments) != 1:
            self.fault(f"{key} has {len(child.arguments)} values and needs one: {wanted}", child.name_start)
            return None
        return self.checked(child.arguments[0], key, kind, wanted)

    # Parts of nodes

    def why(self, node: Node) -> str:
        return self.child_value(node, "why", str, "a text") or ""

    def text_property(self, node: Node, key: str) -> str | None:
        return self.property(node, key, str, "a text") or None

    def property(self, node: Node, key: str, kind: type[T], wanted: str) -> T | None:
        found = node.properties.get(key)
        return None if found is None else self.checked(found, key, kind, wanted)

    def checked(self, found: Value, key: str, kind: type[T], wanted: str) -> T | None:
        if type(found.value) is kind:
            return found.value
        self.fault(f"{key} is {wanted}, not {self.as_written(found)}", found.start)
        return None

    def only(
        self, node: Node, *, properties: tuple[str, ...], children: tuple[str, ...], entries: bool = True
    ) -> None:
        """Warn of what moss does not know in a node."""
        if entries:
            for key, found in node.properties.items():
                if key not in properties:
                    self.warn(f"moss does not know {key!r} of {node.name} and leaves it alone", found.begin)
        for child in node.children:
            if child.name not in children:
                self.warn(f"moss does not know {child.name!r} in {node.name} and leaves it alone", child.name_start)

    def no_entries(self, node: Node) -> None:
        for found in (*node.arguments, *node.properties.values()):
            self.fault(f"{node.name} is followed by a block {{ … }}, not by {self.as_written(found)}", found.begin)

    def as_written(self, found: Value) -> str:
        return self.document.text[found.start : found.end]

    def fault(self, message: str, offset: int) -> None:
        self.faults.append((offset, self.placed(message, offset)))

    def warn(self, message: str, offset: int) -> None:
        self.warnings.append((offset, self.placed(message, offset)))

    def placed(self, message: str, offset: int) -> str:
        line, column = place(self.document.text, offset)
        return f"{self.name}:{line}:{column}: {message}"


def _meant(name: str) -> str:
    import difflib  # only for someone who mistyped

    near = difflib.get_close_matches(name, SECTIONS, n=1, cutoff=0.7)
    return f": is {near[0]} meant?" if near else ""


def _capability_fault(name: str) -> str | None:
    """What is wrong with a capability that somebody subscribes to."""
    try:
        Capability.parse(name)
    except UsageError as fault:
        return fault.message
    return None
