"""KDL is read as ckdl reads it, and what is wrong is said with its place."""

import random
import re

import ckdl
import pytest

from moss.kdl import KdlError, as_string, as_value, parse
from moss.kdl.values import Node

# What the two disagree on: we read KDL 2 only, and a block right behind a name, as people write it; ckdl reads
# nodes and escapes of nothing, which the grammar has not.
DISAGREE = (*("a{b}", "a/-{b}", "a;;b", ";a", "/-kdl-version 1\na", 'a "\\u{}"', "a (t)(t)b", "/- /- a", "(t)\\\na"),)

ACCEPTED_OR_NOT = (
    # nodes and their ends
    "a", "a;b", "a\nb", "a {b}", "a {\n}\n", "a {b} c",
    "a {b}; c", "a {b;};c", "a {b} {c}", "a 1 {b} 2", "a {", "}", "a }",
    "a\\\n b", "a \\ // c\n b", "a \\ b", "a\\", "a // x\nb", "/* /* */ */ a", "/* /* */ a", "a/*x*/b", "",
    "\ufeffa", "a\ufeff", "a\r\nb\r\n", "a\x85b\u2028c", "a \u00a0 1\u3000 2", "a\x00", "a \u200e",
    # slashdash
    "/-a", "/- a b\nc", "/-", "a /-1 2", "a /-k=1 2", "a /- k=1 2", "a k=/-1 2", "a /- {b} {c}", "a /-{b} /-{c}",
    "a {/-b}", "a {b /-c}", "a 1 /-\n2 3", "a/-1", "a 1/-2", "a /-{b} 2", "/-kdl-version 2\na",
    # arguments and properties
    "a k=1", "a k = 1", "a k=1 k=2", "a k=", "a =1", 'a"b"',
    '"a"b=1', 'a b="x"c', "a []", 'a "k"=1', '"" 1', 'a ""=1',
    # types
    '(t)a (t)1 (u)"x" k=(v)#true', "( t )a", "(t) a", '("t t")a', "() a",
    "a ()", "a (t)", "a (t)k=1", "a k=(t) 1", "a(t)1",
    # numbers and keywords
    "a 1.5e3 0x1F -0b10 +0o7 1_000", "a 1e400", "a 1.0", "a 1__2", "a 1_",
    "a _1", "a .1", "a -.1", "a .", "a -", "a -x",
    "a 1x", "a 0x", "a 0b2", "a 0xg", "a 1.", "a 1.x",
    "a #inf #-inf", "a true", "inf", "a -inf", "nan 1", "a #foo", "a #true#",
    "a #true #false #null", "a 99999999999999999999999", "a +1", "a 1e", "a 1e+", "a 0_0",
    # strings
    'a "\\u{41}\\s\\n\\"x"', 'a "x\\   y"', 'a "x\\\n   y"',
    'a "x\ny"', 'a "\\q"', 'a "\\u{D800}"', 'a "\\u{110000}"',
    'a "\\', 'a "', 'a ""', 'a "\\\\ x"', 'a """"""', 'a """\n"""', 'a """\n  x\n   y\n  """', 'a """\nx"""',
    'a """\n  x\n y\n  """', 'a """x\n"""',
    'a """\n  x \\\n  y\n  """', 'a """\n  x\n  \\   """', 'a """\n  x\\\n  """',
    'a """\n\n \n x\n """', 'a """\n "q" \\""" \n """', 'a """\r\n x\r\n y\r\n """', '"""\n a\n """ 1',
    'a #"x"y"#', 'a ##"x"#y"##', 'a #""#', 'a #"\\n"#',
    'a #"x', 'a #"""\n "\n """#', 'a k=#"""\n b\n """#', 'a #"x\n"#',
)  # fmt: skip


def theirs(text: str) -> object:
    try:
        document = ckdl.parse(text, version=2)
    except ckdl.ParseError:
        return None

    def value(found: object) -> object:
        return (found.type_annotation, found.value) if isinstance(found, ckdl.Value) else (None, found)

    def node(found: ckdl.Node) -> object:
        properties = {key: value(found.properties[key]) for key in found.properties}
        return found.type_annotation, found.name, [*map(value, found.args)], properties, [*map(node, found.children)]

    return [node(one) for one in document.nodes]


def ours(text: str) -> object:
    def node(found: Node) -> object:
        properties = {key: (one.type, one.value) for key, one in found.properties.items()}
        arguments = [(one.type, one.value) for one in found.arguments]
        return found.type, found.name, arguments, properties, [*map(node, found.children)]

    try:
        return [node(one) for one in parse(text).nodes]
    except KdlError:
        return None


@pytest.mark.parametrize("text", ACCEPTED_OR_NOT)
def test_a_document_means_what_ckdl_says(text: str) -> None:
    assert repr(ours(text)) == repr(theirs(text))


@pytest.mark.parametrize("text", DISAGREE)
def test_the_list_of_disagreements_is_true(text: str) -> None:
    assert ours(text) != theirs(text)


def test_random_documents_mean_what_ckdl_says() -> None:
    chance = random.Random(2)
    read = 0
    for _ in range(4000):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 14)))
        expected = theirs(text)
        if not _BESIDE_THE_POINT.search(text):
            assert repr(ours(text)) == repr(expected), text
            read += expected is not None
    assert read > 300


PIECES = (
    *(
        "a",
        "b",
        "node",
        " ",
        " ",
        " ",
        "\n",
        ";",
        "1",
        "-2.5e3",
        "#true",
        '"s"',
        "k=",
        "{",
        "}",
        "/-",
        "//c\n",
        "/*c*/",
    ),
    *("\\\n", '"""\n x\n """', '#"r"#', "(t)", "\t", "#null", "=", '"', "_", "."),
)


# Where the two part, beside the list above: two types or slashdashes in a row, a newline escaped after a type.
_SPACE = r"(?:\s|/\*c\*/|//c\n|\\\n)*"
_BESIDE_THE_POINT = re.compile(
    rf"[^\s]\{{|[^\s]/-|(?:^|[;{{}}\n]|/-|\*/){_SPACE};|\(t\){_SPACE}\(t\)|/-{_SPACE}/-|\(t\)\s*\\|/-{_SPACE}\Z"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\nb [", "line 2, column 3: a value is missing here, before '['"),
        ("a {\n  b\n", "line 1, column 3: this { is never closed"),
        ("a }", "line 1, column 3: there is no { that this } closes"),
        ('a "x', 'line 1, column 3: this string is never closed by "'),
        ("x\r\ny true", 'line 2, column 3: write #true for the value, or "true" for the word'),
        ("a 1x", "line 1, column 3: '1x' begins like a number and is none; put it into quotes if it is text"),
        ('a "\\q"', "line 1, column 4: this escape means nothing in KDL; write \\\\ for a backslash"),
        ("a /* b", "line 1, column 3: this comment is never closed by */"),
        ("a\x01", "line 1, column 2: the character U+0001 may not stand in KDL; write \\u{1}"),
        ("/-kdl-version 1\na", "line 1, column 1: this says that it is KDL 1, and KDL 2 is read"),
        ('a "x\ny"', 'line 1, column 5: a string of several lines is written between """'),
        ("a{" * 60, "line 1, column 103: blocks are nested more than 50 deep"),
        ("a " + "1" * 1001, "line 1, column 3: this number has more than a thousand digits"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(KdlError) as caught:
        parse(text)
    assert str(caught.value) == said


def test_every_part_knows_where_it_stands() -> None:
    text = '// head\nouter (t)1 key="v" { inner; } // tail\nlast\n'
    outer, last = parse(text).nodes
    assert text[outer.start : outer.end] == 'outer (t)1 key="v" { inner; }'
    assert text[outer.name_start : outer.name_end] == "outer"
    assert [text[one.start : one.end] for one in (*outer.arguments, *outer.properties.values())] == ["(t)1", '"v"']
    assert outer.block is not None
    assert text[slice(*outer.block)] == "{ inner; }"
    assert text[outer.entries_end :].startswith(" { inner")
    assert text[outer.after :] == "last\n"
    assert (last.start, last.after) == (text.index("last"), len(text))


def test_values_are_written_so_that_they_are_read_again() -> None:
    chance = random.Random(3)
    letters = 'ab"\\\n\r\t\x00\x7f\x85\u200e\u2028\ufeff{}()=;#/-. 0\xe9\U0001f600'
    texts = ["".join(chance.choice(letters) for _ in range(chance.randint(0, 6))) for _ in range(2000)]
    for value in (
        *texts,
        *("true", "inf", "-", ".1", "vim", "libc6.1", "binary(git)"),
        0,
        -3,
        2.5,
        float("inf"),
        None,
        True,
        False,
    ):
        assert repr(parse(f"a {as_value(value)}").nodes[0].arguments[0].value) == repr(value)
        if isinstance(value, str):
            assert parse(as_string(value)).nodes[0].name == value
    assert as_string("vim") == "vim"
    assert as_string("binary(git)") == '"binary(git)"'
