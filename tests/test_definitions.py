"""Definitions of subscriptions are read from KDL, and every fault is told with its place."""

import random

import pytest

from moss.definitions import parse_definitions
from moss.errors import UsageError
from moss.subscription import Definition, PathRule, Setting, condition_text
from solver import All, AnyOf, Relation, SubscriptionRule, parse_formula


def read(text: str) -> Definition:
    (found,) = parse_definitions(text, "f.kdl", "here")
    return found


def faults(text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        parse_definitions(text, "f.kdl", "here")
    assert any("f.kdl" in one for one in caught.value.remedies)
    return [caught.value.message, *caught.value.because]


def test_the_examples_of_the_design_are_read() -> None:
    graphics, locale, docs, vaapi = parse_definitions(
        """
        subscription "32bit-graphics" {
            when { all "nvidia-driver" { any "steam" "wine" } }; want "nvidia-driver-32bit" }
        subscription "locale" { values; paths "share/locale/{value}/**" "share/man/{value}/**" keep=#true }
        subscription "docs"   { default #true; paths "share/doc/**" "share/info/**" }
        subscription "vaapi"  { when "modalias(pci:v00008086*)"; want "intel-media-driver" }
        """,
        "f.kdl",
        "here",
    )
    assert graphics.when == All((Relation("nvidia-driver"), AnyOf((Relation("steam"), Relation("wine")))))
    assert graphics.rules == (SubscriptionRule(want=(Relation("nvidia-driver-32bit"),)),)
    assert graphics.default is Setting.AUTO and graphics.origin == "here"
    assert locale.shapes == ("*",)
    assert locale.paths == tuple(PathRule(f"share/{one}/{{value}}/**", keep=True) for one in ("locale", "man"))
    assert docs.default is Setting.ON and docs.paths == (PathRule("share/doc/**"), PathRule("share/info/**"))
    assert vaapi.when == Relation("modalias(pci:v00008086*)")


def test_a_condition_is_said_in_few_words() -> None:
    found = read('subscription a { when "x" { any "y" { all "z" { not "v" "w" } }; not "u" }; want p }').when
    assert found is not None and condition_text(found) == "x & (y | (z & not (v | w))) & not u"


def test_every_form_is_read() -> None:
    found = read(
        """
        subscription a {
            summary "What it is  for"
            default #false
            values "??" "??_*"
            when "x" { not "y" "z"; any "subscription(b)" "cpu(x86-64-v3)" }
            require "binary(git)" "libc6 (>= 2.36)"
            prefer vim
            rule { when "x"; want "p" "q" }
            rule { require "r"; prefer "s" }
            paths "lib/debug/**" "share/gtk-doc/*.html"
            paths "share/{value}/x" keep=#true
            paths "share/y" keep=#false
            except "lib/debug/x" "lib/debug/y"
            recommends #false
        }
        """
    )
    assert found.summary == "What it is for" and found.default is Setting.OFF and found.shapes == ("??", "??_*")
    assert str(found.when) == "x & ((none) if y | z) & (subscription(b) | cpu(x86-64-v3))"
    own, first, second = found.rules
    assert own == SubscriptionRule(
        require=(Relation("binary(git)"), parse_formula("libc6 (>= 2.36)")), prefer=(Relation("vim"),)  # type: ignore[arg-type]
    )
    assert first == SubscriptionRule(Relation("x"), want=(Relation("p"), Relation("q")))
    assert second == SubscriptionRule(require=(Relation("r"),), prefer=(Relation("s"),))
    assert [rule.keep for rule in found.paths] == [False, False, True, False]
    assert found.exceptions == ("lib/debug/x", "lib/debug/y") and not found.recommends


@pytest.mark.parametrize("fact", ["cpu(x86-64-v*)", "cpu(x86-64-v[34])", "modalias(pci:v000010DE*)", "virt(?*)"])
def test_facts_are_asked_for_by_patterns(fact: str) -> None:
    assert str(read(f'subscription a {{ want x; when "{fact}" }}').when) == fact


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("subscription a { want x", "f.kdl:1:16: this { is never closed"),
        ("package a", "f.kdl:1:1: 'package' is not known here"),
        ("subscription { want x }", "f.kdl:1:1: a subscription has one name"),
        ('subscription "a b" { want x }', "f.kdl:1:1: a subscription has one name"),
        ("subscription a\n", "f.kdl:1:1: a does nothing"),
        ("subscription a {\n  wants x\n}", "f.kdl:2:3: 'wants' is not known here: there are summary"),
        ("subscription a { want 1 }", "f.kdl:1:23: a capability is a text"),
        ('subscription a { want "x |" }', "f.kdl:1:23: 'x |' is no capability"),
        ('subscription a { want "cpu(x86-64-v3)" }', "'cpu(x86-64-v3)': packages are wanted here"),
        ('subscription a { want "subscription(b)" }', "packages are wanted here"),
        ('subscription a { want "git(x)" }', "there is no kind 'git'"),
        ("subscription a { want; when x }", "want takes capabilities"),
        ('subscription a { want x; when "cpus(x)" }', "f.kdl:1:31: 'cpus(x)': there is no kind 'cpus'; of facts"),
        ('subscription a { want x; when "lib*" }', "only facts are matched"),
        ('subscription a { want x; when "modalais(pci:*)" }', "there is no kind 'modalais'; of facts"),
        ('subscription a { want x; when "cpu(x86-64-v9)" }', "f.kdl:1:31: 'cpu(x86-64-v9)': there is no such level"),
        ('subscription a { want x; when "cpu(x) (> 1)" }', "has no versions"),
        ("subscription a { want x; when }", "when has nothing in it"),
        ('subscription a { want x; when { or "y" } }', "f.kdl:1:33: 'or' is no condition: there are all, any and not"),
        ("subscription a { want x; when y; when z }", "f.kdl:1:34: when is said twice"),
        ("subscription a { want x; default on }", "f.kdl:1:26: default is #true, #false or"),
        ("subscription a { want x; rule { when y } }", "this rule does nothing"),
        ("subscription a { rule { when y; when z; want x } }", "f.kdl:1:33: a rule has one `when`"),
        ('subscription a { paths "/usr/share" }', "f.kdl:1:24: the pattern '/usr/share': it starts with a slash"),
        ('subscription a { want x; except "y" }', "has an `except` and no `paths`"),
        ('subscription a { paths "**" }', "f.kdl:1:24: the pattern '**': it leaves out whatever there is"),
        ('subscription a { paths "a/{value}" }', "f.kdl:1:24: the pattern 'a/{value}': {value} stands only in"),
        ('subscription a { values; paths "share/x" keep=#true }', "has {value} in it"),
        ('subscription a { paths "share/{value}" keep=#true }', "a takes none: say `values`"),
        ('subscription a { values "a/b"; paths "x" }', "has no slash"),
        ('subscription a { paths "x" kept=#true }', "paths has no property 'kept'"),
        ('subscription a { paths "x" keep=1 }', "keep is #true or #false"),
        ("subscription a { recommends #true }", "recommends is #false"),
        ("subscription a { want x }\nsubscription a { want y }", "f.kdl:2:1: a is defined a second time"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, told: str) -> None:
    assert told in " ".join(faults(text))


def test_all_faults_are_told_at_once() -> None:
    found = faults("subscription a { wants x }\nsubscription b { want 1 }")
    assert [one.split(" ")[0] for one in found] == ["f.kdl:1:18:", "f.kdl:2:23:"]


def test_whatever_is_written_is_read_or_refused() -> None:
    choose = random.Random(5)
    good = 'subscription a { when { any "x" { not "cpu(y)" } }; rule { want "z" }; values "??"; '
    good += 'paths "s/{value}" keep=#true }'
    pieces = [*good.split(" "), "#null", "1", "}", "{", '"', "(t)", "\n", "/-", "*"]
    pieces += ["subscription(", "default", "except"]
    read = 0
    for _ in range(4000):
        words = good.split(" ")
        for _ in range(choose.randint(1, 3)):
            at = choose.randrange(len(words))
            words[at : at + choose.randint(0, 2)] = [choose.choice(pieces)] if choose.random() < 0.7 else []
        try:
            parse_definitions(" ".join(words), "f.kdl", "here")
            read += 1
        except UsageError as fault:
            assert fault.message.startswith("f.kdl:"), fault.message
    assert read > 20
