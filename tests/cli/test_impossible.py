"""Impossible requests of real packages: how moss refuses them, word for word, and that what it says works does.

Versions and counts are compared by their place only: an index moves on.
MOSS_WRITE_TEXTS=1 writes the texts anew, to be read before they are kept.
"""

import os
import re
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from moss.cli.main import main
from tests.cli import extracts
from tests.cli.conftest import Ended, Moss

TEXTS = sorted((Path(__file__).parents[2] / "fixtures" / "refusals").glob("*.txt"))
LINE = "----\n"
THE_SOLVERS_OWN = re.compile(r"(?<![\w-])(clauses?|literals?|variables?|unsat\w*|core|rules?|Relation|None)(?![\w-])")


class Refusal:
    """A file: the repository, what was said before, the command, and what moss answers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        head, _, self.answer = path.read_text(encoding="utf-8").partition(LINE)
        *lines, command = head.splitlines()
        self.command = shlex.split(command.removeprefix("$ moss "))
        said = [line.split(": ", 1) for line in lines]
        self.repository = next(value for key, value in said if key == "repository")
        self.wanted = [value for key, value in said if key == "wanted"]
        self.typed = [shlex.split(value)[1:] for key, value in said if key == "typed"]

    @property
    def names(self) -> set[str]:
        words = [word for line in (*self.typed, self.command) for word in line[1:] if not word.startswith("-")]
        return {re.split(r"[ <>=(]", word)[0] for word in (*words, *self.wanted)}


REFUSALS = [Refusal(path) for path in TEXTS]


def test_there_are_ten() -> None:
    assert len(REFUSALS) >= 10


def available(repository: str) -> bool:
    return extracts.debian_index() is not None if repository == "debian" else extracts.AERYNOS.exists()


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A root for each repository there is, with all that the texts are about."""
    found = {}
    for name, cut in (("debian", extracts.debian), ("aerynos", extracts.aerynos)):
        if available(name):
            folder = tmp_path_factory.mktemp(name)
            uri = cut(folder / "mirror", {n for one in REFUSALS if one.repository == name for n in one.names})
            found[name] = folder / "root"
            assert main(["-D", str(found[name]), "repo", "add", name, uri, "--unsigned", "-q"]) == 0
    yield found


@pytest.fixture(params=REFUSALS, ids=lambda one: one.path.stem)
def refusal(request: pytest.FixtureRequest) -> Refusal:
    one: Refusal = request.param
    if not available(one.repository):
        pytest.skip(f"the {one.repository} index is not here")
    return one


class Told:
    """What moss answered, in a root of its own."""

    def __init__(self, refusal: Refusal, root: Path, moss: Moss) -> None:
        self.root, self.moss = root, moss
        for words in refusal.typed:
            assert self.run(words, "-y").exit_code == 0
        if refusal.wanted:
            want(root, refusal.wanted)
        self.ended = self.run(refusal.command)

    def run(self, words: list[str], *more: str) -> Ended:
        return self.moss(*words, *more)

    @property
    def text(self) -> str:
        return self.ended.err

    @property
    def repairs(self) -> list[str]:
        return re.findall(r"^  \d\. (moss .*?)(?:  |$)", self.text, re.MULTILINE)


def want(root: Path, wishes: list[str]) -> None:
    """A generation without packages that wishes for these, as if they had been asked for."""
    with closing(sqlite3.connect(root / ".moss/db/moss.db")) as record, record:
        record.execute("INSERT INTO generation (id, created_at, command, status) VALUES (1, 0, '', 'complete')")
        record.execute("INSERT INTO active (one, generation) VALUES (1, 1)")
        rows = [(at, wish) for at, wish in enumerate(wishes)]
        record.executemany("INSERT INTO wish (generation, position, wanted, why) VALUES (1, ?, ?, '')", rows)


@pytest.fixture
def told(
    refusal: Refusal, roots: dict[str, Path], tmp_path: Path, moss: Moss, monkeypatch: pytest.MonkeyPatch
) -> Told:
    root = tmp_path / "root"
    shutil.copytree(roots[refusal.repository], root, symlinks=True)
    monkeypatch.setenv("MOSS_ROOT", str(root))
    return Told(refusal, root, moss)


def in_place(text: str) -> str:
    """Versions, counts and days as marks, and no matter how lines are broken."""
    text = re.sub(r"\d{4}-\d\d-\d\d", "DAY", text)
    text = re.sub(r"(?<![\w(])\d+(?:[:.+~-][\w.+~:-]*)?(?= packages? )", "N", text)
    text = re.sub(r"(?<![\w(.])\d[\w.+~:-]*[.:][\w.+~:-]*|(?<![\w(.])\d+-\d+", "V", text)
    return re.sub(r"\s+", " ", text)


def test_the_refusal_reads_as_it_is_written(refusal: Refusal, told: Told) -> None:
    if os.environ.get("MOSS_WRITE_TEXTS"):
        head = refusal.path.read_text(encoding="utf-8").partition(LINE)[0]
        refusal.path.write_text(head + LINE + told.text, encoding="utf-8")
    assert told.ended.exit_code == 4
    assert in_place(told.text) == in_place(Refusal(refusal.path).answer)
    assert not THE_SOLVERS_OWN.search(told.text)


def test_every_repair_that_is_named_works(told: Told) -> None:
    assert told.repairs
    for repair in told.repairs:
        *before, last = [shlex.split(part)[1:] for part in repair.split(" && ")]
        assert len(before) <= 1, "each but the last changes what the next one starts from"
        if before and before[0][0] != "remove":
            assert told.run(before[0], "-y").exit_code == 0
        elif before:  # what was only wished for has no package that could go
            with closing(sqlite3.connect(told.root / ".moss/db/moss.db")) as record, record:
                record.executemany("DELETE FROM wish WHERE wanted = ?", [(word,) for word in before[0][1:]])
        ended = told.run(last, "-n")
        assert ended.exit_code == 0, (repair, ended)
        assert "optimal (proven" in ended.out
