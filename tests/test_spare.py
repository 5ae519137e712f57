"""The spare tree: by difference and in full are two ways to the same tree, whatever the history."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from moss.db import trees
from moss.difference import TreeDifference
from moss.effects import Effects
from moss.generation import PackageId
from moss.operations import commit as committing
from moss.operations.activate import activate, propose_rollback
from moss.operations.cache import orphans
from moss.operations.commit import commit
from moss.operations.queries import installed, summaries
from moss.operations.system import System, open_to_change
from moss.operations.trees import NextTree, make_tree, plan_tree
from moss.operations.upkeep import Upkeep, collect, give_up, keep_house
from moss.reporter import Silence
from moss.root import GenerationId
from moss.store import Store
from tests.builders import Content, Dir, File, Link, metadata, snapshot
from tests.histories import run_histories
from tests.transactions import Repository, changing, check_invariants, crash_at, make, plan_for
from tests.trees import differences

SLOW = bool(os.environ.get("MOSS_SLOW"))
HISTORIES = 500 if SLOW else 8
STRIDE = 1 if SLOW else 7


@dataclass
class Ways:
    """How trees were made."""

    by_difference: int = 0
    in_full: int = 0


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    counted = Ways()

    def counting(system: object, number: object, tree: NextTree, store: object) -> None:
        if isinstance(tree, TreeDifference):
            counted.by_difference += 1
        else:
            counted.in_full += 1
        make_tree(system, number, tree, store)  # type: ignore[arg-type]

    monkeypatch.setattr(committing, "make_tree", counting)
    return counted


def tidy(root: Path, repository: Repository, keep: int, effects: Effects | None = None) -> Upkeep:
    with changing(root, repository, effects) as system:
        return keep_house(system, keep)


@pytest.mark.slow_too(minutes=3)
def test_trees_are_the_same_by_difference_and_in_full() -> None:
    found = run_histories(range(HISTORIES))
    assert found.by_difference > HISTORIES, found
    assert found.in_full > HISTORIES, found
    assert set(found.events) == {"activated", "filtered otherwise", "pruned", "stray"}


def check_with_spare(root: Path) -> None:
    spare = root / ".moss/root/spare"
    if spare.exists():
        held = int((spare / "usr/.stateID").read_text())
        assert differences(root, held, spare / "usr") == []


def churn(root: Path, repository: Repository, rounds: int, keep: int = 2) -> None:
    for number in range(rounds):
        make(root, repository, f"p0-{number % 3}", "p1-0")
        tidy(root, repository, keep)


@pytest.fixture
def plain(tmp_path: Path) -> Repository:
    """Packages that do not meet."""
    repository = Repository(tmp_path / "packages")
    for package in range(3):
        for version in range(3):
            files: dict[str, Content] = {
                f"bin/p{package}": f"{package} {version}", f"share/p{package}/{version}/only": "x", "share/same": "x",
            }  # fmt: skip
            repository.publish(f"p{package}-{version}", metadata(f"p{package}", str(version)), files)
    return repository


def test_retention_feeds_the_spare_and_the_spare_the_next_generation(
    tmp_path: Path, plain: Repository, ways: Ways
) -> None:
    root = tmp_path / "root"
    churn(root, plain, 6)
    assert ways.in_full == 3  # the first two, and the one before anything could be given up
    assert ways.by_difference == 3
    with changing(root, plain) as system:
        assert [summary.generation.id for summary in summaries(system)] == [5, 6]
    assert (root / ".moss/root/spare").exists()


def test_a_clean_tree_is_audited_without_reading_its_layout(
    tmp_path: Path, plain: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moss.operations import upkeep

    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("the whole layout was asked for")

    monkeypatch.setattr(upkeep, "whole_layout", never)
    root = tmp_path / "root"
    churn(root, plain, 5)
    make(root, plain, "p2-1", "p0-2")
    rolled = tmp_path / "root"
    with changing(rolled, plain) as system:
        activate(system, propose_rollback(system))
    tidy(root, plain, keep=2)


def test_the_spare_is_advanced_so_that_a_change_does_no_more_than_itself(tmp_path: Path, plain: Repository) -> None:
    root = tmp_path / "root"
    for versions in ("000", "100", "110", "111"):
        make(root, plain, *(f"p{package}-{version}" for package, version in enumerate(versions)))
        tidy(root, plain, keep=2)
    assert differences(root, 4, root / ".moss/root/spare/usr") == []
    with changing(root, plain) as system:
        spare = trees.spare(system.record)
        assert spare is not None and spare.generation == 2
        plan = plan_for(system, plain, ("p0-1", "p1-1", "p2-2"))
        tree = plan_tree(system, plan, package_rows(system, "p0-1", "p1-1"))
    assert isinstance(tree, TreeDifference)
    assert tree.step_count == 4  # p2's own: two unlinks and two rmdirs, whatever came between
    assert all("p2" in path for path in (*tree.unlink, *tree.rmdir))


@pytest.mark.parametrize("fails", [False, True])
def test_a_process_beside_advances_the_spare_whole_or_leaves_it_dirty(
    tmp_path: Path, plain: Repository, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    from moss.errors import MossError
    from moss.operations import upkeep

    root, own = tmp_path / "root", os.getpid()
    monkeypatch.setattr(upkeep, "_WORTH_A_PROCESS", 1)
    for versions in ("000", "100", "110"):
        make(root, plain, *(f"p{package}-{version}" for package, version in enumerate(versions)))
        tidy(root, plain, keep=2)
    make(root, plain, "p0-1", "p1-1", "p2-1")
    effects = _Elsewhere(own, fails)
    if fails:
        with pytest.raises(MossError, match="no space"):
            tidy(root, plain, 2, effects)
    else:
        tidy(root, plain, 2, effects)
        assert differences(root, 4, root / ".moss/root/spare/usr") == []
    assert not effects.linked_here
    with changing(root, plain) as system:  # recovers
        spare = trees.spare(system.record)
        assert (spare is None) if fails else (spare is not None and spare.clean)
    assert (root / ".moss/root/spare").exists() is not fails
    tidy(root, plain, keep=2)
    check_with_spare(root)


class _Elsewhere(Effects):
    """Links files in another process only; there all room is used up at the second, if so wished."""

    def __init__(self, own: int, fails: bool) -> None:
        super().__init__(apply_owners=os.geteuid() == 0)
        self.linked_here = False
        self._own, self._fails, self._count = own, fails, 0

    def link(self, source: str, target: str, /, **options: int | None) -> None:  # type: ignore[override]
        self._count += 1
        self.linked_here |= os.getpid() == self._own
        if self._fails and self._count == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
        super().link(source, target, **options)


def package_rows(system: System, *labels: str) -> list[PackageId]:
    return [
        selected.package for selected in installed(system)
        if f"{selected.metadata.name}-{selected.metadata.version}" in labels
    ]  # fmt: skip


@pytest.mark.slow_too
def test_a_crash_anywhere_in_upkeep_is_mended_by_the_next_command(tmp_path: Path, plain: Repository) -> None:
    for point in range(0, 10_000, STRIDE):
        root = tmp_path / f"root-{point}"
        for number in range(3):
            make(root, plain, f"p0-{number}", f"p1-{number}", "p2-0")
        finished = crash_at(point, lambda effects, root=root: tidy(root, plain, 1, effects))
        with changing(root, plain) as system:
            spare = trees.spare(system.record)
            assert spare is None or spare.clean
        check_with_spare(root)
        make(root, plain, "p0-0", "p2-1")
        assert differences(root) == []
        if finished:
            break
    assert point > 15


def test_what_no_generation_has_any_more_leaves_the_store(tmp_path: Path, plain: Repository) -> None:
    root = tmp_path / "root"
    make(root, plain, "p0-0", "p1-0")
    stored = {path.name for path in (root / ".moss/assets").rglob("*") if path.is_file()}
    churn(root, plain, 5)
    make(root, plain, "p2-0")
    for _ in range(3):
        make(root, plain, "p2-1")
        make(root, plain, "p2-2")
        tidy(root, plain, keep=1)
    kept = {path.name for path in (root / ".moss/assets").rglob("*") if path.is_file()}
    assert len(kept) < len(stored) + 4
    assert differences(root) == []
    with changing(root, plain) as system:
        assert {one.generation.model.wishes[0].wanted.name for one in summaries(system)} == {"p2"}


@pytest.mark.slow_too
def test_what_a_crash_kept_in_the_store_leaves_with_the_next_upkeep(tmp_path: Path, plain: Repository) -> None:
    template, root = tmp_path / "template", tmp_path / "root"
    for version in range(3):
        make(template, plain, f"p0-{version}", "p1-0")

    def tidy_up(effects: Effects) -> None:
        with changing(root, plain, effects) as system:
            keep_house(system, 1)

    for point in range(0, 400, 1 if SLOW else 5):
        subprocess.run(["cp", "-a", str(template), str(root)], check=True)
        finished = crash_at(point, tidy_up)
        tidy(root, plain, keep=1)
        with changing(root, plain) as system:
            assert list(orphans(system)) == [], f"crash at effect {point}"
        shutil.rmtree(root)
        if finished:
            break
    assert finished
    assert point > 20


def test_a_stray_file_is_told_and_its_tree_is_not_recycled(tmp_path: Path, plain: Repository, ways: Ways) -> None:
    root = tmp_path / "root"
    make(root, plain, "p0-0")
    (root / "usr/bin/__pycache__").mkdir()
    make(root, plain, "p0-1")
    found = tidy(root, plain, keep=5)
    assert "1 foreign (such as /usr/bin/__pycache__)" in found.warnings[0]
    assert tidy(root, plain, keep=5).warnings == ()  # told once, and not looked at again
    make(root, plain, "p0-2")
    tidy(root, plain, keep=1)
    tidy(root, plain, keep=1)
    make(root, plain, "p0-0", "p1-0")
    assert differences(root) == []


@pytest.mark.parametrize("stray", [False, True])
def test_a_tree_is_looked_into_before_it_becomes_the_spare(tmp_path: Path, plain: Repository, stray: bool) -> None:
    root = tmp_path / "root"
    for version in range(3):
        make(root, plain, f"p0-{version}")
        if stray and version == 0:
            (root / "usr/bin/mine").write_text("")
    found = tidy(root, plain, keep=1)
    assert [number for number, _ in found.audits] == ([1] if stray else [])
    assert found.given_up == (1,) and (root / ".moss/root/spare").exists() is not stray


def test_a_spare_that_is_dirty_stays_so_whatever_leaves_the_store(tmp_path: Path, plain: Repository) -> None:
    root = tmp_path / "root"
    churn(root, plain, 4)
    make(root, plain, "p2-0")
    tidy(root, plain, keep=2)
    with changing(root, plain) as system, Store(system.root.store, system.effects) as store:
        trees.mark_spare_dirty(system.record)
        give_up(system, GenerationId(4))
        assert collect(system, store)
        assert (held := trees.spare(system.record)) is not None and not held.clean


@pytest.mark.parametrize("change", ["content", "mode", "missing", "link", "directory mode"])
def test_the_audit_sees_every_kind_of_change(tmp_path: Path, change: str) -> None:
    repository = Repository(tmp_path / "packages")
    files: dict[str, Content] = {
        "bin/a": "a", "lib/link": Link("a"), "lib/none": File(b""), "own": Dir(0o700), "share/x/y": "y",
    }  # fmt: skip
    repository.publish("one", metadata("one"), files)
    repository.publish("two", metadata("two"), {"bin/b": "b"})
    root = tmp_path / "root"
    make(root, repository, "one")
    usr = root / "usr"
    match change:
        case "content":
            (usr / "bin/a").unlink()
            (usr / "bin/a").write_text("other")
        case "mode":
            (usr / "lib/none").chmod(0o600)
        case "missing":
            (usr / "share/x/y").unlink()
        case "link":
            (usr / "lib/link").unlink()
            (usr / "lib/link").symlink_to("b")
        case "directory mode":
            (usr / "own").chmod(0o711)
    make(root, repository, "two")
    ((number, audit),) = tidy(root, repository, keep=5).audits
    assert number == 1
    assert not audit.is_clean
    assert bool(audit.missing) == (change == "missing")
    assert bool(audit.changed) == (change != "missing")


def test_a_restored_root_has_other_inodes_and_is_no_less_clean(tmp_path: Path, plain: Repository) -> None:
    root = tmp_path / "root"
    make(root, plain, "p0-0")
    make(root, plain, "p0-1")
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, symlinks=True)  # one file for every name: no hard links
    (copy / ".moss/root/1/usr/bin/p0").write_text("0 9")  # as long as it was
    assert "1 changed (such as /usr/bin/p0)" in tidy(copy, plain, keep=5).warnings[0]
    assert tidy(root, plain, keep=5).warnings == ()


def test_a_tree_that_somebody_is_in_never_changes(tmp_path: Path, plain: Repository, ways: Ways) -> None:
    root = tmp_path / "root"
    churn(root, plain, 4)
    spare = root / ".moss/root/spare/usr"
    held = os.open(spare / "bin", os.O_RDONLY)
    try:
        before = ways.by_difference
        inode = os.fstat(held).st_ino
        make(root, plain, "p0-0", "p1-1")
        assert ways.by_difference == before
        assert os.fstat(held).st_ino == inode
    finally:
        os.close(held)


def test_a_spare_that_somebody_is_in_is_put_aside_whole_and_goes_later(tmp_path: Path, plain: Repository) -> None:
    root = tmp_path / "root"
    churn(root, plain, 4)
    held = os.open(root / ".moss/root/spare/usr", os.O_RDONLY)
    try:
        before = snapshot(Path(f"/proc/self/fd/{held}"))
        for version in (1, 2):
            make(root, plain, "p0-0", f"p1-{version}")
            with changing(root, plain) as system:  # recovery has given it the name of the generation it was
                assert keep_house(system).warnings == (), "it is no generation's, so nothing in it is foreign"
            assert snapshot(Path(f"/proc/self/fd/{held}")) == before
            assert differences(root) == []
    finally:
        os.close(held)
    check_nothing_waits(root, plain)


def check_nothing_waits(root: Path, repository: Repository) -> None:
    """The next command leaves only trees that a generation is kept by."""
    with changing(root, repository) as system:
        known = {str(summary.generation.id) for summary in summaries(system)} - {str(system.active)}
    assert set(os.listdir(root / ".moss/root")) - {"spare"} == known


@contextmanager
def mounted(place: Path) -> Iterator[None]:
    done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        mounts = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        (now,) = (point for point in mounts if point.startswith(f"{place.parents[4]}/"))  # it moves with its tree
        subprocess.run(["umount", now], check=True)


class Heard(Silence):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_tree_that_cannot_go_is_told_and_stops_nothing(tmp_path: Path, plain: Repository) -> None:
    root = tmp_path / "root"
    churn(root, plain, 4)
    with changing(root, plain) as system:
        trees.forget_spare(system.record)
    spare = root / ".moss/root/spare"
    with mounted(spare / "usr/bin"):
        for _ in range(2):
            heard = Heard()
            with open_to_change(str(root), heard, command="moss test") as system:
                assert system.recovered is None
            assert len(heard.warnings) == 1
            assert ".moss/root/" in heard.warnings[0]
        make(root, plain, "p0-0", "p1-1")
        make(root, plain, "p0-1", "p1-1")
        assert differences(root) == []
    check_nothing_waits(root, plain)


def test_a_generation_that_somebody_is_in_is_not_given_up(tmp_path: Path, plain: Repository) -> None:
    root = tmp_path / "root"
    for number in range(3):
        make(root, plain, f"p0-{number}")
    held = os.open(root / ".moss/root/1/usr/bin", os.O_RDONLY)
    try:
        tidy(root, plain, keep=1)
        assert (root / ".moss/root/1/usr/.stateID").read_text() == "1\n"
        with changing(root, plain) as system:
            assert [summary.generation.id for summary in summaries(system)] == [1, 2, 3]
    finally:
        os.close(held)
    tidy(root, plain, keep=1)
    with changing(root, plain) as system:
        assert [summary.generation.id for summary in summaries(system)] == [2, 3]


LINK_STEPS = [
    ("links appear under paths", ["below"], ["below", "link"]),
    ("links go from under paths", ["below", "link"], ["below"]),
    ("paths appear through links", ["link"], ["below", "link"]),
    ("paths go from behind links", ["below", "link"], ["link"]),
    ("links lead elsewhere", ["below", "link"], ["below", "other-link"]),
    ("what is behind a link changes", ["below", "link"], ["below-2", "link"]),
    ("a directory becomes a link", ["below", "direct"], ["below", "link", "direct"]),
]


@pytest.mark.parametrize(("old", "new"), [step[1:] for step in LINK_STEPS], ids=[step[0] for step in LINK_STEPS])
def test_directory_links_come_and_go_in_a_recycled_tree(tmp_path: Path, old: list[str], new: list[str]) -> None:
    repository = Repository(tmp_path / "packages")
    repository.publish("below", metadata("below", "1"), {"lib64/x/file": "1", "lib64/same": "s"})
    repository.publish("below-2", metadata("below", "2"), {"lib64/x/file": "2", "lib64/y/file": "2", "lib64/same": "s"})
    repository.publish("link", metadata("link", "1"), {"lib64": Link("lib")})
    repository.publish("other-link", metadata("link", "2"), {"lib64": Link("libs")})
    repository.publish("direct", metadata("direct"), {"lib/x/other": "d", "bin/d": "d"})
    root = tmp_path / "root"
    for chosen in (old, ["direct"], old, ["direct"], new, old, new):
        make(root, repository, *chosen)
        assert differences(root) == []
        tidy(root, repository, keep=1)
        check_with_spare(root)


def test_the_rollback_target_and_kept_generations_are_never_given_up(tmp_path: Path, plain: Repository) -> None:
    root = tmp_path / "root"
    make(root, plain, "p0-0")
    with changing(root, plain) as system:
        trees.keep(system.record, GenerationId(1), "first light")
    churn(root, plain, 5, keep=1)
    with changing(root, plain) as system:
        assert [summary.generation.id for summary in summaries(system)] == [1, 5, 6]
        activate(system, propose_rollback(system))
    assert differences(root, 5) == []


def test_plans_name_what_the_engine_made(tmp_path: Path, plain: Repository) -> None:
    root = tmp_path / "root"
    with changing(root, plain) as system:
        plan = plan_for(system, plain, ("p0-0",))
        outcome = commit(system, plan)
    assert outcome.generation == plan.result == check_invariants(root)


def test_a_link_below_where_another_leads_gives_paths_further_names(tmp_path: Path) -> None:
    """`c -> f` and `f/c -> f/f`: what is said of `c/c/c` is in `f/f/c`, and stays there when `f/f/file` comes."""
    repository = Repository(tmp_path / "packages")
    repository.publish("links", metadata("links"), {"c": Link("f"), "f/c": Link("f"), "f/e/file": "e"})
    repository.publish("through", metadata("through"), {"c/c/c/file": "t"})
    repository.publish("more", metadata("more"), {"f/f/file": "m"})
    root = tmp_path / "root"
    base = ["links", "through"]
    for chosen in (base, [*base, "more"], base, [*base, "more"], base):
        make(root, repository, *chosen)
        assert differences(root) == []
        tidy(root, repository, keep=1)
        check_with_spare(root)
