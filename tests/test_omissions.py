"""What a generation leaves out of its packages' paths: in its tree, in the store, on the way back."""

import os
from pathlib import Path

import pytest

from moss.operations.commit import commit
from moss.operations.transaction import Outcome
from moss.path_filter import Omission, PathFilter
from solver.values import replace
from tests.builders import Content, Dir, Link, metadata
from tests.test_transactions import Repository, changing, check_invariants, plan_for, rollback

DOCS: PathFilter = (Omission("docs", ("share/doc/**",)),)
BOTH: PathFilter = (*DOCS, Omission("locale", ("share/locale/*/**",), ("share/locale/de/**",)))

TOOL: dict[str, Content] = {
    "bin/tool": "the tool", "share/doc": Dir(), "share/doc/tool": Dir(0o700), "share/doc/tool/notes": "notes",
    "share/doc/tool/same": "shared", "share/tool/same": "shared", "share/locale/de/tool.mo": "deutsch",
    "share/locale/fr/tool.mo": "français",
}  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "packages")
    made.publish("tool-1", metadata("tool", "1"), TOOL)
    made.publish("tool-2", metadata("tool", "2"), {**TOOL, "bin/tool": "another", "share/doc/tool/news": "news"})
    made.publish("other", metadata("other"), {"bin/other": "other", "share/doc/other/notes": "other notes"})
    made.publish("linker", metadata("linker"), {"share/linker/help": Link("../doc/tool/notes")})
    return made


def make(root: Path, repository: Repository, omissions: PathFilter, *labels: str) -> Outcome:
    with changing(root, repository) as system:
        return commit(system, replace(plan_for(system, repository, labels), omissions=omissions))


def paths(root: Path) -> set[str]:
    return {
        os.path.relpath(os.path.join(folder, name), root / "usr")
        for folder, folders, files in os.walk(root / "usr") for name in (*folders, *files)
    }  # fmt: skip


def test_what_is_left_out_is_in_no_tree_and_its_files_are_not_written(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, BOTH, "tool-1")
    assert check_invariants(root) == 1
    assert paths(root) == {
        ".stateID", "bin", "bin/tool", "share", "share/tool", "share/tool/same", "share/locale", "share/locale/de",
        "share/locale/de/tool.mo",
    }  # fmt: skip
    stored = [path for path in (root / ".moss/assets").rglob("*") if path.is_file()]
    assert {path.read_text() for path in stored} == {"the tool", "shared", "deutsch"}


def test_another_filter_alone_is_another_generation(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, (), "tool-1", "other")
    everything = paths(root)
    with changing(root, repository) as system:
        plan = plan_for(system, repository, ("tool-1", "other"))
        plan = replace(plan, model_before=plan.model)
        assert plan.is_empty and not replace(plan, omissions=DOCS).is_empty
        assert not replace(plan, omissions=DOCS).has_changes
    make(root, repository, DOCS, "tool-1", "other")
    assert check_invariants(root) == 2
    assert everything - paths(root) == {
        "share/doc", "share/doc/tool", "share/doc/tool/notes", "share/doc/tool/same", "share/doc/other",
        "share/doc/other/notes",
    }  # fmt: skip
    rollback(root, repository)
    assert check_invariants(root) == 1 and paths(root) == everything
