"""From text to a document: one walk through the text, a function for each rule of the grammar."""

import re

from moss.kdl.strings import SPACES, dedented, unescaped
from moss.kdl.values import NEWLINE, Document, KdlError, Node, Plain, Value

_DEEPEST = 50
_LONGEST = 4 << 20
_FORBIDDEN = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_SPACE = re.compile(f"[{SPACES}]+")
_LINE_COMMENT = re.compile("//[^\r\n\x85\x0b\x0c\u2028\u2029]*")
_COMMENT_PART = re.compile(r"/\*|\*/")
_WORD = re.compile(f"[^{SPACES}\r\n\x85\x0b\x0c\u2028\u2029" + r'\\/(){};\[\]"#=]+')
_VERSION = re.compile(f"/-[{SPACES}]*kdl-version[{SPACES}]+([12])[{SPACES}]*(?=[\r\n\x85\x0b\x0c\u2028\u2029])")
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?:0x(?P<hex>[0-9a-fA-F][0-9a-fA-F_]*)|0o(?P<octal>[0-7][0-7_]*)|0b(?P<binary>[01][01_]*)"
    r"|(?P<integer>[0-9][0-9_]*)(?P<rest>(?:\.[0-9][0-9_]*)?(?:[eE][+-]?[0-9][0-9_]*)?))"
)
_LIKE_A_NUMBER = re.compile(r"[+-]?\.?[0-9]")
_NOT_BARE = ("true", "false", "null", "inf", "-inf", "nan")
_KEYWORDS: dict[str, Plain] = {
    "true": True, "false": False, "null": None,
    "inf": float("inf"), "-inf": float("-inf"), "nan": float("nan"),
}  # fmt: skip
_RAW_OPENING = re.compile('(#+)("""|")')


def parse(text: str) -> Document:
    """Read a KDL 2 document. Raises KdlError at the first place that is not KDL."""
    if len(text) > _LONGEST:
        raise KdlError(f"this is {len(text):,} characters long, and {_LONGEST:,} are read", text, 0)
    start = 1 if text.startswith("\ufeff") else 0
    forbidden = _FORBIDDEN.search(text, start)
    if forbidden:
        code = ord(forbidden[0])
        raise KdlError(
            f"the character U+{code:04X} may not stand in KDL; write \\u{{{code:x}}}", text, forbidden.start()
        )
    version = _VERSION.match(text, start)
    if version and version[1] == "1":
        raise KdlError("this says that it is KDL 1, and KDL 2 is read", text, start)
    reader = _Reader(text, version.end() if version else start)
    nodes = reader.nodes(0)
    if reader.at < len(text):
        raise reader.error("there is no { that this } closes")
    return Document(text, nodes)


class _Reader:
    """The text, and how far it has been read. Each method reads one rule and stands behind it."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def error(self, message: str, offset: int | None = None) -> KdlError:
        return KdlError(message, self.text, self.at if offset is None else offset)

    def next_is(self, word: str) -> bool:
        return self.text.startswith(word, self.at)

    def found(self, pattern: re.Pattern[str]) -> bool:
        """Whether the pattern stands here; if so, it is read."""
        match = pattern.match(self.text, self.at)
        if match is None:
            return False
        self.at = match.end()
        return True

    # Space between things

    def node_space(self) -> bool:
        """Spaces, comments and escaped newlines within a node."""
        start = self.at
        while self.found(_SPACE) or self.block_comment() or self.escaped_newline():
            pass
        return self.at > start

    def line_space(self) -> None:
        """All that may stand between nodes, but for a slashdash."""
        while self.node_space() or self.found(NEWLINE) or self.found(_LINE_COMMENT):
            pass

    def block_comment(self) -> bool:
        if not self.next_is("/*"):
            return False
        start, depth = self.at, 0
        for part in _COMMENT_PART.finditer(self.text, start):
            depth += 1 if part[0] == "/*" else -1
            if depth == 0:
                self.at = part.end()
                return True
        raise self.error("this comment is never closed by */", start)

    def escaped_newline(self) -> bool:
        if not self.next_is("\\"):
            return False
        start = self.at
        self.at += 1
        while self.found(_SPACE) or self.block_comment():
            pass
        self.found(_LINE_COMMENT)
        if not self.found(NEWLINE) and self.at < len(self.text):
            raise self.error("outside a string, \\ ends a line and nothing else", start)
        return True

    def slashdash(self) -> bool:
        """Whether what follows is commented out by `/-`."""
        if not self.next_is("/-"):
            return False
        self.at += 2
        self.line_space()
        return True

    # Nodes

    def nodes(self, depth: int) -> tuple[Node, ...]:
        """Nodes up to a `}` or the end."""
        if depth > _DEEPEST:
            raise self.error(f"blocks are nested more than {_DEEPEST} deep")
        nodes: list[Node] = []
        while True:
            self.line_space()
            ignored = self.slashdash()
            if self.at == len(self.text) or self.next_is("}"):
                if ignored:
                    raise self.error("/- stands before nothing")
                return tuple(nodes)
            node = self.node(depth)
            if not ignored:
                nodes.append(node)

    def node(self, depth: int) -> Node:
        start = self.at
        type_name = self.type_annotation()
        self.node_space()
        name_start = self.at
        name = self.name()
        name_end = entries_end = end = self.at
        arguments: list[Value] = []
        properties: dict[str, Value] = {}
        children: tuple[Node, ...] = ()
        block: tuple[int, int] | None = None
        is_past_entries = False
        while True:
            spaced = self.node_space()
            if self.node_ends():
                break
            ignored = self.slashdash()
            if self.next_is("{"):
                begin = self.at
                inside = self.children_block(depth)
                is_past_entries = True
                if not ignored:
                    if block is not None:
                        raise self.error(f"{name} has a second block", begin)
                    children, block = inside, (begin, self.at)
            else:
                if not spaced:
                    raise self.error("a space is missing here")
                if is_past_entries:
                    raise self.error("after a block, nothing but another node may follow: begin a new line")
                self.entry(arguments, properties, ignored=ignored)
                entries_end = self.at
            end = self.at
        semicolon = self.next_is(";")
        self.terminator()
        return Node(
            name, type_name, tuple(arguments), properties, children,
            start, name_start, name_end, entries_end, end, self.at, semicolon, block,
        )  # fmt: skip

    def node_ends(self) -> bool:
        if self.at == len(self.text) or self.text[self.at] in ";}" or self.next_is("//"):
            return True
        return NEWLINE.match(self.text, self.at) is not None

    def terminator(self) -> None:
        if self.next_is(";"):
            self.at += 1
        elif not self.next_is("}"):
            self.found(_LINE_COMMENT)
            self.found(NEWLINE)

    def children_block(self, depth: int) -> tuple[Node, ...]:
        begin = self.at
        self.at += 1
        children = self.nodes(depth + 1)
        if not self.next_is("}"):
            raise self.error("this { is never closed", begin)
        self.at += 1
        return children

    def entry(self, arguments: list[Value], properties: dict[str, Value], *, ignored: bool) -> None:
        """An argument or a property, kept unless `ignored`."""
        begin = self.at
        key = self.key()
        value = self.value(begin)
        if ignored:
            return
        if key is None:
            arguments.append(value)
        else:
            properties.pop(key, None)
            properties[key] = value

    def key(self) -> str | None:
        """A property's key and its `=`; where there is none, nothing is read."""
        start = self.at
        if not self.is_string():
            return None
        key = self.name()
        self.node_space()
        if not self.next_is("="):
            self.at = start
            return None
        self.at += 1
        self.node_space()
        return key

    # Values

    def value(self, begin: int) -> Value:
        start = self.at
        type_name = self.type_annotation()
        self.node_space()
        return Value(self.plain(), type_name, start, self.at, begin)

    def plain(self) -> Plain:
        if self.is_string():
            return self.string()
        if self.next_is("#"):
            return self.keyword()
        return self.number()

    def is_string(self) -> bool:
        if self.at == len(self.text):
            return False
        if self.text[self.at] == '"' or _RAW_OPENING.match(self.text, self.at):
            return True
        return _WORD.match(self.text, self.at) is not None and not _LIKE_A_NUMBER.match(self.text, self.at)

    def type_annotation(self) -> str | None:
        if not self.next_is("("):
            return None
        self.at += 1
        self.node_space()
        name = self.name()
        self.node_space()
        if not self.next_is(")"):
            raise self.error("a ) is missing here")
        self.at += 1
        return name

    def keyword(self) -> Plain:
        start = self.at
        self.at += 1
        word = _WORD.match(self.text, self.at)
        if word is None or word[0] not in _KEYWORDS:
            raise self.error("after # stands true, false, null, inf, -inf, nan, or a raw string", start)
        self.at = word.end()
        return _KEYWORDS[word[0]]

    def number(self) -> Plain:
        word = _WORD.match(self.text, self.at)
        if word is None:
            raise self.error(f"a value is missing here, before {self.here()}")
        number = _NUMBER.fullmatch(word[0])
        if number is None:
            raise self.error(f"{word[0]!r} begins like a number and is none; put it into quotes if it is text")
        self.at = word.end()
        digits = word[0].replace("_", "")
        if number["integer"] is not None and number["rest"]:
            return float(digits)
        if len(digits) > 1000:
            raise self.error("this number has more than a thousand digits", word.start())
        bases = {"hex": 16, "octal": 8, "binary": 2, "integer": 10}
        base = next(base for name, base in bases.items() if number[name] is not None)
        return int(digits, base)

    def name(self) -> str:
        """A string where only a string may stand."""
        if not self.is_string():
            raise self.error(f"a name is expected here, not {self.here()}")
        return self.string()

    def here(self) -> str:
        return repr(self.text[self.at]) if self.at < len(self.text) else "the end"

    def string(self) -> str:
        raw = _RAW_OPENING.match(self.text, self.at)
        if raw:
            return self.quoted(raw.end(), raw[2], raw[2] + raw[1], raw=True)
        for quotes in ('"""', '"'):
            if self.next_is(quotes):
                return self.quoted(self.at + len(quotes), quotes, quotes, raw=False)
        word = _WORD.match(self.text, self.at)
        assert word is not None
        if word[0] in _NOT_BARE:
            raise self.error(f'write #{word[0]} for the value, or "{word[0]}" for the word')
        self.at = word.end()
        return word[0]

    def quoted(self, begin: int, quotes: str, closing: str, *, raw: bool) -> str:
        """A string between quotes, whose content begins at `begin`."""
        end = self.closing(begin, closing, raw=raw)
        body = self.text[begin:end]
        if quotes == '"""':
            said = dedented(body, self.text, begin, raw=raw)
        else:
            broken = NEWLINE.search(body if raw else re.sub(r"\\[\s]+", lambda found: "\\" * len(found[0]), body))
            if broken:
                raise self.error('a string of several lines is written between """', begin + broken.start())
            said = body if raw else unescaped(body, self.text, begin)
        self.at = end + len(closing)
        return said

    def closing(self, begin: int, closing: str, *, raw: bool) -> int:
        """Where the closing quotes stand."""
        at = begin
        while True:
            end = self.text.find(closing, at)
            escape = -1 if raw else self.text.find("\\", at, end if end >= 0 else None)
            if escape >= 0:
                at = escape + 2
                continue
            if end < 0:
                raise self.error(f"this string is never closed by {closing}", begin - 1)
            return end
