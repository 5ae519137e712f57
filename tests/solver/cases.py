"""Cases as text: a problem above the line, its answer below.

repository main [priority N] [scheme deb|rpm|stone]
  foo 2-1; needs: bar (>= 2), baz | qux; conflicts: old; provides: editor (= 3); several; serves-all
* foo 1-1                     (installed; ~ installed for others only)
wish: foo [from main]         keep: remove: pin: hold: forbid: fact: alike
update: all                   or names
subscription docs [off]; when: a & b; require: c; want: d; prefer: e
order: newest                 architectures: x86_64
----
install foo 2-1
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from solver import (
    Conflict,
    Forbid,
    HeldBack,
    Hold,
    Package,
    Pin,
    Problem,
    Provide,
    Removal,
    Request,
    Scheme,
    Solution,
    Subscription,
    SubscriptionRule,
    Universe,
    Wish,
    describe_held,
    describe_repair,
    explain,
    parse_formula,
    parse_preferences,
    parse_relation,
    solve,
    why_held,
    with_repairs,
)
from tests.solver.oracle import Puzzle

LINE = "----\n"


@dataclass
class Case:
    """A case while it is read."""

    packages: list[Package] = field(default_factory=list)
    installed: list[str] = field(default_factory=list)
    automatic: list[str] = field(default_factory=list)
    priorities: dict[str, int] = field(default_factory=dict)
    request: Request = field(default_factory=Request)
    order: str = "fewest-removals"
    architectures: tuple[str, ...] = ()
    repository: str = ""
    scheme: Scheme = Scheme.STONE

    def problem(self) -> Problem:
        repositories = list(dict.fromkeys(p.repository for p in self.packages))
        return Problem(
            universes=tuple(Universe.of(p for p in self.packages if p.repository == name) for name in repositories),
            installed=tuple(self.installed),
            automatic=frozenset(self.automatic),
            request=self.request,
            preferences=parse_preferences(self.order),
            priorities=self.priorities,
            architectures=self.architectures,
        )

    def puzzle(self) -> Puzzle:
        return Puzzle(
            tuple(self.packages),
            frozenset(self.installed),
            self.request,
            parse_preferences(self.order),
            self.priorities,
            self.architectures,
        )

    def more(self, **values: object) -> None:
        """The request with more in it."""
        grown = {name: (*getattr(self.request, name), value) for name, value in values.items()}
        self.request = replace(self.request, **grown)


def read(path: Path) -> tuple[Case, str]:
    problem, _, answer = path.read_text(encoding="utf-8").partition(LINE)
    case = Case()
    for line in problem.splitlines():
        text = line.partition("#")[0].strip()
        if text:
            read_line(case, text)
    return case, answer


def read_line(case: Case, text: str) -> None:
    words = text.split()
    verb, colon, rest = text.partition(":")
    if words[0] == "repository":
        options = dict(zip(words[2::2], words[3::2], strict=True))
        case.repository = words[1]
        case.scheme = Scheme[options.get("scheme", "stone").upper()]
        if "priority" in options:
            case.priorities[words[1]] = int(options["priority"])
    elif words[0] == "subscription":
        case.more(subscriptions=read_subscription(text))
    elif colon and " " not in verb and rest[:1] in ("", " "):
        read_request(case, verb, rest.strip())
    else:
        read_package(case, text)


def read_package(case: Case, text: str) -> None:
    mark = text[0] if text[0] in "*~" else ""
    head, *fields = [part.strip() for part in text.lstrip("*~ ").split(";")]
    name, version, *arch = head.split()
    given = {verb.strip(): rest.strip() for verb, _, rest in (part.partition(":") for part in fields)}

    def formulas(verb: str) -> tuple:  # type: ignore[type-arg]
        return tuple(parse_formula(part) for part in given.pop(verb, "").split(",") if part)

    def provides() -> tuple[Provide, ...]:
        return tuple(Provide(relation.name, relation.version) for relation in formulas("provides"))

    key = f"{case.repository}/{name}-{version}{''.join(arch)}"
    package = Package(
        key=key,
        name=name,
        version=version,
        scheme=case.scheme,
        arch="".join(arch),
        repository=case.repository,
        provides=provides(),
        depends=formulas("needs"),
        conflicts=formulas("conflicts"),
        breaks=formulas("breaks"),
        replaces=formulas("replaces"),
        recommends=formulas("recommends"),
        supplements=formulas("supplements"),
        multi_version=given.pop("several", None) is not None,
        every_arch=given.pop("serves-all", None) is not None,
    )
    assert not given, f"unknown fields {list(given)} of {name}"
    case.packages.append(package)
    if mark:
        case.installed.append(key)
    if mark == "~":
        case.automatic.append(key)


def read_request(case: Case, verb: str, rest: str) -> None:
    rest, _, reason = rest.partition(" because ")
    rest, _, source = rest.partition(" from ")
    repository = source.strip() or None
    if verb in ("wish", "keep"):
        case.more(**{verb + ("es" if verb == "wish" else "s"): Wish(parse_formula(rest), reason, "", repository)})
    elif verb == "remove":
        case.more(removals=Removal(parse_relation(rest), reason))
    elif verb == "pin":
        case.more(pins=Pin(parse_relation(rest), reason, repository))
    elif verb == "hold":
        case.more(holds=Hold(rest, reason))
    elif verb == "forbid":
        case.more(forbids=Forbid(parse_relation(rest), reason))
    elif verb == "fact":
        case.more(facts=rest)
    elif verb == "update" and rest == "all":
        case.request = replace(case.request, update_all=True)
    elif verb == "update":
        for name in rest.split(","):
            case.more(updates=name.strip())
    elif verb == "order":
        case.order = rest
    elif verb == "architectures":
        case.architectures = tuple(rest.split())
    else:
        raise AssertionError(f"unknown line: {verb}")


def read_subscription(text: str) -> Subscription:
    head, *fields = [part.strip() for part in text.split(";")]
    _, name, *state = head.split()
    given = {verb.strip(): rest.strip() for verb, _, rest in (part.partition(":") for part in fields)}

    def relations(verb: str) -> tuple:  # type: ignore[type-arg]
        return tuple(parse_relation(part) for part in given.pop(verb, "").split(",") if part)

    when = given.pop("when", None)
    rule = SubscriptionRule(
        parse_formula(when) if when else None, relations("require"), relations("want"), relations("prefer")
    )
    assert not given
    return Subscription(name, (rule,), on="off" not in state)


def print_answer(case: Case) -> str:
    problem = case.problem()
    answer = solve(problem)
    if isinstance(answer, Conflict):
        return print_conflict(with_repairs(problem, answer))
    return print_solution(answer, problem)


def print_solution(solution: Solution, problem: Problem) -> str:
    lines = [f"install {candidate}" for candidate in solution.installs]
    lines += [f"change {c.before} → {c.after.version}" for c in solution.changes]
    lines += [f"remove {candidate}" for candidate in solution.removals]
    lines += [print_held(back) for back in why_held(problem, solution, solution.held)]
    costs = [f"{level.measure.value} {level.cost}" for level in solution.levels if level.cost]
    return "\n".join([*(lines or ["nothing changes"]), *(["costs " + ", ".join(costs)] if costs else [])]) + "\n"


def print_held(back: HeldBack) -> str:
    because = "; ".join(describe_held(back)) or "something else comes first"
    text = f"held {back.held.installed}, not {back.held.newest.version}: {because}"
    text += f"; without {', '.join(map(str, back.gone))}" if back.gone else ""
    text += f"; leaving {', '.join(map(str, back.behind))} behind" if back.behind else ""
    text += "; downgrading" if back.downgrades else ""
    return text + "".join(f"; giving up a {type(asked).__name__.lower()}" for asked in back.asked)


def print_conflict(conflict: Conflict) -> str:
    lines = []
    for told in explain(conflict):
        lines.append(told.headline)
        lines += [f"  {'and' if at else 'because'} {one.text}" for at, one in enumerate(told.because)]
        lines.append(told.closing)
    lines += [f"try: {describe_repair(repair)}" for repair in conflict.repairs]
    return "\n".join(lines) + "\n"
