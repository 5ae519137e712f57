"""From a plan to a generation and back, with crashes in between: only moss's engines, no solver."""

import os
import stat
from pathlib import Path

import pytest

from moss.db import generations
from moss.digest import PackageDigest
from moss.effects import Effects
from moss.errors import CorruptData, MossError
from moss.merge import LayoutCollision
from moss.operations.activate import activate, propose_activation
from moss.operations.refreshing import update_repositories
from moss.operations.repositories import add_repository
from moss.operations.system import default_effects, open_to_change, open_to_read
from moss.root import GenerationId
from tests.builders import Content, Dir, File, Link, metadata, snapshot, write_package
from tests.counting import CountingEffects
from tests.transactions import Repository, changing, check_invariants, crash_at, make, rollback

AS_ROOT = os.geteuid() == 0
STEP = 1 if os.environ.get("MOSS_SLOW") else 4
"""Every effect when there is time (CI), else a sample."""

ONE = {"bin/tool": "version one", "share/doc/tool/notes": "text", "lib/old/deep/file": "going", "share/turn": "file"}
TWO: dict[str, Content] = {
    "bin/tool": "version two",
    "share/doc/tool/notes": "text",
    "share/turn/now/a": "directory",
    "lib/link": Link("old"),
    "lib/none": File(b"", 0o600),
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "packages")
    made.publish("tool-1", metadata("tool", "1"), dict(ONE))
    made.publish("tool-2", metadata("tool", "2"), TWO)
    made.publish("other", metadata("other"), {"bin/other": "other", "share/doc/tool/more": "x", "lib/own": Dir(0o700)})
    made.publish("thief", metadata("thief"), {"bin/tool": "not the tool"})
    return made


def test_the_first_generation_makes_a_root_out_of_nothing(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    outcome = make(root, repository, "tool-1")
    assert (outcome.generation, outcome.previous) == (1, None)
    assert check_invariants(root) == 1
    assert os.readlink(root / "bin") == "usr/bin"
    assert (root / "bin/tool").read_text() == "version one"
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777


def test_generations_follow_each_other_and_each_stays(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, "tool-1")
    make(root, repository, "tool-1", "other")
    outcome = make(root, repository, "tool-2", "other")
    assert (outcome.generation, outcome.previous) == (3, 2)
    assert check_invariants(root) == 3
    assert (root / "usr/bin/tool").read_text() == "version two"
    assert not (root / "usr/lib/old/deep").exists()


def test_rollback_goes_back_and_forth(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, "tool-1")
    make(root, repository, "tool-2")
    assert rollback(root, repository).generation == 1
    assert check_invariants(root) == 1
    assert (root / "usr/bin/tool").read_text() == "version one"
    assert rollback(root, repository).generation == 2
    assert check_invariants(root) == 2


def test_going_back_waits_for_the_disk_as_rarely_as_can_be(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, "tool-1")
    make(root, repository, "tool-2")
    counting = CountingEffects()
    rollback(root, repository, counting)
    assert counting.by_kind["commit_point"] == 2  # ready to switch, done
    assert counting.by_kind["fsync"] == 2  # both parents of the exchanged trees
    assert counting.by_kind["syncfs"] == 0


def test_any_generation_on_record_can_be_activated(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    for labels in (("tool-1",), ("tool-2",), ("other",), ("other", "tool-1")):
        make(root, repository, *labels)
    for number in (2, 4, 1, 3, 3):
        with changing(root, repository) as system:
            activate(system, propose_activation(system, GenerationId(number)))
        assert check_invariants(root) == number
    with changing(root, repository) as system, pytest.raises(MossError, match="no generation 9"):
        propose_activation(system, GenerationId(9))


def test_wishes_come_back_with_the_generation(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, "tool-1")
    make(root, repository, "tool-1", "other")
    rollback(root, repository)
    with open_to_read(str(root)) as system:
        model = generations.model_of(system.record, system.active)
    assert [str(wish) for wish in model.wishes] == ["tool"]


def test_two_packages_with_one_path_change_nothing(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, "tool-1")
    before = snapshot(root, without=[".moss/db"])
    with pytest.raises(LayoutCollision, match="/usr/bin/tool"):
        make(root, repository, "tool-1", "thief")
    assert snapshot(root, without=[".moss/db"]) == before
    assert check_invariants(root) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "swapped", "gone"])
def test_a_stone_that_is_not_what_the_index_says_changes_nothing(
    tmp_path: Path, repository: Repository, damage: str
) -> None:
    root = tmp_path / "root"
    make(root, repository, "tool-1")
    before = snapshot(root, without=[".moss/db"])
    stone = repository.folder / repository.candidates["tool-2"].uri
    content = stone.read_bytes()
    match damage:
        case "cut":
            stone.write_bytes(content[:-1])
        case "flipped":
            stone.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "swapped":
            stone.write_bytes((repository.folder / repository.candidates["other"].uri).read_bytes())
        case "gone":
            stone.unlink()
    with pytest.raises(MossError) as caught:
        make(root, repository, "tool-2")
    assert caught.value.exit_code == (3 if damage == "gone" else 7)
    assert stone.name in caught.value.message
    assert snapshot(root, without=[".moss/db"]) == before
    assert check_invariants(root) == 1


def test_a_foreign_usr_is_refused(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    with pytest.raises(MossError, match="moss did not make"):
        make(root, repository, "tool-1")
    assert (root / "usr/bin").is_dir()


def test_a_root_whose_bin_is_a_directory_is_refused_before_anything(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    with pytest.raises(MossError, match="/bin is a directory"):
        make(root, repository, "tool-1")
    assert not (root / "usr").exists()


def test_a_generation_that_the_record_does_not_know_is_told(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, "tool-1")
    (root / "usr/.stateID").unlink()
    (root / "usr/.stateID").write_text("77\n")
    with pytest.raises(CorruptData, match="generation 77"):
        make(root, repository, "tool-2")


def test_a_usr_that_lost_its_number_is_never_switched_away(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, "tool-1")
    make(root, repository)  # a generation of nothing: without its number, an empty directory
    (root / "usr/.stateID").unlink()
    with pytest.raises(MossError, match="generation 2 should be there") as caught:
        rollback(root, repository)
    assert f"echo 2 > {root}/usr/.stateID" in caught.value.remedies[0]
    (root / "usr/.stateID").write_text("2\n")  # the remedy works
    assert rollback(root, repository).generation == 1
    assert check_invariants(root) == 1


def test_the_record_and_etc_follow_a_switch_made_at_boot(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    for version in ("1", "2"):
        factory: dict[str, Content] = {
            "share/factory/etc/tool.conf": f"version {version}",
            "lib/tmpfiles.d/tool.conf": "C /etc/tool.conf - - - -\n",
        }
        repository.publish(f"etc-{version}", metadata("etc", version), factory)
    make(root, repository, "tool-1", "etc-1")
    make(root, repository, "tool-2", "etc-2")
    assert (root / "etc/tool.conf").read_text() == "version 2"
    # What the initramfs does: two renames, the archive keeps its stale name.
    (root / "usr").rename(root / "aside")
    (root / ".moss/root/1/usr").rename(root / "usr")
    (root / "aside").rename(root / ".moss/root/1/usr")
    with changing(root, repository) as system:
        assert system.active == 1
        assert system.recovered is not None
        assert "generation 1" in system.recovered
    assert check_invariants(root) == 1
    assert (root / "etc/tool.conf").read_text() == "version 1"


@pytest.mark.slow_too(minutes=1)
@pytest.mark.parametrize("operation", ["first", "install", "rollback"])
def test_a_crash_at_any_effect_leaves_the_old_or_the_new(
    tmp_path: Path, repository: Repository, operation: str
) -> None:
    def prepare(root: Path) -> tuple[int | None, int]:
        if operation == "first":
            return None, 1
        make(root, repository, "tool-1")
        if operation == "install":
            return 1, 2
        make(root, repository, "tool-2", "other")
        return 2, 1

    def act(root: Path, effects: Effects) -> None:
        if operation == "rollback":
            rollback(root, repository, effects)
        else:
            make(root, repository, "tool-2", "other", effects=effects)

    seen: set[int | None] = set()
    for point in range(0, 10_000, STEP):
        root = tmp_path / f"root-{point}"
        old, new = prepare(root)
        finished = crash_at(point, lambda effects, root=root: act(root, effects))
        with changing(root, repository):
            pass
        active = check_invariants(root)
        assert active in (old, new), f"crash at effect {point}"
        seen.add(active)
        if finished:
            break
        if active == old and point % 5 == 0:  # the way forward is open
            act(root, default_effects())
            assert check_invariants(root) not in (None, old)
    assert seen == {old, new}


def test_recovery_that_is_interrupted_itself_is_completed_by_the_next(
    tmp_path: Path, repository: Repository
) -> None:
    points = 0
    for first in range(0, 400, 7):
        root = tmp_path / f"root-{first}"
        make(root, repository, "tool-1")
        if crash_at(first, lambda effects, root=root: make(root, repository, "tool-2", "other", effects=effects)):
            break
        for second in range(400):
            points += 1

            def recover(effects: Effects, root: Path = root) -> None:
                with changing(root, repository, effects):
                    pass

            if crash_at(second, recover):
                break
        assert check_invariants(root) in (1, 2)
    assert points > 50


def test_a_package_digest_is_the_stones_sha256(repository: Repository) -> None:
    import hashlib

    candidate = repository.candidates["tool-1"]
    content = (repository.folder / candidate.uri).read_bytes()
    assert candidate.digest == PackageDigest(hashlib.sha256(content).hexdigest())


def test_reading_an_index_again_changes_nothing(tmp_path: Path) -> None:
    from moss.indexing import index

    folder = tmp_path / "packages"
    write_package(folder, metadata("tool", "1"), {"bin/tool": "x"})
    index(str(folder))
    with open_to_change(str(tmp_path / "root"), command="moss repo add") as system:
        assert add_repository(system, "main", str(folder / "stone.index"), unsigned=True).package_count == 1
        (refresh,) = update_repositories(system)
        assert not refresh.changed
