"""Changing a document changes the lines it must, and no other."""

import random
from difflib import ndiff

import pytest

from moss.kdl import append_argument, append_node, as_string, parse, remove_argument, remove_node, replace_value
from moss.kdl.values import Document, Node

COMMENTED = """\
// What this machine is for.

repositories {
    volatile { uri "file:///srv/volatile/stone.index"; priority 10 } // ours
}

packages {
    // editors
    vim // the one true
    "binary(git)" {
        why "work"
    }

    /* shells */
    bash; zsh   ; fish
}
"""


def changed(before: str, after: str) -> list[str]:
    """The lines that went and came, as a diff marks them."""
    lines = ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line.rstrip("\n") for line in lines if line[0] in "+-"]


def find(document: Document, *names: str) -> Node:
    nodes = document.nodes
    found = None
    for name in names:
        found = next(node for node in nodes if node.name == name)
        nodes = found.children
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (("packages", "vim"), ["-     vim // the one true"]),
        (("packages", "binary(git)"), ['-     "binary(git)" {', '-         why "work"', "-     }"]),
        (("packages", "bash"), ["-     bash; zsh   ; fish", "+     zsh   ; fish"]),
        (("packages", "zsh"), ["-     bash; zsh   ; fish", "+     bash; fish"]),
        (("packages", "fish"), ["-     bash; zsh   ; fish", "+     bash; zsh   "]),
    ],
)
def test_a_node_goes_with_its_own_lines(names: tuple[str, ...], lines: list[str]) -> None:
    document = parse(COMMENTED)
    after = remove_node(document, find(document, *names))
    assert changed(COMMENTED, after) == lines


def test_a_node_comes_behind_the_last_one_and_indented_like_it() -> None:
    document = parse(COMMENTED)
    after = append_node(document, find(document, "packages"), "nano")
    assert changed(COMMENTED, after) == ["+     nano"]
    assert after.index("nano") > after.index("fish")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("p", "p {\n    new\n}"),
        ("p 1 k=2 // c\n", "p 1 k=2 {\n    new\n} // c\n"),
        ("p {}", "p { new }"),
        ("p { /* none */ }", "p { /* none */ new }"),
        ("p { a }", "p { a; new }"),
        ("p { a; }", "p { a; new }"),
        ("p { a; b }; q", "p { a; b; new }; q"),
        ("p {\n}\n", "p {\n    new\n}\n"),
        ("p {\n\ta\n}\n", "p {\n\ta\n\tnew\n}\n"),
        ("  p {\r\n    a\r\n  }\r\n", "  p {\r\n    a\r\n    new\r\n  }\r\n"),
        ("p { a\n  b }\n", "p { a\n  b\n  new\n}\n"),
        ("p {\n  a // last\n}\n", "p {\n  a // last\n  new\n}\n"),
        ("p {\n  a\n  // end\n}\n", "p {\n  a\n  // end\n  new\n}\n"),
    ],
)
def test_a_node_is_appended_as_the_block_is_written(before: str, after: str) -> None:
    document = parse(before)
    assert append_node(document, document.nodes[0], "new") == after
    assert [child.name for child in parse(after).nodes[0].children][-1] == "new"


def test_a_node_at_the_end_gets_a_line_of_its_own() -> None:
    assert append_node(parse(""), None, "a") == "a\n"
    assert append_node(parse("a"), None, "b") == "a\nb\n"
    assert append_node(parse("a\r\n// c"), None, "b") == "a\r\n// c\r\nb\r\n"


def test_arguments_come_go_and_change() -> None:
    text = 'locale "de"  "en_GB" /* of old */ k=1 { x } // two\n'
    document = parse(text)
    node = document.nodes[0]
    assert append_argument(document, node, '"fr"') == text.replace("k=1", 'k=1 "fr"')
    assert remove_argument(document, node.arguments[1]) == text.replace('  "en_GB"', "")
    assert replace_value(document, node.arguments[0], '"nl"') == text.replace("de", "nl")


def test_three_hundred_random_edits_change_only_what_they_must() -> None:
    chance = random.Random(4)
    for number in range(300):
        text = random_model(chance)
        document = parse(text)
        block = document.nodes[0]
        if number % 2 and block.children:
            node = chance.choice(block.children)
            after = remove_node(document, node)
            expected = [child.name for child in block.children if child is not node]
        else:
            after = append_node(document, block, as_string(f"new{number}"))
            expected = [child.name for child in block.children] + [f"new{number}"]
        again = parse(after)
        assert [child.name for child in again.nodes[0].children] == expected, text
        assert [node.name for node in again.nodes] == [node.name for node in document.nodes]
        gone = [line for line in changed(text, after) if line.startswith("-")]
        touched = text[: document.nodes[0].end].count("\n") + 1 if number % 2 else 1
        assert len(gone) <= max(1, min(touched, 4)), (text, after)
        for comment in ("// before", "// after", "/* within */"):
            assert text.count(comment) == after.count(comment)


def random_model(chance: random.Random) -> str:
    """A commented block of packages, on one line or several, and something behind it."""
    indent, newline = chance.choice(("    ", "\t", "  ")), chance.choice(("\n", "\r\n"))
    if chance.random() < 0.3:
        nodes = "; ".join(f"p{n}" for n in range(chance.randint(0, 4)))
        body = f" {nodes}{chance.choice((';', '')) if nodes else ''} "
    else:
        lines = []
        for n in range(chance.randint(0, 5)):
            if chance.random() < 0.4:
                lines.append(f"{indent}{chance.choice(('// before', '/* within */', ''))}")
            why = f' {{ why "reason {n}" }}' if chance.random() < 0.3 else ""
            many = f' {{{newline}{indent * 2}why "so"{newline}{indent}}}' if chance.random() < 0.2 else why
            lines.append(f'{indent}"p({n})"{many}{chance.choice((";", "", " // mine", "  "))}')
        body = newline + "".join(line + newline for line in lines)
    return f"// before{newline}packages {{{body}}} // after{newline}{newline}other 1{newline}"
