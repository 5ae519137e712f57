"""Formulas from text; the grammar is in `solver.model`."""

from functools import lru_cache

from solver.model import ANY_ARCH, All, AnyOf, Formula, If, Operator, Relation, Unless

_OPERATORS = {operator.value: operator for operator in Operator} | {"==": Operator.EQ}
_SIGNS = "<>="
_DEEPEST = 50


class FormulaError(ValueError):
    """A text that is no formula: where, and what was expected there."""

    def __init__(self, text: str, position: int, expected: str) -> None:
        super().__init__(f"expected {expected}\n  {text}\n  {' ' * position}^")
        self.text, self.position, self.expected = text, position, expected

    @property
    def in_a_line(self) -> str:
        """For who shows the text beside it."""
        return f"expected {self.expected} at character {self.position + 1}"


@lru_cache(maxsize=1 << 17)
def parse_formula(text: str) -> Formula:
    """The formula a text says. Raises FormulaError, which points at the place."""
    reader = _Reader(text)
    formula = reader.formula(0)
    reader.end()
    return formula


def parse_relation(text: str) -> Relation:
    """A formula that is a single relation. Raises FormulaError."""
    formula = parse_formula(text)
    if not isinstance(formula, Relation):
        raise FormulaError(text, 0, "one capability, not a formula")
    return formula


class _Reader:
    """Reads a formula from left to right; `at` is the place."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.skip()

    def fail(self, expected: str) -> FormulaError:
        return FormulaError(self.text, self.at, expected)

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def next(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self, sign: str) -> bool:
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            self.skip()
            return True
        return False

    def word(self, word: str) -> bool:
        after = self.at + len(word)
        if self.text.startswith(word, self.at) and not self.text[after : after + 1].strip(" ()"):
            self.at = after
            self.skip()
            return True
        return False

    def end(self) -> None:
        if self.at < len(self.text):
            raise self.fail("'|', '&', 'if', 'unless' or the end")

    def formula(self, depth: int) -> Formula:
        if depth > _DEEPEST:
            raise self.fail(f"at most {_DEEPEST} formulas in one another")
        then = self.choice(depth)
        for word, kind in (("if", If), ("unless", Unless)):
            if self.word(word):
                condition = self.choice(depth)
                otherwise = self.choice(depth) if self.word("else") else None
                return kind(condition, then, otherwise)
        return then

    def choice(self, depth: int) -> Formula:
        parts = [self.both(depth)]
        while self.take("|"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def both(self, depth: int) -> Formula:
        parts = [self.unit(depth)]
        while self.take("&"):
            parts.append(self.unit(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def unit(self, depth: int) -> Formula:
        if not self.take("("):
            return self.relation()
        inner: Formula
        if self.word("all"):
            inner = All(() if self.next() == ")" else (self.unit(depth + 1),))
        elif self.word("any"):
            inner = AnyOf((self.unit(depth + 1),))
        elif self.word("none"):
            inner = AnyOf(())
        else:
            inner = self.formula(depth + 1)
        if not self.take(")"):
            raise self.fail("')'")
        return inner

    def relation(self) -> Relation:
        name = self.name("a capability")
        name, arch = self.qualified(name)
        self.skip()
        if self.next() == "(" and self.sign_follows():
            self.take("(")
            operator = self.operator()
            version = self.version()
            if not self.take(")"):
                raise self.fail("')' after the version")
            return Relation(name, operator, version, arch)
        return Relation(name, arch=arch)

    def qualified(self, name: str) -> tuple[str, str | None]:
        """What stands behind a colon: part of the name, or, behind two and for `any` and `native`, an architecture."""
        if self.next() != ":":
            return name, None
        self.at += 1
        if limits := self.next() == ":":
            self.at += 1
        arch = self.name("an architecture")
        return (name, arch) if limits or arch in ANY_ARCH else (f"{name}:{arch}", None)

    def sign_follows(self) -> bool:
        return self.text[self.at + 1 :].lstrip()[:1] in tuple(_SIGNS)

    def operator(self) -> Operator:
        start = self.at
        while self.next() and self.next() in _SIGNS:
            self.at += 1
        operator = _OPERATORS.get(self.text[start : self.at])
        if operator is None:
            self.at = start
            raise self.fail("one of < <= = >= >")
        self.skip()
        return operator

    def version(self) -> str:
        if self.next() == '"':
            text = self.quoted()
        else:
            start = self.at
            while self.next() and self.next() not in ' ()"':
                self.at += 1
            text = self.text[start : self.at]
            if not text:
                raise self.fail("a version")
        self.skip()
        return text

    def quoted(self) -> str:
        start, text = self.at, ""
        self.at += 1
        while self.next() not in ("", '"'):
            if self.next() == "\\":
                self.at += 1
            text += self.next()
            self.at += 1
        if not self.next():
            self.at = start
            raise self.fail("a closing '\"'")
        self.at += 1
        return text

    def name(self, what: str) -> str:
        if self.next() == '"':
            text = self.quoted()
            if not text:
                raise self.fail(what)
            return text
        start, depth = self.at, 0
        while sign := self.next():
            if depth == 0 and (sign.isspace() or sign in ':"|&,)' or (sign == "(" and self.at == start)):
                break
            depth += (sign == "(") - (sign == ")")
            self.at += 1
        if depth or start == self.at or self.text[start : self.at] in ("if", "unless", "else"):
            self.at = start
            raise self.fail(what)
        return self.text[start : self.at]
