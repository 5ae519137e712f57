"""What a generation leaves out of its packages' paths: in its tree, in the store, on the way back."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from moss.cli.main import main
from moss.db import cuts
from moss.errors import CorruptData, NotFound
from moss.indexing import index
from moss.merge import LayoutCollision
from moss.operations.commit import commit
from moss.operations.filtering import left_out_by, with_omissions
from moss.operations.queries import installed
from moss.operations.refreshing import update_repositories
from moss.operations.retention import propose_pruning, propose_removal, retire
from moss.operations.system import System
from moss.operations.transaction import Outcome
from moss.operations.upkeep import keep_house
from moss.path_filter import Omission, PathFilter
from moss.plan import Plan
from moss.reporter import Silence
from moss.root import GenerationId
from solver.values import replace
from tests.builders import Content, Dir, Link, metadata
from tests.transactions import Repository, changing, check_invariants, plan_for, rollback
from tests.trees import OWN_ENTRIES, differences, store_differences

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
    links = {"help": Link("../doc/tool/notes"), "dir": Link("/usr/share/doc/tool"), "own": Link("help")}
    made.publish("linker", metadata("linker"), {f"share/linker/{name}": link for name, link in links.items()})
    made.publish("thief", metadata("thief"), {"share/doc/tool/notes": "other notes"})
    made.publish("plain", metadata("plain"), {"bin/plain": "plain"})
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
        *OWN_ENTRIES, "bin", "bin/tool", "share", "share/tool", "share/tool/same", "share/locale", "share/locale/de",
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


def offer(root: Path, repository: Repository) -> None:
    index(str(repository.folder))
    with changing(root, repository) as system:
        update_repositories(system)


def planned(system: System, repository: Repository, omissions: PathFilter, *labels: str) -> Plan:
    return with_omissions(system, plan_for(system, repository, labels), omissions)


def test_what_comes_back_is_linked_from_the_store_while_it_is_there(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, (), "tool-1", "other")
    make(root, repository, BOTH, "tool-1", "other")
    shutil.rmtree(repository.folder)
    with changing(root, repository) as system:
        keep_house(system, 5)
        plan = planned(system, repository, (), "tool-1", "other")
        assert plan.refetched == () and plan.space.download == 0
        commit(system, plan)
    assert check_invariants(root) == 3 and "share/doc/tool/notes" in paths(root)


def test_what_has_left_the_store_is_fetched_again_and_nothing_else(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, (), "tool-1", "other", "plain")
    offer(root, repository)
    make(root, repository, DOCS, "tool-1", "other", "plain")
    with changing(root, repository) as system:
        retire(system, propose_removal(system, [GenerationId(1)]))
    assert store_differences(root) == []
    (repository.folder / repository.candidates["plain"].uri).unlink()
    (repository.folder / repository.candidates["other"].uri).unlink()
    keeping_other: PathFilter = (Omission("docs", ("share/doc/other/**",)),)
    with changing(root, repository) as system:
        plan = planned(system, repository, keeping_other, "tool-1", "other", "plain")
        assert [one.package.name for one in plan.refetched] == ["tool"]
        assert plan.refetched[0].missing == len("notes")  # the other file is elsewhere in the package too
        assert plan.space.download == repository.candidates["tool-1"].stone_size
        commit(system, plan)
    assert "share/doc/tool/notes" in paths(root) and "share/doc/other" not in paths(root)
    assert differences(root) == [] == store_differences(root)
    with changing(root, repository) as system:
        plan = planned(system, repository, (), "tool-1", "other", "plain")
        with pytest.raises(NotFound, match="other"):
            commit(system, plan)
    assert differences(root) == [] == store_differences(root)


def test_what_nobody_offers_any_more_is_named(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, DOCS, "tool-1", "other")
    with changing(root, repository) as system, pytest.raises(NotFound) as refused:
        planned(system, repository, (), "tool-1", "other")
    assert "no repository offers them" in refused.value.message
    assert refused.value.because == ("they are of other 1.0-1, tool 1-1",)


def test_another_stone_of_the_same_package_that_lacks_a_file_is_refused(
    tmp_path: Path, repository: Repository
) -> None:
    root = tmp_path / "root"
    make(root, repository, DOCS, "other")
    key = repository.candidates["other"].candidate_key
    repository.publish("other", metadata("other"), {"bin/other": "other", "share/doc/other/notes": "not the notes"})
    repository.candidates["other"] = replace(repository.candidates["other"], candidate_key=key)
    with changing(root, repository) as system, pytest.raises(CorruptData, match="lacks a file that other"):
        commit(system, planned_with_offers(system, repository, ("other",)))
    assert check_invariants(root) == 1


def test_a_plan_says_what_it_saves_and_what_it_brings_back(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, (), "tool-1", "other", "linker")
    before = tree_bytes(root)
    with changing(root, repository) as system:
        plan = planned(system, repository, BOTH, "tool-1", "other", "linker")
        commit(system, plan)
        assert left_out_by(system) == {one.subscription: one.after for one in plan.savings}
    assert [(one.subscription, one.before) for one in plan.savings] == [("docs", 0), ("locale", 0)]
    assert sum(one.after for one in plan.savings) == before - tree_bytes(root) > 0
    with changing(root, repository) as system:
        back = planned(system, repository, DOCS, "tool-1", "other", "linker")
    assert [(one.subscription, one.after - one.before) for one in back.savings] == [
        ("docs", 0), ("locale", -len("français".encode())),
    ]  # fmt: skip


def tree_bytes(root: Path) -> int:
    found = {}
    for path in (root / "usr").rglob("*"):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and path.name not in OWN_ENTRIES:
            found[status.st_ino] = status.st_size
    return sum(found.values())


def test_a_link_that_loses_its_target_is_told_before_the_switch(
    tmp_path: Path, repository: Repository, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    make(root, repository, (), "tool-1", "linker")
    with changing(root, repository) as system:
        plan = planned(system, repository, DOCS, "tool-1", "linker")
        assert plan.warnings == (
            "/usr/share/linker/dir of linker will lead nowhere: the subscription docs leaves out its target, "
            "/usr/share/doc/tool",
            "/usr/share/linker/help of linker will lead nowhere: the subscription docs leaves out its target, "
            "../doc/tool/notes",
        )
        commit(system, plan)
        assert planned(system, repository, BOTH, "tool-1", "linker").warnings == ()  # it is so already
    told: list[str] = []
    with changing(tmp_path / "another", repository) as system:
        plan = planned(system, repository, DOCS, "tool-1", "linker")
        assert plan.warnings == ()  # nobody has read these packages yet
        commit(replace(system, reporter=Telling(told)), plan)
    assert len(told) == 2 and "share/linker/help" in told[1]


class Telling(Silence):
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def warning(self, text: str) -> None:
        self._told.append(text)


def test_what_is_left_out_collides_with_nothing(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    with pytest.raises(LayoutCollision):
        make(root, repository, (), "tool-1", "thief")
    make(root, repository, DOCS, "tool-1", "thief")
    assert check_invariants(root) == 1
    with changing(root, repository) as system, pytest.raises(LayoutCollision):
        commit(system, planned_with_offers(system, repository, ("tool-1", "thief")))
    assert check_invariants(root) == 1


def planned_with_offers(system: System, repository: Repository, labels: tuple[str, ...]) -> Plan:
    plan = plan_for(system, repository, labels)
    offers = {one.candidate_key: one for one in repository.candidates.values()}
    return replace(plan, chosen=tuple(replace(one, candidate=offers[one.candidate_key]) for one in plan.chosen))


def test_what_pruning_frees_is_what_it_says(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, (), "tool-1", "other")
    make(root, repository, BOTH, "tool-1", "other")
    with changing(root, repository) as system:
        retirement = propose_pruning(system, 1, remember=True)
        assert retirement.freed.packages == ()
        retirement = propose_removal(system, [GenerationId(1)])
        assert retirement.freed.size == sum(map(len, ("notes", "other notes", "français".encode())))
        assert retire(system, retirement).freed_bytes == retirement.freed.size
    assert store_differences(root) == []


def test_an_update_keeps_what_is_left_out(tmp_path: Path, repository: Repository) -> None:
    """Made by difference out of a spare tree, as any other."""
    root = tmp_path / "root"
    for labels in (("tool-1",), ("tool-1", "other"), ("tool-2", "other"), ("tool-1", "other"), ("tool-2",)):
        make(root, repository, BOTH, *labels)
        with changing(root, repository) as system:
            keep_house(system, 2)
        assert not any(path.startswith(("share/doc", "share/locale/fr")) for path in paths(root))
        assert store_differences(root) == [] == differences(root)
    assert (root / ".moss/root/spare").exists()


def test_two_packages_that_come_together_and_leave_out_each_others_files_get_theirs(
    tmp_path: Path, repository: Repository
) -> None:
    """What one of them leaves out the other has: it is written all the same."""
    root = tmp_path / "root"
    repository.publish("first", metadata("first"), {"share/doc/first/text": "the same", "bin/first": "first"})
    repository.publish("second", metadata("second"), {"share/doc/second/own": "own", "share/second/text": "the same"})
    make(root, repository, DOCS, "first", "second")
    assert check_invariants(root) == 1 and store_differences(root) == []


def test_a_generation_that_is_younger_than_the_copy_of_the_record_comes_back_with_what_it_leaves_out(
    tmp_path: Path, repository: Repository
) -> None:
    root = tmp_path / "root"
    make(root, repository, BOTH, "tool-1", "other")
    with changing(root, repository) as system:
        keep_house(system)
    make(root, repository, BOTH, "tool-1", "plain")
    for path in (root / ".moss/db").glob("moss.db*"):
        path.unlink()
    assert main(["-D", str(root), "verify", "--fix", "-y"]) == 0
    with changing(root, repository) as system:
        assert cuts.omissions_of(system.record, system.active) == BOTH
        assert [one.metadata.name for one in installed(system)][-1] == "tool"
    assert differences(root) == []
