"""The way back that needs no moss: from outside with any shell, and on a system whose Python is gone."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import pytest

from moss.db import journal
from moss.operations.activate import propose_activation
from moss.operations.doctor import diagnose
from moss.operations.queries import summaries
from moss.operations.system import open_to_read
from moss.operations.verify import verify
from moss.reporter import Silence
from moss.root import GenerationId
from tests.builders import Content, File, Link, metadata, write_package
from tests.conftest import PROJECT
from tests.processes import needs_namespaces
from tests.transactions import Repository, changing, check_invariants, make, rollback

SHELLS = {"sh": ("sh",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}
"""What a rescue disk or an initramfs has."""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "packages")
    for number in range(1, 4):
        made.publish(f"tool-{number}", metadata("tool", str(number)), {"share/tool": f"{number}"})
    return made


@pytest.fixture
def root(tmp_path: Path, repository: Repository) -> Path:
    for number in range(1, 4):
        make(tmp_path / "root", repository, f"tool-{number}")
    return tmp_path / "root"


def rescue(root: Path, *words: str, shell: str = "sh", **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [*SHELLS[shell], str(root / ".moss/rescue"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.parametrize("shell", [name for name, (program, *_) in SHELLS.items() if shutil.which(program)])
def test_any_shell_goes_to_another_generation_and_moss_follows(
    root: Path, repository: Repository, shell: str
) -> None:
    listed = rescue(root, shell=shell).stdout.splitlines()
    assert listed == ["live: 3", "can be gone to: 1", "can be gone to: 2"]
    went = rescue(root, "1", shell=shell)
    assert (went.returncode, went.stderr) == (0, "")
    assert (root / "usr/share/tool").read_text() == "1"
    with changing(root, repository) as system:
        assert system.active == 1
        assert journal.entries(system.record)[-1].from_generation == 3
    assert check_invariants(root) == 1
    assert rollback(root, repository).generation == 3
    assert check_invariants(root) == 3


def test_until_moss_follows_who_only_looks_finds_every_generation(root: Path) -> None:
    assert rescue(root, "1").returncode == 0
    with open_to_read(str(root)) as system:
        assert [(one.generation.id, one.active, one.has_tree) for one in summaries(system)] == [
            (1, True, True), (2, False, True), (3, False, True),
        ]  # fmt: skip
        assert verify(system).is_clean
        assert propose_activation(system, GenerationId(3)).target.id == 3
    assert not [one for one in diagnose(str(root), Silence()) if one.area == "trees"]


def test_it_can_be_done_again_and_again_without_moss_in_between(root: Path, repository: Repository) -> None:
    for number in ("1", "2", "3", "1", "1"):
        assert rescue(root, number).returncode == 0
        assert (root / "usr/.stateID").read_text() == f"{number}\n"
    with changing(root, repository):
        pass
    assert check_invariants(root) == 1


def test_a_cut_between_the_two_renames_is_mended_by_running_it_again(root: Path, repository: Repository) -> None:
    (root / ".moss/root/rescue-1").mkdir()
    (root / "usr").rename(root / ".moss/root/rescue-1/usr")
    assert "live: nothing" in rescue(root).stdout
    assert rescue(root, "2").returncode == 0
    with changing(root, repository):
        pass
    assert check_invariants(root) == 2


def test_or_by_going_back_to_where_it_began(root: Path, repository: Repository) -> None:
    (root / ".moss/root/rescue-1").mkdir()
    (root / "usr").rename(root / ".moss/root/rescue-1/usr")
    assert rescue(root, "3").returncode == 0
    with changing(root, repository):
        pass
    assert check_invariants(root) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [(("9",), "no tree of generation 9"), (("x",), "no generation's number"), (("1", "2"), "usage"), (("",), "number")],
)
def test_what_it_cannot_do_it_says_and_changes_nothing(root: Path, words: tuple[str, ...], said: str) -> None:
    refused = rescue(root, *words)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert check_invariants(root) == 3


def test_a_copy_elsewhere_touches_nothing(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / ".moss/rescue", tmp_path / "rescue")
    refused = subprocess.run(["sh", str(tmp_path / "rescue"), "1"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "run the file where moss keeps it" in refused.stderr


@needs_namespaces
def test_a_usr_that_cannot_be_moved_stays(root: Path) -> None:
    script = 'mount --bind "$1/usr" "$1/usr"; sh "$1/.moss/rescue" 1'
    refused = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(root)], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "is something mounted on it?" in refused.stderr
    assert (root / "usr/.stateID").read_text() == "3\n"
    with changing(root, Repository(root.parent / "packages")):
        pass
    assert check_invariants(root) == 3


def test_an_older_script_is_replaced_and_the_current_one_left_alone(root: Path, repository: Repository) -> None:
    script = root / ".moss/rescue"
    assert script.stat().st_mode & 0o777 == 0o700
    current, inode = script.read_bytes(), script.stat().st_ino
    with changing(root, repository):
        pass
    assert script.stat().st_ino == inode
    script.write_bytes(b"older")
    with changing(root, repository):
        pass
    assert script.read_bytes() == current


# A system that has its own Python and its own moss, and loses both.

TOOLS = ("dash", "mv", "mkdir", "sync", "cat")
PYTHON_LEFT_OUT = {"test", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo", "site-packages", "__pycache__"}
SITE_LEFT_OUT = re.compile(r"(mypy|ruff|pytest|_pytest|pip|setuptools|ckdl|elftools|rpds|__pycache__|_editable|librt)")


def libraries_of(programs: Iterable[str]) -> dict[str, Content]:
    """The loader and the shared libraries of programs, where a merged /usr has them."""
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    files: dict[str, Content] = {}
    for found in set(re.findall(r"(?:=> |^\t)(/\S+)", said, re.MULTILINE)):
        if found.startswith(("/lib", "/usr/lib")):
            files[found.lstrip("/").removeprefix("usr/")] = File(Path(found).read_bytes(), 0o755)
        elif ".so" in Path(found).name and "site-packages" not in found:
            files[f"lib/{Path(found).name}"] = File(Path(found).read_bytes(), 0o755)
    return files


def tree_of(top: Path, place: str, left_out: "set[str] | re.Pattern[str]") -> dict[str, Content]:
    files: dict[str, Content] = {}
    for path in sorted(top.rglob("*")):
        parts = path.relative_to(top).parts
        gone = any(part in left_out for part in parts) if isinstance(left_out, set) else left_out.match(parts[0])
        if path.is_file() and not gone and "__pycache__" not in parts and path.suffix != ".a":
            files[f"{place}/{'/'.join(parts)}"] = File(path.read_bytes(), 0o755 if path.suffix == ".so" else 0o644)
    return files


@pytest.fixture(scope="module")
def own_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository: a small system of the host's own programs, and a Python with moss."""
    folder = tmp_path_factory.mktemp("own-python")
    programs = [os.path.realpath(shutil.which(name) or name) for name in TOOLS]
    base: dict[str, Content] = {
        f"bin/{name}": File(Path(path).read_bytes(), 0o755) for name, path in zip(TOOLS, programs, strict=True)
    }
    base |= libraries_of(programs) | {"bin/sh": Link("dash")}
    write_package(folder, metadata("base"), base)
    version = f"python3.{sys.version_info[1]}"
    interpreter = os.path.realpath(sys.executable)
    library, site = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    place = f"lib/{version}"
    files = tree_of(library, place, PYTHON_LEFT_OUT) | tree_of(site, f"{place}/site-packages", SITE_LEFT_OUT)
    for package in ("moss", "solver"):
        files |= tree_of(PROJECT / package, f"{place}/site-packages/{package}", set())
    files |= tree_of(PROJECT / "schema", f"{place}/site-packages/schema", set())
    compiled = (*library.glob("lib-dynload/*.so"), *site.glob("*.so"), *site.glob("*/*.so"))
    native = [interpreter, *map(str, compiled)]
    files |= {path: what for path, what in libraries_of(native).items() if path not in base}
    files |= {f"bin/{version}": File(Path(interpreter).read_bytes(), 0o755), "bin/python3": Link(version)}
    write_package(folder, metadata("python"), files)
    moss("index", str(folder))
    return folder


def moss(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "moss", *words], check=True, cwd=PROJECT, capture_output=True)


def inside(root: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a program of the root in it."""
    script = 'mount -t proc proc "$1/proc"; mount -t sysfs sysfs "$1/sys"; exec chroot "$@"'
    clean = ["env", "-i", "PATH=/usr/bin:/usr/sbin", "HOME=/", "PYTHONDONTWRITEBYTECODE=1"]
    words = [*clean, "unshare", "-m", "sh", "-c", script, "sh", str(root), *command]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.slow
@needs_namespaces
def test_a_system_that_loses_its_python_finds_back(own_python: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    outside = ("-D", str(root))
    moss(*outside, "repo", "add", "main", str(own_python / "stone.index"), "--unsigned")
    moss(*outside, "install", "-y", "base", "python")

    def live() -> str:
        return (root / "usr/.stateID").read_text().strip()

    # moss removes the Python that it runs on, and ends well.
    removing = inside(root, "python3", "-m", "moss", "remove", "-y", "python")
    assert (removing.returncode, removing.stderr) == (0, "")
    assert "Generation 2 is active" in removing.stdout
    assert not (root / "usr/bin/python3").exists()
    assert inside(root, "python3", "-m", "moss", "rollback", "-y").returncode == 127
    # From outside, with a moss that is installed elsewhere.
    moss(*outside, "rollback", "-y")
    assert live() == "1"
    assert inside(root, "python3", "-m", "moss", "state", "list").returncode == 0
    moss(*outside, "rollback", "-y")
    assert (live(), check_invariants(root)) == ("2", 2)
    # From inside, by the generation's own Python: in one step.
    assert inside(root, "sh", "/.moss/rescue").stdout == "live: 2\ncan be gone to: 1\n"
    back = inside(root, "sh", "/.moss/rescue", "1")
    assert (back.returncode, back.stderr, live()) == (0, "", "1")
    assert list((root / ".moss/root").glob("rescue-*")) == []
    followed = inside(root, "python3", "-m", "moss", "repo", "remove", "none")
    assert "the record follows" in followed.stderr
    assert check_invariants(root) == 1
    # From inside, where no generation has a Python: by the generation's own mv.
    moss(*outside, "rollback", "-y")
    moss(*outside, "install", "-y", "--at-boot", "base")
    (root / ".moss/root/1/usr/bin/python3").unlink()
    back = inside(root, "sh", "/.moss/rescue", "1")
    assert (back.returncode, back.stderr, live()) == (0, "", "1")
    assert len(list((root / ".moss/root").glob("rescue-*"))) == 1
