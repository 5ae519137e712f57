"""The text of a system model: read, and edited without touching what need not change."""

import random
import re
from collections import Counter
from pathlib import Path

import ckdl
import pytest

from moss.model import Hold, Pin, SystemModel, Wish, says_the_same
from moss.model_text import ModelTextError, StatedRepository, edited, read_model, with_repositories, written
from moss.subscription import Setting, Switch
from solver.model import Operator, Relation
from tests.kdl.test_editing import changed

PAGE = Path(__file__).parents[2] / "docs/system-model.md"
UPSTREAM = """\
repositories { volatile { description "…"; base-uri "https://x.example/"; version "stream/volatile"; priority 10 }
               local    { uri "file:///path/stone.index"; priority 1; enabled #false } }
packages     { foo; "binary(cc)"; "pkgconfig(zlib)" { why "bar" } }
"""


def test_the_example_in_the_documentation_says_what_the_page_says() -> None:
    found = re.search(r"```kdl\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    said = read_model(found[1], "model")
    assert said.warnings == ()
    assert [str(wish) for wish in said.model.wishes] == ["vim", "foo (< 3) from local", "binary(git)"]
    assert said.model.wishes[2].why == "work"
    assert said.model.switches == (
        Switch("locale", Setting.ON, ("de", "en_GB")), Switch("docs", Setting.OFF), Switch("hardware", Setting.AUTO),
        Switch("32bit-graphics"),
    )  # fmt: skip
    assert [str(pin) for pin in said.model.pins] == ["linux (< 6.7)"]
    assert [hold.name for hold in said.model.holds] == ["gcc"]
    assert said.repositories is not None
    assert [(one.name, one.priority, one.enabled, one.unsigned) for one in said.repositories] == [
        ("volatile", 10, True, False), ("local", 20, False, True),
    ]  # fmt: skip


def test_upstreams_form_is_read_and_edited() -> None:
    said = read_model(UPSTREAM, "model")
    assert said.warnings == ()
    assert [str(wish) for wish in said.model.wishes] == ["foo", "binary(cc)", "pkgconfig(zlib)"]
    assert said.repositories == (
        StatedRepository("volatile", base_uri="https://x.example/", version="stream/volatile", description="…",
                         priority=10),
        StatedRepository("local", uri="file:///path/stone.index", priority=1, enabled=False),
    )  # fmt: skip
    after = edited(UPSTREAM, said.model, SystemModel(said.model.wishes[1:]))
    assert changed(UPSTREAM, after)[0].startswith("- packages") and len(changed(UPSTREAM, after)) == 2
    assert read_model(after, "model").model == SystemModel(said.model.wishes[1:])
    assert with_repositories(UPSTREAM, said.repositories) == UPSTREAM


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("packages {\n  vim {\n", "model:2:7", "never closed"),
        ("packages {\n  vim 3\n}", "model:2:7", "a range of versions"),
        ("packages {\n  vim\n  vim \"< 3\"\n}", "model:3:3", "named in line 2 already"),
        ("packages {\n  \"a b\"\n}", "model:2:3", "not a capability"),
        ("packages 3", "model:1:10", "followed by a block"),
        ("subscriptions {\n  docs #true \"x\"\n}", "model:2:8", "stands alone"),
        ("subscriptions {\n  docs 7\n}", "model:2:8", "a value is a text"),
        ("subscriptions {\n  \"no such(x)\"\n}", "model:2:3", "names no kind"),
        ("pins {\n  vim\n}", "model:2:3", "nothing is said of vim"),
        ("pins {\n  \"binary(x)\" hold=#true\n}", "model:2:3", "is a capability"),
        ("pins {\n  vim hold=\"yes\"\n}", "model:2:12", "hold is #true or #false"),
        ("repositories {\n  a { priority 1 }\n}", "model:2:3", "no uri"),
        ("repositories {\n  a { uri 3 }\n}", "model:2:11", "uri is a text"),
        ("repositories {\n  a { base-uri \"x:/y\" }\n}", "model:2:3", "no version"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(ModelTextError) as fault:
        read_model(text, "model")
    assert fault.value.message.startswith(place), fault.value.message
    assert words in fault.value.message
    assert "docs/system-model.md" in fault.value.remedies[0]


def test_what_is_unknown_is_left_alone_and_told() -> None:
    text = 'odd { thing }\npackages {\n  vim colour="red" { when "now" }\n}\n'
    said = read_model(text, "model")
    assert [warning.partition(": ")[0] for warning in said.warnings] == ["model:1:1", "model:3:7", "model:3:22"]
    after = edited(text, said.model, SystemModel((*said.model.wishes, Wish.parse("nano"))))
    assert changed(text, after) == ["+   nano"]


def test_a_text_written_afresh_says_the_same() -> None:
    draw = random.Random(3)
    for _ in range(50):
        model = a_model(draw)
        text = written(model, [StatedRepository("main", uri="file:///x", priority=3, unsigned=True)])
        said = read_model(text, "model")
        assert says_the_same(said.model, timeless(model)) and said.warnings == ()
        assert said.repositories == (StatedRepository("main", uri="file:///x", priority=3, unsigned=True),)


NAMES = ("vim", "nano", "gcc", "linux", "python3", "x-y", "lib.so", "1st")
CAPABILITIES = ("binary(git)", "pkgconfig(zlib)", "soname(libz.so.1(x86_64))")


def a_relation(draw: random.Random, names: tuple[str, ...]) -> Relation:
    name = draw.choice(names)
    if draw.random() < 0.6:
        return Relation(name)
    return Relation(name, draw.choice([Operator.LT, Operator.GE, Operator.EQ]), f"{draw.randint(1, 9)}.1-1")


def a_model(draw: random.Random) -> SystemModel:
    def some(most: int) -> range:
        return range(draw.randint(0, most))

    whys = ("", "", "work", 'he said "so"', "a\nb")
    wishes = {
        wish.wanted.name: wish
        for _ in some(6)
        for wish in [Wish(a_relation(draw, NAMES + CAPABILITIES), draw.choice(whys), draw.choice([None, "local"]))]
    }
    pins = {
        pin.wanted.name: pin
        for _ in some(3)
        for pin in [Pin(a_relation(draw, NAMES), draw.choice([None, "local"]), 7)]
        if pin.wanted.operator is not None or pin.repository
    }
    switches = {
        one.name: one
        for _ in some(4)
        for one in [
            Switch(draw.choice(("docs", "locale", "32bit", "binary(git)")), draw.choice(list(Setting)),
                   why=draw.choice(whys))
        ]
    }  # fmt: skip
    valued = {
        name: Switch(name, Setting.ON, ("de", "en_GB")) if name == "locale" else one for name, one in switches.items()
    }
    holds = tuple(Hold(name, 9) for name in sorted({draw.choice(NAMES) for _ in some(2)}))
    return SystemModel(tuple(wishes.values()), tuple(pins.values()), holds, tuple(valued.values()))


def timeless(model: SystemModel) -> SystemModel:
    return SystemModel(
        model.wishes,
        tuple(Pin(pin.wanted, pin.repository, 0) for pin in model.pins),
        tuple(Hold(hold.name, 0) for hold in model.holds),
        model.switches,
    )


def decorated(draw: random.Random, text: str) -> str:
    """The text as a person might have left it: comments, blank lines, other blanks, sections on one line."""
    lines: list[str] = []
    for line in text.splitlines():
        is_node = line.startswith("    ") and line[4:5] not in (" ", "}")
        if is_node and draw.random() < 0.3:
            lines.append(draw.choice(["", "    // a thought", "/* and\n   another */", "\t"]))
        if draw.random() < 0.3 and line.strip() and not line.lstrip().startswith("//"):
            line = f"{line}{draw.choice(['  ', '   // why', ' /* so */'])}"
        if draw.random() < 0.2:
            line = line.replace("    ", draw.choice(["\t", "  "]), 1)
        lines.append(line)
    return "\n".join(lines) + draw.choice(["\n", "", "\n\n// the end\n"])


def plain_of(text: str) -> dict[str, dict[str, object]]:
    """What another reader of KDL finds: arguments by section and node."""
    found: dict[str, dict[str, object]] = {}
    for section in ckdl.parse(text, version="2.0.0").nodes:
        for node in section.children:
            found.setdefault(section.name, {})[node.name] = list(node.args)
    return found


def test_random_edits_of_commented_files_change_only_the_lines_they_must() -> None:
    draw = random.Random(11)
    edits = 0
    for _ in range(120):
        before = a_model(draw)
        text = decorated(draw, written(before, []))
        model = read_model(text, "model").model
        assert says_the_same(model, timeless(before))
        for _ in range(3):
            after = timeless(one_step(draw, model))
            new = edited(text, model, after)
            assert says_the_same(read_model(new, "model").model, after), (text, new)
            touched = names_that_differ(model, after)
            old_lines, new_lines = Counter(text.splitlines()), Counter(new.splitlines())
            for line in ("+" + line for line in (old_lines - new_lines) + (new_lines - old_lines)):
                # Every line that went or came names what was changed, or is of its block, or of a section's frame.
                assert any(name in line for name in touched) or re.fullmatch(
                    r"[+-]\s*(why .*|\}|\{|(packages|pins|subscriptions) \{|)\s*(//.*|/\*.*)?\s*\}?", line
                ), (line, touched, text, new)
            lost = [line for line in text.splitlines() if line.strip().startswith(("//", "/*")) and line not in new]
            assert lost == [], "a comment of its own stays"
            mine = {section: set(nodes) for section, nodes in plain_of(new).items()}
            assert mine.get("packages", set()) == {wish.wanted.name for wish in after.wishes}
            edits += model != after
            text, model = new, after
    assert edits > 200


def one_step(draw: random.Random, model: SystemModel) -> SystemModel:
    """Something more, something less, or something else."""
    other = a_model(draw)
    field = draw.choice(["wishes", "pins", "holds", "switches"])
    mine, theirs = list(getattr(model, field)), list(getattr(other, field))
    if mine and draw.random() < 0.5:
        mine.pop(draw.randrange(len(mine)))
    key = (lambda one: one.wanted.name) if field in ("wishes", "pins") else (lambda one: one.name)
    for one in theirs[: draw.randint(0, 2)]:
        mine = [old if key(old) != key(one) else one for old in mine]
        if key(one) not in map(key, mine):
            mine.append(one)
    if field == "holds":
        mine.sort(key=key)
    parts = {name: getattr(model, name) for name in ("wishes", "pins", "holds", "switches")}
    return SystemModel(**{**parts, field: tuple(mine)})


def names_that_differ(before: SystemModel, after: SystemModel) -> set[str]:
    found: set[str] = set()
    for field in ("wishes", "pins", "holds", "switches"):
        for one in set(getattr(before, field)) ^ set(getattr(after, field)):
            found.add(one.wanted.name if field in ("wishes", "pins") else one.name)
    return found
