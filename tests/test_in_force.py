"""What switches, definitions and facts come to."""

from moss.definitions import parse_definitions
from moss.facts import Fact
from moss.in_force import InForce, asks_for_facts, fits_shape, in_force
from moss.path_filter import Omission
from moss.subscription import Setting, Switch
from solver import AnyOf, Formula, Relation, Subscription, SubscriptionRule

INTEL = Fact("modalias(pci:v00008086d00005917sv1)", "/sys/…")


def found(text: str, *switches: Switch, facts: tuple[Fact, ...] = ()) -> InForce:
    return in_force(switches, parse_definitions(text, "f.kdl", "here"), facts)


def conditions(result: InForce) -> dict[str, str]:
    return {one.name: str(one.condition) for one in result.standings}


def never_asked(formula: Formula) -> bool:
    """Where nothing about packages should be left."""
    assert str(formula) in ("(all)", "(none)"), formula
    return str(formula) == "(all)"


GRAPHICS = 'subscription g { when { all "driver" { any "steam" "wine" } }; want "driver32" }'


def test_a_condition_about_packages_is_left_to_the_solver() -> None:
    (rule,) = found(GRAPHICS).rules
    assert rule.on and str(rule.when) == "driver & (steam | wine)" and not rule.is_fact
    assert rule.rules == (SubscriptionRule(want=(Relation("driver32"),)),)


def test_a_person_goes_before_the_condition() -> None:
    (on,) = found(GRAPHICS, Switch("g")).rules
    assert on.when is None
    assert found(GRAPHICS, Switch("g", Setting.OFF)).rules == ()
    assert str(found(GRAPHICS, Switch("g", Setting.AUTO)).rules[0].when) == "driver & (steam | wine)"


def test_the_default_counts_where_nobody_said_anything() -> None:
    text = "subscription a { default #false; want x }; subscription b { default #true; when p; want x }"
    assert conditions(found(text)) == {"a": "(none)", "b": "(all)"}
    assert conditions(found(text, Switch("a"), Switch("b", Setting.AUTO))) == {"a": "(all)", "b": "p"}


def test_facts_are_worked_out() -> None:
    text = 'subscription v { rule { when "modalias(pci:v00008086*)"; want i }; rule { when "cpu(x)" "p"; want c } }'
    assert asks_for_facts(parse_definitions(text, "f", "h"))
    assert found(text).rules == (Subscription("v"),)
    assert [str(one) for one in found(text, facts=(INTEL,)).rules[0].rules[0].want] == ["i"]
    (rule,) = found(text, facts=(Fact("cpu(x)"),)).rules[0].rules
    assert str(rule.condition) == "p" and rule.want == (Relation("c"),)


def test_a_condition_that_facts_bar_never_holds() -> None:
    text = 'subscription a { when { not "virt(none)"; any "x" "cpu(y)" }; want p }'
    assert conditions(found(text, facts=(Fact("virt(none)"),))) == {"a": "(none)"}
    assert conditions(found(text, facts=(Fact("cpu(y)"),))) == {"a": "(all)"}
    assert conditions(found(text)) == {"a": "x"}


def test_a_subscription_follows_others() -> None:
    text = """
    subscription a { when x; want p }
    subscription b { when "subscription(a)" "subscription(c)"; want q }
    subscription c { default #false; want r }
    subscription d { when "subscription(nobody)"; want s }
    """
    assert conditions(found(text)) == {"a": "x", "b": "(none)", "c": "(none)", "d": "(none)"}
    assert conditions(found(text, Switch("c"))) == {"a": "x", "b": "x", "c": "(all)", "d": "(none)"}
    assert conditions(found(text, Switch("c"), Switch("a", Setting.OFF)))["b"] == "(none)"


def test_a_circle_holds_nowhere_and_is_told() -> None:
    text = """
    subscription a { when "subscription(b)"; want p }
    subscription b { when { any "subscription(a)" "x" }; want q }
    subscription c { when "subscription(a)"; want r }
    """
    result = found(text)
    assert result.circular == ("a", "b")
    assert conditions(result) == {"a": "(none)", "b": "x", "c": "(none)"}
    assert conditions(found(text, Switch("b")))["a"] == "(all)"


def test_conditions_that_double_at_every_step_end() -> None:
    text = "".join(
        f'subscription s{n} {{ when {{ any "{after}" {{ all "{after}" "p{n}" }} }}; want x }}\n'
        for n, after in enumerate(f"subscription(s{number})" for number in range(1, 61))
    )
    result = found(text + "subscription s60 { when y; want x }")
    assert result.too_large == ("s51",)
    assert conditions(result)["s59"] == "y | y & p59" and conditions(result)["s0"] == "(none)"


def test_a_capability_is_required_and_an_unknown_name_told() -> None:
    result = found("", Switch("binary(git)", why="work"), Switch("gone"))
    assert result.rules == (Subscription("binary(git)", (SubscriptionRule(require=(Relation("binary(git)"),)),)),)
    assert [one.name for one in result.unknown] == ["gone"] and [one.why for one in result.capabilities] == ["work"]


PATHS = """
subscription docs { default #true; paths "share/doc/**" }
subscription locale { values "??" "??_*"; paths "share/locale/{value}/**" "share/man/{value}/**" keep=#true }
subscription gtk { when "devhelp"; paths "share/gtk-doc/**" }
"""


def omissions(*switches: Switch, there: bool = True) -> tuple[Omission, ...]:
    return found(PATHS, *switches).omissions(lambda one: there if one == Relation("devhelp") else never_asked(one))


def test_paths_are_left_out_while_a_subscription_is_off() -> None:
    assert omissions() == ()
    assert omissions(Switch("docs", Setting.OFF)) == (Omission("docs", ("share/doc/**",)),)
    assert omissions(there=False) == (Omission("gtk", ("share/gtk-doc/**",)),)
    every = ("share/locale/??/**", "share/locale/??_*/**", "share/man/??/**", "share/man/??_*/**")
    assert omissions(Switch("locale", Setting.OFF)) == (Omission("locale", every),)
    kept = ("share/locale/de/**", "share/locale/en_GB/**", "share/man/de/**", "share/man/en_GB/**")
    assert omissions(Switch("locale", values=("de", "en_GB"))) == (Omission("locale", every, kept),)
    assert omissions(Switch("locale")) == ()


def test_exceptions_are_never_left_out() -> None:
    text = """
    subscription a { default #false; paths "d/**"; except "d/*/copyright" }
    subscription b { values; paths "l/{value}/**" keep=#true; except "l/all/**" }
    """
    assert found(text, Switch("b", values=("de",))).omissions(never_asked) == (
        Omission("a", ("d/**",), ("d/*/copyright",)),
        Omission("b", ("l/*/**",), ("l/de/**", "l/all/**")),
    )


def test_values_fit_a_shape() -> None:
    locale = parse_definitions(PATHS, "f", "h")[1]
    assert [fits_shape(locale, one) for one in ("de", "en_GB", "german", "", "d*", "..", "a/")] == [
        True, True, False, False, False, False, False,
    ]  # fmt: skip


def test_recommendations_are_followed_unless_one_that_is_on_says_no() -> None:
    text = 'subscription minimal { default #false; recommends #false }; subscription m { when "x"; recommends #false }'
    assert found(text).recommends
    assert not found(text, Switch("minimal")).recommends
    assert found(text, Switch("m", Setting.OFF)).recommends


def test_what_is_off_by_facts_and_switches_alone_needs_no_packages() -> None:
    text = "subscription a { default #false; paths x }"
    assert found(text).omissions(never_asked) == (Omission("a", ("x",)),)
    assert found(text, Switch("a")).standings[0].condition != AnyOf(())
