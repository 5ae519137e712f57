"""Generations that leave out paths go in bundles as they are: with their filter, without the files."""

from pathlib import Path

import pytest

from moss.cli.main import main
from moss.db import cuts
from moss.operations.commit import commit
from moss.operations.filtering import with_omissions
from moss.operations.system import open_to_read
from moss.operations.upkeep import keep_house
from moss.path_filter import Omission, PathFilter
from solver.values import replace
from tests.builders import Content, metadata
from tests.transactions import Repository, changing, check_invariants, plan_for
from tests.trees import differences, store_differences

DOCS: PathFilter = (Omission("docs", ("share/doc/**",)),)
NOTES = "notes " * 1000
MANUAL = "manual " * 2000


def files(version: int) -> dict[str, Content]:
    return {
        "bin/tool": f"tool {version}", "share/tool": "unchanged " * 500,
        "share/doc/tool/notes": NOTES, "share/doc/tool/news": f"news {version} " * 900,
    }  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "packages")
    for version in (1, 2):
        made.publish(f"tool-{version}", metadata("tool", str(version)), files(version))
    made.publish("manual", metadata("manual"), {"share/manual/x": "x", "share/doc/manual": MANUAL})
    return made


def make(root: Path, repository: Repository, omissions: PathFilter, *labels: str) -> None:
    with changing(root, repository) as system:
        commit(system, with_omissions(system, plan_for(system, repository, labels), omissions))
        keep_house(system, 9)


def moss(root: Path, *words: object) -> None:
    assert main(["-D", str(root), *map(str, words)]) == 0, words


def filter_of(root: Path) -> PathFilter:
    with open_to_read(str(root)) as system:
        return cuts.omissions_of(system.record, system.active)


def test_a_bundle_has_what_its_generation_has(
    tmp_path: Path, repository: Repository, capfd: pytest.CaptureFixture[str]
) -> None:
    here, there, bundle = tmp_path / "here", tmp_path / "there", tmp_path / "bundle"
    make(here, repository, DOCS, "tool-1", "manual")
    moss(here, "export", "-o", bundle)
    moss(there, "sync", "--from", bundle, "--unsigned", "-y")
    assert check_invariants(there) == 1 and store_differences(there) == []
    assert filter_of(there) == DOCS and not (there / "usr/share/doc").exists()
    capfd.readouterr()
    with changing(there, repository) as system:
        (manual, tool) = plan_for(system, repository, ("tool-1", "manual")).chosen
        assert cuts.incomplete(system.record, [one.present.package for one in (manual, tool) if one.present], ()) == {
            one.present.package: size
            for one, size in ((manual, len(MANUAL)), (tool, len(NOTES) + len("news 1 " * 900)))
            if one.present
        }  # the layouts came whole, with the sizes of what is left out


def test_a_bundle_for_who_leaves_out_more_brings_what_that_lacks(tmp_path: Path, repository: Repository) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    make(there, repository, DOCS, "tool-1", "manual")
    make(here, repository, (), "tool-2", "manual")
    moss(there, "receipt", "-o", tmp_path / "receipt")
    with changing(here, repository) as system:  # so that it knows the receiver's files
        commit(system, plan_for(system, repository, ("tool-1", "manual")))
        commit(system, plan_for(system, repository, ("tool-2", "manual")))
    moss(here, "export", "--for", tmp_path / "receipt", "-o", tmp_path / "bundle")
    moss(there, "sync", "--from", tmp_path / "bundle", "--unsigned", "-y")
    assert check_invariants(there) == 2 and store_differences(there) == []
    assert filter_of(there) == () and (there / "usr/share/doc/manual").read_text() == MANUAL


def test_a_bundle_for_who_leaves_out_the_same_is_as_small_as_one_without_docs(
    tmp_path: Path, repository: Repository, capfd: pytest.CaptureFixture[str]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for root in (here, there):
        make(root, repository, DOCS, "tool-1", "manual")
    make(here, repository, DOCS, "tool-2", "manual")
    moss(there, "receipt", "-o", tmp_path / "receipt")
    capfd.readouterr()
    moss(here, "export", "--for", tmp_path / "receipt", "-o", tmp_path / "bundle")
    assert "1 file," in capfd.readouterr().out  # the program: what did not change is there, news are for nobody
    moss(there, "sync", "--from", tmp_path / "bundle", "--unsigned", "-y")
    assert differences(there) == [] == store_differences(there)
    assert filter_of(there) == DOCS


def test_since_counts_what_was_left_out_then(tmp_path: Path, repository: Repository) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    make(here, repository, DOCS, "tool-1", "manual")
    moss(here, "export", "-o", tmp_path / "first")
    moss(there, "sync", "--from", tmp_path / "first", "--unsigned", "-y")
    with changing(here, repository) as system:
        plan = plan_for(system, repository, ("tool-1", "manual"))
        offers = {one.candidate_key: one for one in repository.candidates.values()}
        plan = replace(plan, chosen=tuple(replace(one, candidate=offers[one.candidate_key]) for one in plan.chosen))
        commit(system, plan)
    moss(here, "export", "--since", 1, "-o", tmp_path / "second")
    moss(there, "sync", "--from", tmp_path / "second", "--unsigned", "-y")
    assert check_invariants(there) == 2 and filter_of(there) == ()
    assert (there / "usr/share/doc/tool/notes").read_text() == NOTES


def test_what_a_bundle_left_out_cannot_be_installed_from_it(
    tmp_path: Path, repository: Repository, capfd: pytest.CaptureFixture[str]
) -> None:
    here, there, bundle = tmp_path / "here", tmp_path / "there", tmp_path / "bundle"
    make(here, repository, DOCS, "tool-1", "manual")
    moss(here, "export", "-o", bundle)
    moss(there, "repo", "add", "stick", f"bundle:{bundle}", "--unsigned")
    capfd.readouterr()
    assert main(["-D", str(there), "install", "manual", "-y"]) == 3
    said = " ".join(capfd.readouterr().err.split())
    assert "some files are not here and did not come" in said and "they are of manual 1.0-1" in said
    assert not (there / "usr").exists()
