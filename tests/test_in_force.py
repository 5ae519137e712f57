"""What switches, definitions and facts come to."""

import random
from fnmatch import fnmatchcase

from moss.definitions import parse_definitions
from moss.facts import Fact
from moss.in_force import InForce, asks_for_facts, fits_shape, in_force
from moss.path_filter import Omission
from moss.subscription import Definition, Setting, Switch
from solver import All, AnyOf, Formula, If, Relation, Subscription, SubscriptionRule, Unless, relations_of

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


def test_a_rule_whose_condition_becomes_too_large_is_left_out_and_told() -> None:
    names = " ".join(f'"p{number}"' for number in range(400))
    text = f'subscription a {{ when {{ any {names} }} }}\n'
    text += 'subscription b { want x; rule { when "subscription(a)" "subscription(a)" "subscription(a)"; want y } }\n'
    text += 'subscription c { rule { when "subscription(a)" "subscription(a)"; want z } }'
    result = found(text)
    assert result.too_large == ("b",)
    wanted = {one.name: [str(w) for rule in one.rules for w in rule.want] for one in result.rules}
    assert wanted == {"b": ["x"], "c": ["z"]}


def test_a_capability_that_is_off_keeps_nobody() -> None:
    assert found("", Switch("binary(git)")).rules != ()
    assert found("", Switch("binary(git)", Setting.OFF)).rules == ()


def test_choices_are_settled_by_facts() -> None:
    """Every form of a formula that is not for packages alone, as packages and programs may write it."""
    here, p, q = Relation(INTEL.capability), Relation("p"), Relation("q")
    always, never = All(()), AnyOf(())
    for facts, is_so in (((INTEL,), True), ((), False)):
        for formula, then_counts in ((If(here, p, q), is_so), (Unless(here, p, q), not is_so)):
            (one,) = in_force((), [Definition("a", when=formula)], facts).standings
            assert one.condition == (p if then_counts else q)
        (one,) = in_force((), [Definition("a", when=If(here, never))], facts).standings
        assert one.condition == (never if is_so else always)
    held = in_force((), [Definition("a", when=If(p, here)), Definition("b", when=If(p, here, q))], (INTEL,))
    assert conditions(held) == {"a": "(all)", "b": str(If(p, always, q))}


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


# What conditions mean, in the tests' own words

NAMES = ("p", "q", "r")
FACTS = ("cpu(x)", "virt(kvm)", "modalias(pci:v1d2)")


class World:
    """Definitions, what is said of them and which facts hold; a subscription's condition names later ones only."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.facts = tuple(one for one in FACTS if self.random.random() < 0.5)
        count = self.random.randint(1, 6)
        self.definitions = {f"s{at}": self.definition(at, count) for at in range(count)}
        self.said = {name: self.random.choice(list(Setting)) for name in self.definitions if self.random.random() < 0.4}

    def definition(self, at: int, count: int) -> Definition:
        when = self.condition(at, count) if self.random.random() < 0.8 else None
        rules = tuple(
            SubscriptionRule(self.condition(at, count), want=(Relation(f"w{number}"),))
            for number in range(self.random.randint(0, 2))
        )
        return Definition(f"s{at}", default=self.random.choice(list(Setting)), when=when, rules=rules)

    def condition(self, at: int, count: int, depth: int = 0) -> Formula:
        kind = self.random.random()
        if depth == 3 or kind < 0.4:
            others = [f"subscription(s{later})" for later in range(at + 1, count + 1)]
            return Relation(self.random.choice([*NAMES, *FACTS, "modalias(pci:v1*)", *others]))
        parts = tuple(self.condition(at, count, depth + 1) for _ in range(self.random.randint(1, 3)))
        if kind < 0.6:
            return All(parts)
        return AnyOf(parts) if kind < 0.8 else If(parts[0], AnyOf(()))

    def is_on(self, name: str, there: frozenset[str]) -> bool:
        one = self.definitions.get(name)
        if one is None:
            return False
        setting = self.said.get(name, one.default)
        return setting is Setting.ON or (
            setting is Setting.AUTO and (one.when is None or self.holds(one.when, there))
        )

    def holds(self, condition: Formula, there: frozenset[str]) -> bool:
        match condition:
            case All(parts):
                return all(self.holds(one, there) for one in parts)
            case AnyOf(parts):
                return any(self.holds(one, there) for one in parts)
            case If(barred):
                return not self.holds(barred, there)
            case Relation(name) if name.startswith("subscription("):
                return self.is_on(name.removeprefix("subscription(").removesuffix(")"), there)
            case Relation(name) if "(" in name:
                return any(fnmatchcase(one, name) for one in self.facts)
            case Relation(name):
                return name in there
        raise AssertionError(condition)


def test_conditions_mean_what_they_say() -> None:
    for seed in range(1500):
        world = World(seed)
        switches = [Switch(name, setting) for name, setting in world.said.items()]
        result = in_force(switches, world.definitions.values(), [Fact(one) for one in world.facts])
        assert not result.circular and not result.too_large
        for number in range(8):
            there = frozenset(name for at, name in enumerate(NAMES) if number >> at & 1)
            for standing in result.standings:
                left = [r for r in relations_of(standing.condition) if r.name not in NAMES]
                assert not left, (seed, left)
                assert world.holds(standing.condition, there) is world.is_on(standing.name, there), (seed, standing)
            wanted = {
                (one.name, rule.want)
                for one in result.rules
                for rule, conditions in one.binding
                if all(world.holds(condition, there) for condition in conditions)
            }
            assert wanted == {
                (name, rule.want)
                for name, one in world.definitions.items()
                if world.is_on(name, there)
                for rule in one.rules
                if rule.condition is None or world.holds(rule.condition, there)
            }, seed
