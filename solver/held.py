"""Why an update holds packages back, and what would free them.

One search serves all that are asked about: every package of the solution is kept as new as it is
there, and the newest version that was not taken is asked for on top. What then conflicts is told
from a small problem of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from solver.conflict import Search, find_conflict
from solver.encode import Encoder, Said
from solver.model import Operator, Relation
from solver.pool import Pool
from solver.problem import Problem
from solver.request import Request, Wish
from solver.rules import Asked, Candidate, Kind, Rule
from solver.solution import Held, Solution
from solver.uncollected import uncollected
from solver.values import replace, value


@value
class HeldBack:
    """A package that an update holds back, and why.

    `rules` are a smallest set that cannot all hold: the newest version, what stands beside it, and
    what stands between them. Where the request itself is in the way, `asked` are the parts of it of
    which each frees the package when it is given up. Where it is not, the version can be had: if
    the packages in `gone` went and those in `behind` stayed older than they could be, none of them
    needlessly. `downgrades`: some of those would become older than they are.
    """

    held: Held
    rules: tuple[Rule, ...] = ()
    asked: tuple[Asked, ...] = ()
    gone: tuple[Candidate, ...] = ()
    behind: tuple[Candidate, ...] = ()
    downgrades: bool = False


@uncollected()
def why_held(problem: Problem, solution: Solution, held: Sequence[Held]) -> tuple[HeldBack, ...]:
    """What stands against each of some packages that the solution of an update holds back."""
    if not held:
        return ()
    pool = Pool(problem.universes, problem.installed, problem.priorities, problem.architectures)
    question = _Question(pool, problem.request, solution)
    return tuple(map(question.answer, held))


class _Question:
    """The search, with a rule that keeps each package of the solution as new as it is."""

    def __init__(self, pool: Pool, request: Request, solution: Solution) -> None:
        self.pool, self.request = pool, request
        chosen = pool.numbers(one.key for one in solution.chosen)
        self.kept: dict[Said, list[int]] = {
            (Kind.NO_OLDER, package): [package, *pool.newer_versions(package)] for package in chosen
        }
        self.expected = frozenset(chosen)
        self.wanted: dict[Said, int] = {}
        self.search = Search(pool, request, start=self._start(self.kept), asked_only=True)
        self.keeps = {self.search.selector[said]: versions for said, versions in self.kept.items()}

    def _start(self, said: Iterable[Said]) -> Callable[[Encoder], None]:
        """The request, and some of what is kept and wanted."""

        def start(encoder: Encoder) -> None:
            encoder.expected |= self.expected
            encoder.start()
            for one in said:
                if one in self.kept:
                    encoder.want_one_of(self.kept[one], one)
                elif one in self.wanted:
                    encoder.want_one_of([self.wanted[one]], one)

        return start

    def answer(self, held: Held) -> HeldBack:
        """What stands against one, and what would have to give way."""
        (newest,) = self.pool.numbers([held.newest.key])
        name, search = self.pool.name(newest), self.search
        own = {at for at, versions in self.keeps.items() if self.pool.name(versions[0]) is name}
        wish = Wish(Relation(held.newest.name, Operator.EQ, held.newest.version), origin=held.newest.key)
        said: Said = (Kind.WISHED, wish)
        given_up = own | {search.selector[other] for other in self.wanted if other != said}
        self.wanted[said] = newest
        search.encoder.want_one_of([newest], said)
        cores: list[list[int]] = []
        while (core := search.core(given_up)) is not None:
            keeps = self.keeps.keys() & core
            if not keeps:
                rules = self._told(core)
                return HeldBack(held, rules, asked=self._freeing(rules, given_up | self.keeps.keys()))
            cores.append(core)
            given_up |= keeps
        if not cores:
            return HeldBack(held)
        return self._giving_way(held, self._told(min(cores, key=len)), self._least(given_up, own))

    def _least(self, given_up: set[int], own: set[int]) -> set[int]:
        """The keeps of other names that must go, each tried once more."""
        for at in sorted(self.keeps.keys() & given_up - own):
            if self._is_kept(at) or self.search.core(given_up - {at}) is None:
                given_up = given_up - {at}
        core = self.search.core(given_up)  # for the model
        assert core is None
        return self.keeps.keys() & given_up - own

    def _is_kept(self, at: int) -> bool:
        """Whether the last model keeps it."""
        return not self.search.chosen.isdisjoint(self.keeps[at])

    def _freeing(self, rules: Sequence[Rule], given_up: set[int]) -> tuple[Asked, ...]:
        """The parts of the request of which each alone stands in the way."""
        search, found = self.search, []
        for asked in dict.fromkeys(rule.asked for rule in rules if rule.asked):
            selectors = {at for at, said in search.said.items() if asked in said[1:] and said not in self.wanted}
            if selectors and search.core(given_up | selectors) is None:
                found.append(asked)
        return tuple(found)

    def _giving_way(self, held: Held, rules: tuple[Rule, ...], keeps: set[int]) -> HeldBack:
        pool, chosen = self.pool, self.search.chosen
        gone, behind, downgrades = list[Candidate](), list[Candidate](), False
        for at in keeps:
            package = self.keeps[at][0]
            name = pool.name(package)
            there = [version for version in name.versions if version in chosen]
            (behind if there else gone).append(pool.candidate(package))
            downgrades = downgrades or any(pool.is_newer(old, new) for old in name.installed for new in there)
        return HeldBack(held, rules, (), tuple(sorted(gone)), tuple(sorted(behind)), downgrades)

    def _told(self, core: Sequence[int]) -> tuple[Rule, ...]:
        """The rules between what cannot hold together."""
        said = [self.search.said[at] for at in core]
        request = replace(
            self.request,
            wishes=tuple(wish for wish in self.request.wishes if (Kind.WISHED, wish) in said),
            keeps=tuple(keep for keep in self.request.keeps if (Kind.KEPT, keep) in said),
        )
        return find_conflict(self.pool, request, start=self._start(said)).rules
