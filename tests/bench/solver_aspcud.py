"""Whether aspcud finds anything better than the solver on Debian's real indexes.

    python -m tests.bench.solver_aspcud [SUITE]

A desktop of 1,600 packages is upgraded to the next suite (trixie, unless another is named), and things
are installed into an empty and into an installed system. Each problem is written as CUDF, as far as
the request reaches, and both solve that document under the same criteria: the costs must be equal.
Needs aspcud.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from solver import Solution, Universe, solve
from solver.cudf import parse_criteria, parse_problem
from solver.pool import Pool
from solver.preferences import Measure
from tests.bench.debian_suites import keys_of, newer_suites, own_suite
from tests.bench.solver_libsolv import DESKTOP, SYSTEM, make_system, prepared

CRITERIA = ("-removed,-notuptodate,-new", "-removed,-changed")


class Document:
    """A problem as CUDF: versions of a name are numbered, the oldest 1."""

    def __init__(self, pool: Pool, request: str, wishes: Sequence[str]) -> None:
        self.pool, self.request = pool, request
        self.todo = [*pool.installed, *(package for name in wishes for package in pool.named(name))]
        self.seen: set[int] = set()

    def text(self) -> str:
        """Everything that the installed packages and the wishes can reach."""
        while self.todo:
            for package in self.pool.name(self.todo.pop()).versions:
                if package not in self.seen:
                    self.seen.add(package)
                    self.todo += [other for _, candidates in self._needs(package) for other in candidates]
        return "".join(self._paragraph(package) for package in sorted(self.seen)) + f"request: x\n{self.request}\n"

    def _needs(self, package: int) -> Iterator[tuple[int, list[int]]]:
        universe, local, index = self.pool.at(package)
        for number in universe.depends[universe.depends_start[local] : universe.depends_start[local + 1]]:
            formula = self.pool.formula_base[index] + number
            yield formula, self.pool.choices(formula)[0]

    def _bars(self, package: int) -> Iterator[int]:
        universe, local, index = self.pool.at(package)
        base = self.pool.relation_base[index]
        for start, flat in (
            (universe.conflicts_start, universe.conflicts),
            (universe.breaks_start, universe.breaks),
        ):
            for relation in flat[start[local] : start[local + 1]]:
                yield from (other for other in self.pool.matches(base + relation) if other in self.seen)

    def _named(self, package: int) -> tuple[str, int]:
        versions = self.pool.name(package).versions
        return self.pool.candidate(package).name, len(versions) - versions.index(package)

    def _paragraph(self, package: int) -> str:
        name, version = self._named(package)
        lines = [f"package: {name}", f"version: {version}"]
        needs = [
            " | ".join("{} = {}".format(*self._named(c)) for c in candidates) for _, candidates in self._needs(package)
        ]
        if needs:
            lines.append("depends: " + ", ".join(need or "false!" for need in needs))
        bars = ["{} = {}".format(*self._named(other)) for other in self._bars(package) if other != package]
        lines.append(f"conflicts: {', '.join([name, *bars])}")
        if package in self.pool.installed_set:
            lines.append("installed: true")
        return "\n".join(lines) + "\n\n"


Chosen = set[tuple[str, int]]


def read_packages(text: str) -> tuple[Chosen, Chosen]:
    """The packages of a document or of a solution, and those of them that are installed."""
    found, installed = set(), set()
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line)
        if "package" in fields:
            found.add((fields["package"], int(fields["version"])))
            if fields.get("installed") == "true":
                installed.add((fields["package"], int(fields["version"])))
    return found, installed


def costs(text: str, chosen: Chosen) -> dict[Measure, int]:
    """What a solution costs, counted from the document alone."""
    every, before = read_packages(text)
    newest: dict[str, int] = {}
    for name, version in every:
        newest[name] = max(version, newest.get(name, 0))
    there, was = {name for name, _ in chosen}, {name for name, _ in before}
    return {
        Measure.REMOVED: len(was - there),
        Measure.NEW: len(there - was),
        Measure.ALTERED: len(before ^ chosen),
        Measure.NOT_UP_TO_DATE: sum((name, newest[name]) not in chosen for name in there),
    }


def compare(title: str, text: str, scratch: Path) -> bool:
    """Both on one document, under each of the criteria; whether the costs are equal."""
    document, solution, equal = scratch / "problem.cudf", scratch / "solution.cudf", True
    document.write_text(text)
    for criteria in CRITERIA:
        problem = parse_problem(text, parse_criteria(criteria))
        begin = time.perf_counter()
        answer = solve(problem)
        ours = time.perf_counter() - begin
        begin = time.perf_counter()
        subprocess.run(["aspcud", document, solution, criteria], capture_output=True, check=True)
        theirs = time.perf_counter() - begin
        assert isinstance(answer, Solution)
        assert answer.proven
        counted = costs(text, {(one.name, int(one.version)) for one in answer.chosen})
        found = costs(text, read_packages(solution.read_text())[0])
        assert all(level.cost == counted[level.measure] for level in answer.levels)
        same = all(level.cost == found[level.measure] for level in answer.levels)
        told = ", ".join(f"{one.measure.value} {one.cost} / {found[one.measure]}" for one in answer.levels)
        verdict = "equal" if same else "DIFFERENT"
        print(f"{title:32} {told:50} {verdict}  {ours:.2f} s, aspcud {theirs:.2f} s", flush=True)
        equal = equal and same
    return equal


def main(suite: str) -> None:
    if shutil.which("aspcud") is None:
        sys.exit("aspcud is missing")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        own, mirror, _ = own_suite(scratch)
        suites = [prepared(one) for one in (own, *newer_suites(scratch, mirror, [suite]))]
        universes = [Universe.from_bytes(one.universe.read_bytes()) for one in suites]
        desktop = keys_of(make_system(suites[0], DESKTOP, scratch / "desktop.packages"))
        system = keys_of(make_system(suites[0], SYSTEM, scratch / "system.packages"))
        equal = True
        for title, keys, wishes in (
            ("gnome", (), ["gnome"]),
            ("gnome, 800 installed", system, ["gnome"]),
            ("upgrade of a desktop", desktop, []),
        ):
            pool = Pool(universes, keys)
            names = ", ".join(sorted(pool.candidate(package).name for package in pool.installed))
            request = f"install: {', '.join(wishes)}" if wishes else f"upgrade: {names}"
            equal = compare(title, Document(pool, request, wishes).text(), scratch) and equal
    sys.exit(not equal)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "trixie")
