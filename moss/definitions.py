"""The text of subscription definitions: KDL, a node `subscription` each. docs/subscriptions.md tells every form.

    subscription "32bit-graphics" {
        summary "32-bit graphics drivers for games"
        when { all "nvidia-driver" { any "steam" "wine" } }
        want "nvidia-driver-32bit"
    }
"""

import re
from collections.abc import Callable, Sequence

from moss.capability import Capability
from moss.errors import UsageError
from moss.facts import FactKind, is_about_facts, name_fault
from moss.kdl import Document, KdlError, Node, Value, parse
from moss.path_filter import pattern_fault
from moss.subscription import VALUE, Definition, PathRule, Setting, subscription_named
from solver.formula import FormulaError, parse_relation
from solver.model import All, AnyOf, Formula, If, Relation
from solver.request import SubscriptionRule
from solver.values import replace

LARGEST = 1 << 20
"""Characters of a file of definitions."""
_TOLD_FAULTS = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,99}")
_DEFAULTS = {True: Setting.ON, False: Setting.OFF, "auto": Setting.AUTO}
_EFFECTS = ("want", "require", "prefer")


def parse_definitions(text: str, file: str, origin: str) -> tuple[Definition, ...]:
    """The definitions in a text. One UsageError tells all that is wrong, each with file, line and column."""
    if len(text) > LARGEST:
        raise _refusal([f"{file}: {len(text):,} characters, and {LARGEST:,} are read"], file)
    try:
        document = parse(text)
    except KdlError as fault:
        raise _refusal([f"{file}:{fault.line}:{fault.column}: {fault.message}"], file) from fault
    faults: list[KdlError] = []
    found: dict[str, Definition] = {}
    for node in document.nodes:
        one = _Reader(document, faults).definition(node)
        if one is None:
            continue
        if one.name in found:
            faults.append(document.error(f"{one.name} is defined a second time", node.start))
        at = document.error("", node.start)
        found[one.name] = replace(one, origin=origin, place=f"{file}:{at.line}:{at.column}")
    if faults:
        raise _refusal([f"{file}:{one.line}:{one.column}: {one.message}" for one in faults], file) from faults[0]
    return tuple(found.values())


def is_name(text: str) -> bool:
    """Whether a subscription can be called so."""
    return _NAME.fullmatch(text) is not None


def _refusal(told: Sequence[str], file: str) -> UsageError:
    more = [f"and {len(told) - _TOLD_FAULTS} more"] if len(told) > _TOLD_FAULTS else []
    return UsageError(
        told[0],
        because=[*told[1:_TOLD_FAULTS], *more],
        remedies=[f"mend {file}: docs/subscriptions.md tells every form", f"leave it out: mv {file} {file}.off"],
    )


class _Reader:
    """Reads nodes of one document; what cannot be meant is noted as a fault and left out."""

    def __init__(self, document: Document, faults: list[KdlError]) -> None:
        self.document, self.faults = document, faults

    def fault(self, message: str, at: Node | Value) -> None:
        self.faults.append(self.document.error(message, at.start))

    def definition(self, node: Node) -> Definition | None:
        if node.name != "subscription":
            self.fault(f"{node.name!r} is not known here: a definition is `subscription NAME {{ … }}`", node)
            return None
        names = self.strings(node, properties=())
        if len(names) != 1 or not is_name(names[0]):
            self.fault("a subscription has one name, of letters, digits and + . _ -", node)
            return None
        definition = Definition(names[0])
        before = len(self.faults)
        direct: dict[str, list[Relation]] = {}
        once = set[str]()
        for child in node.children:
            if child.name in once:
                self.fault(f"{child.name} is said twice", child)
            elif child.name in _EFFECTS:
                direct.setdefault(child.name, []).extend(self.wanted(child))
            elif child.name in _FORMS:
                if child.name not in ("rule", "paths", "except"):
                    once.add(child.name)
                definition = _FORMS[child.name](self, definition, child)
            else:
                self.fault(f"{child.name!r} is not known here: there are {', '.join((*_FORMS, *_EFFECTS))}", child)
        if direct:
            definition = replace(definition, rules=(_rule(None, direct), *definition.rules))
        if len(self.faults) == before:
            self.agree(definition, node)
        return definition

    def agree(self, definition: Definition, node: Node) -> None:
        """What one part says must fit the others."""
        if definition.shapes is None and any(rule.keep for rule in definition.paths):
            self.fault(f"paths … keep=#true is about values, and {definition.name} takes none: say `values`", node)
        if definition.exceptions and not definition.paths:
            self.fault(f"{definition.name} has an `except` and no `paths`", node)
        if not (definition.rules or definition.paths) and definition.recommends and definition.when is None:
            forms = "want, require, prefer, rule, paths or when"
            self.fault(f"{definition.name} does nothing: it has no {forms}", node)

    # The forms of a definition

    def summary(self, definition: Definition, node: Node) -> Definition:
        return replace(definition, summary=" ".join(self.one_text(node).split()))

    def default(self, definition: Definition, node: Node) -> Definition:
        found = [one.value for one in node.arguments]
        if len(found) != 1 or not isinstance(found[0], bool | str) or found[0] not in _DEFAULTS or self.has_more(node):
            self.fault('default is #true, #false or "auto"', node)
            return definition
        return replace(definition, default=_DEFAULTS[found[0]])

    def values(self, definition: Definition, node: Node) -> Definition:
        shapes = self.strings(node, properties=())
        for one in node.arguments:
            if isinstance(one.value, str) and ("/" in one.value or not one.value.strip()):
                self.fault("what values look like has no slash in it", one)
        return replace(definition, shapes=tuple(shapes) or ("*",))

    def when(self, definition: Definition, node: Node) -> Definition:
        return replace(definition, when=self.condition(node))

    def rule(self, definition: Definition, node: Node) -> Definition:
        condition: Formula | None = None
        effects: dict[str, list[Relation]] = {}
        if node.arguments or node.properties:
            self.fault("a rule has only a block: rule { when …; want … }", node)
        for child in node.children:
            if child.name in _EFFECTS:
                effects.setdefault(child.name, []).extend(self.wanted(child))
            elif child.name == "when" and condition is None:
                condition = self.condition(child)
            else:
                self.fault(f"a rule has one `when`, and {', '.join(_EFFECTS)}, but not this {child.name!r}", child)
        if not effects:
            self.fault("this rule does nothing: it has no want, require or prefer", node)
        return replace(definition, rules=(*definition.rules, _rule(condition, effects)))

    def paths(self, definition: Definition, node: Node) -> Definition:
        keep = node.properties.get("keep")
        patterns = self.strings(node, properties=("keep",))
        if keep is not None and not isinstance(keep.value, bool):
            self.fault("keep is #true or #false", keep)
        keeps = keep is not None and keep.value is True
        if not patterns:
            self.fault('paths needs patterns: paths "share/doc/**"', node)
        for one in node.arguments:
            if isinstance(one.value, str) and (why := _pattern_fault(one.value, keeps)):
                self.fault(f"the pattern {one.value!r}: {why}", one)
        return replace(definition, paths=(*definition.paths, *(PathRule(one, keeps) for one in patterns)))

    def exceptions(self, definition: Definition, node: Node) -> Definition:
        patterns = self.strings(node, properties=())
        for one in node.arguments:
            if isinstance(one.value, str) and (why := _pattern_fault(one.value, False)):
                self.fault(f"the pattern {one.value!r}: {why}", one)
        return replace(definition, exceptions=(*definition.exceptions, *patterns))

    def recommends(self, definition: Definition, node: Node) -> Definition:
        found = [one.value for one in node.arguments]
        if found != [False] or self.has_more(node):
            self.fault("recommends is #false: where nothing is said, recommendations are followed", node)
        return replace(definition, recommends=False)

    # Conditions and what is wanted

    def condition(self, node: Node) -> Formula:
        """Of a `when`: all of it must hold."""
        return self.group(node, lambda parts: parts[0] if len(parts) == 1 else All(parts))

    def group(self, node: Node, make: Callable[[tuple[Formula, ...]], Formula]) -> Formula:
        parts: list[Formula] = []
        if node.properties:
            self.fault("a condition has no properties", next(iter(node.properties.values())))
        for one in node.arguments:
            relation = self.relation(one, facts=True)
            if relation is not None:
                parts.append(relation)
        for child in node.children:
            form = _GROUPS.get(child.name)
            if form is None:
                self.fault(f"{child.name!r} is no condition: there are all, any and not, each with texts", child)
            else:
                parts.append(self.group(child, form))
        if not parts and not self.faults:
            self.fault(f"{node.name} has nothing in it: name a package, a fact or subscription(NAME)", node)
        return make(tuple(parts))

    def wanted(self, node: Node) -> list[Relation]:
        if self.has_more(node) or not node.arguments:
            self.fault(f'{node.name} takes capabilities: {node.name} "vim" "binary(git)"', node)
        found = (self.relation(one, facts=False) for one in node.arguments)
        return [one for one in found if one is not None]

    def relation(self, written: Value, *, facts: bool) -> Relation | None:
        if not isinstance(written.value, str):
            self.fault("a capability is a text: put it into quotes", written)
            return None
        try:
            relation = parse_relation(written.value)
        except FormulaError as fault:
            self.fault(f"{written.value!r} is no capability: {fault.in_a_line}", written)
            return None
        why = relation_fault(relation, facts)
        if why:
            self.fault(f"{written.value!r}: {why}", written)
            return None
        return relation

    # Small things

    def strings(self, node: Node, properties: tuple[str, ...]) -> list[str]:
        for one in node.arguments:
            if not isinstance(one.value, str):
                self.fault("a text is expected here: put it into quotes", one)
        for name, one in node.properties.items():
            if name not in properties:
                self.fault(f"{node.name} has no property {name!r}", one)
        if node.name != "subscription" and node.children:
            self.fault(f"{node.name} has no block", node.children[0])
        return [one.value for one in node.arguments if isinstance(one.value, str)]

    def one_text(self, node: Node) -> str:
        found = self.strings(node, properties=())
        if len(found) != 1:
            self.fault(f"{node.name} is one text", node)
        return found[0] if found else ""

    def has_more(self, node: Node) -> bool:
        return bool(node.properties or node.children)


_FORMS: dict[str, Callable[[_Reader, Definition, Node], Definition]] = {
    "summary": _Reader.summary,
    "default": _Reader.default,
    "values": _Reader.values,
    "when": _Reader.when,
    "rule": _Reader.rule,
    "paths": _Reader.paths,
    "except": _Reader.exceptions,
    "recommends": _Reader.recommends,
}
_GROUPS: dict[str, Callable[[tuple[Formula, ...]], Formula]] = {
    "all": All,
    "any": AnyOf,
    "not": lambda parts: If(parts[0] if len(parts) == 1 else AnyOf(parts), AnyOf(())),
}


def _rule(condition: Formula | None, effects: dict[str, list[Relation]]) -> SubscriptionRule:
    require, want, prefer = (tuple(effects.get(word, ())) for word in ("require", "want", "prefer"))
    return SubscriptionRule(condition, require, want, prefer)


def relation_fault(relation: Relation, facts: bool) -> str | None:
    """What is wrong with a capability of a condition (`facts`: it may be about those too), or of a want."""
    name = relation.name
    is_special = is_about_facts(name) or subscription_named(relation) is not None
    if is_special and not facts:
        return "packages are wanted here, and no package provides this"
    if is_special and relation.version is not None:
        return "a fact or a subscription has no versions"
    if is_special:
        return _fact_fault(name) if is_about_facts(name) and not set(name) & set("*?[") else None
    try:
        capability = Capability.parse(name)
    except UsageError as fault:
        if "(" not in name:
            return fault.message
        return f"there is no kind {name.partition('(')[0]!r}; of facts there are {', '.join(k.value for k in FactKind)}"
    if "*" in name or "?" in name:
        return "only facts are matched with * and ?"
    return None if str(capability) == name else f"write {str(capability)!r}"


def _fact_fault(name: str) -> str | None:
    """What is wrong with a fact that is named without a pattern."""
    kind, _, rest = name.partition("(")
    fault = name_fault(FactKind(kind), rest[:-1])
    return None if fault is None else fault[1]


def _pattern_fault(pattern: str, keep: bool) -> str | None:
    if keep and VALUE not in pattern:
        return f"with keep=#true a pattern has {VALUE} in it, where the values stand"
    if not keep and VALUE in pattern:
        return f"{VALUE} stands only in patterns with keep=#true"
    return pattern_fault(pattern.replace(VALUE, "value"))
