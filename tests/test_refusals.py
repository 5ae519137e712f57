"""What moss refuses: each time a clear error with its exit code, and the system as it was."""

import gc
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.errors import MossError
from moss.indexing import index
from moss.model import SystemModel
from moss.operations.commit import OWNERS_NOT_APPLIED, commit
from moss.operations.propose import propose
from moss.operations.queries import installed
from moss.operations.refreshing import update_repositories
from moss.operations.repositories import add_repository
from moss.operations.system import open_to_change, open_to_read
from moss.operations.verbs import install_request
from tests.builders import Content, metadata, snapshot, write_package
from tests.filesystems import open_to_all

PROJECT = Path(__file__).resolve().parents[1]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    write_package(folder, metadata("tool", "1"), {"bin/tool": "one"})
    index(str(folder))
    return folder


@pytest.fixture
def root(tmp_path: Path, packages: Path) -> Path:
    place = tmp_path / "root"
    with open_to_change(str(place), command="moss repo add") as system:
        add_repository(system, "main", str(packages / "stone.index"), unsigned=True)
    return place


def install(root: Path, *names: str) -> tuple[str, ...]:
    with open_to_change(str(root), command="moss install") as system:
        model = SystemModel()
        return commit(system, propose(system, install_request(model, names))).warnings


def state(root: Path) -> dict[str, object]:
    return snapshot(root, without=[".moss/db"])


def stored(root: Path) -> dict[str, object]:
    """Everything, but for the shared memory that SQLite's readers and writers meet in."""
    everything = snapshot(root)
    return {path: found for path, found in everything.items() if not path.endswith(("-shm", "-wal"))}


def names(root: Path) -> list[str]:
    with open_to_read(str(root)) as system:
        return [selected.metadata.label for selected in installed(system)]


def test_a_second_moss_is_told_who_is_at_work(root: Path) -> None:
    code = (
        "import sys; from moss.operations.system import open_to_change\n"
        f"with open_to_change({str(root)!r}, command='moss update --long'):\n"
        "    print('ready', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "ready\n"
    try:
        with pytest.raises(MossError) as caught, open_to_change(str(root), command="moss install"):
            pass
    finally:
        other.communicate("")
    assert caught.value.exit_code == 8
    assert str(other.pid) in caught.value.message
    assert "moss update --long" in caught.value.message
    install(root, "tool")  # the lock went with its holder
    assert names(root) == ["tool 1-1"]


def test_readers_need_no_lock_and_see_the_old_state_until_the_new_one_is_whole(root: Path) -> None:
    install(root, "tool")
    with open_to_change(str(root), command="moss slow") as writer, writer.record.transaction():
        writer.record.connection.execute("DELETE FROM selection")
        assert names(root) == ["tool 1-1"]
        writer.record.connection.execute("INSERT INTO selection VALUES (1, 1, '{}')")


def test_a_reader_writes_nothing(root: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert names(empty) == []
    assert list(empty.iterdir()) == []
    install(root, "tool")
    before = stored(root)
    assert names(root) == ["tool 1-1"]
    assert stored(root) == before


def test_a_system_of_somebody_elses_is_refused_before_a_file_is_written(tmp_path: Path, packages: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "usr/bin").mkdir(parents=True)
    (theirs / "usr/bin/theirs").write_text("x")
    before = snapshot(theirs)
    with pytest.raises(MossError, match="moss did not make"), open_to_change(str(theirs), command="moss repo add"):
        pass
    assert snapshot(theirs) == before


def test_a_repository_whose_cache_is_gone_is_named_with_what_mends_it(root: Path) -> None:
    for name in ("repositories.db", "repositories.db-wal", "repositories.db-shm"):
        (root / ".moss/db" / name).unlink(missing_ok=True)
    with pytest.raises(MossError, match="no package tool") as caught:
        install(root, "tool")
    assert "moss repo update" in caught.value.remedies
    with open_to_change(str(root), command="moss repo update") as system:
        update_repositories(system)
    install(root, "tool")
    assert names(root) == ["tool 1-1"]


def test_a_repository_that_is_not_there_is_not_added(root: Path, tmp_path: Path) -> None:
    with open_to_change(str(root), command="moss repo add") as system:
        with pytest.raises(MossError, match="is not there") as caught:
            add_repository(system, "gone", str(tmp_path / "nowhere/stone.index"), unsigned=True)
        assert caught.value.exit_code == 3
        assert [refresh.repository for refresh in update_repositories(system)] == ["main"]


def test_an_index_of_a_future_version_is_refused_and_the_old_one_serves(root: Path, packages: Path) -> None:
    content = bytearray((packages / "stone.index").read_bytes())
    content[28:32] = struct.pack(">I", 2)
    (packages / "stone.index").write_bytes(content)
    with open_to_change(str(root), command="moss update") as system:
        with pytest.raises(MossError, match="version is 2") as caught:
            update_repositories(system)
        assert caught.value.exit_code == 11
    install(root, "tool")
    assert names(root) == ["tool 1-1"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "a stone", "text"])
def test_an_index_that_is_none_is_refused(root: Path, packages: Path, damage: str) -> None:
    path = packages / "stone.index"
    content = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(content[:-3])
        case "flipped":
            path.write_bytes(content[:70] + bytes([content[70] ^ 4]) + content[71:])
        case "a stone":
            path.write_bytes((packages / "tool-1-1-1-x86_64.stone").read_bytes())
        case "text":
            path.write_text("hello")
    with open_to_change(str(root), command="moss update") as system:
        with pytest.raises(MossError) as caught:
            update_repositories(system)
        assert caught.value.exit_code == 7
        assert "stone.index" in caught.value.message


def test_an_index_that_names_a_place_outside_is_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    from moss.stone.repository_index import read_index, write_index_file

    folder = tmp_path / "packages"
    write_package(folder, metadata("tool", "1"), {"bin/tool": "one"})
    index(str(folder))
    (entry,) = read_index(str(folder / "stone.index"))
    for uri in ("https://elsewhere.example/tool.stone", "//elsewhere/tool.stone"):
        write_index_file(str(folder / "stone.index"), [replace(entry, uri=uri)])
        place = tmp_path / f"root-{len(uri)}"
        with open_to_change(str(place), command="moss repo add") as system:
            with pytest.raises(MossError) as caught:
                add_repository(system, "main", str(folder / "stone.index"), unsigned=True)
                commit(system, propose(system, install_request(SystemModel(), ["tool"])))
            assert caught.value.exit_code == 7
        assert not (place / "usr").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place]
    mounted = subprocess.run(command, check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield place
    gc.collect()  # a universe that the error's frames still hold is mapped from there
    subprocess.run(["umount", place], check=True)


@as_root
def test_too_little_space_is_told_before_anything_is_written(small_disk: Path, packages: Path) -> None:
    big: dict[str, Content] = {f"share/{number}": os.urandom(1 << 20) for number in range(6)}
    write_package(packages, metadata("big", "1"), big)
    index(str(packages))
    with open_to_change(str(small_disk), command="moss repo add") as system:
        add_repository(system, "main", str(packages / "stone.index"), unsigned=True)
    install(small_disk, "tool")
    before = state(small_disk)
    with pytest.raises(MossError) as caught:
        install(small_disk, "tool", "big")
    assert caught.value.exit_code == 9
    assert state(small_disk) == before
    assert names(small_disk) == ["tool 1-1"]


@as_root
def test_an_ordinary_user_has_a_system_of_their_own_and_is_told_of_owners_once(tmp_path: Path, packages: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n"
        "import ctypes, pycard, pysolvers, moss.lock, moss.recover\n"
        "from tests.test_refusals import *\n"
        "from moss.operations.repositories import add_repository\n"
        "os.setgid(65534); os.setuid(65534)\n"
        f"place = Path({str(tmp_path / 'theirs' / 'root')!r})\n"
        "with open_to_change(str(place), command='moss repo add') as system:\n"
        f"    add_repository(system, 'main', {str(packages / 'stone.index')!r}, unsigned=True)\n"
        "print(install(place, 'tool'))\n"
        "print(install(place))\n"
    )
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    open_to_all(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str((OWNERS_NOT_APPLIED,)), "()"]
    assert (theirs / "root/usr").stat().st_uid == 65534


@as_root
def test_a_root_that_another_owns_is_refused_in_words(root: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n"
        "from moss.operations.system import open_to_change, open_to_read\n"
        "from moss.errors import MossError\n"
        "import moss.lock, moss.recover, moss.store, moss.switch, os; os.setgid(65534); os.setuid(65534)\n"
        "for opener in (lambda d: open_to_change(d, command='moss x'), open_to_read):\n"
        "    try:\n"
        f"        with opener({str(root)!r}): print('opened')\n"
        "    except MossError as error: print(error.exit_code, error.remedies)\n"
    )
    open_to_all(root)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line[:2] for line in done.stdout.splitlines()] == ["10", "10"]
    assert done.stdout.count("moss -D DIRECTORY") == 2


class _NothingToImport:
    """As if the Python that runs had gone from /usr with the exchange."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        raise AssertionError(f"{name} is imported after the exchange")


def test_nothing_is_imported_after_the_exchange(root: Path, packages: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n"
        "import os\n"
        "from moss.observed_effects import ObservedEffects\n"
        "from tests.test_refusals import _NothingToImport\n"
        "class Effects(ObservedEffects):\n"
        "    def observe(self, moment, kind, target):\n"
        "        if (moment, kind) == ('after', 'exchange') or 'root/spare/usr -> ' in target:\n"
        "            sys.meta_path.insert(0, _NothingToImport())\n"
        "            for name in [n for n in sys.path_importer_cache]: del sys.path_importer_cache[name]\n"
        "import moss.effects, moss.operations.system as opening\n"
        "opening.default_effects = lambda: Effects(apply_owners=os.geteuid() == 0)\n"
        "from moss.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    for words in (["install", "-y", "tool"], ["install", "-y", "other"], ["rollback", "-y"]):
        if words[-2:] == ["-y", "other"]:
            write_package(packages, metadata("other", "1"), {"bin/other": "other"})
            index(str(packages))
            with open_to_change(str(root), command="moss repo update") as system:
                update_repositories(system)
        command = [sys.executable, "-c", code, "-D", str(root), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert names(root) == ["tool 1-1"]


def test_a_plan_tells_what_the_files_will_take_and_not_what_the_stones_do(tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    write_package(folder, metadata("big", "1"), {"share/big": b"0" * 3_000_000, "share/again": b"0" * 3_000_000})
    index(str(folder))
    with open_to_change(str(tmp_path / "root"), command="moss install") as system:
        add_repository(system, "main", str(folder / "stone.index"), unsigned=True)
        space = propose(system, install_request(SystemModel(), ["big"])).space
    assert space.download < 10_000
    assert space.store == 3_000_000


@pytest.mark.parametrize(("hard", "code"), [(4096, 0), (96, 1)])
def test_more_packages_than_files_may_be_open_are_installed_or_told(tmp_path: Path, hard: int, code: int) -> None:
    folder, root = tmp_path / "packages", tmp_path / "root"
    wanted = [f"tool{number}" for number in range(90)]
    for name in wanted:
        write_package(folder, metadata(name), {f"bin/{name}": name})
    index(str(folder))
    with open_to_change(str(root), command="moss repo add") as system:
        add_repository(system, "main", str(folder / "stone.index"), unsigned=True)
    done = subprocess.run(
        [sys.executable, "-m", "moss", "-D", root, "install", "-y", *wanted],
        cwd=PROJECT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)),
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    if code == 0:
        assert len(os.listdir(root / "usr/bin")) == 90
    else:
        assert "a process may have 96 files open here" in " ".join(done.stderr.split())
        assert not (root / "usr").exists() or not os.listdir(root / "usr")
