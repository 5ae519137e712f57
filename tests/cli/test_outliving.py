"""A moss that is running survives the exchange of /usr: from then on it loads nothing of Python's or of its own.

The Python and the moss that run may lie in the /usr that was exchanged away, and the new one may have none.
"""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import Content, metadata, write_package
from tests.conftest import PROJECT

CHILD = """
import os, sys
from moss.effects import Effects

ours = tuple({sys.prefix, sys.base_prefix, sys.argv[1]})
exchanged, late = [], []


def watch(event, arguments):
    if not exchanged:
        return
    if event == "import":
        late.append(f"import {arguments[0]}")
    elif event in ("open", "os.listdir", "os.scandir", "ctypes.dlopen") and str(arguments[0]).startswith(ours):
        late.append(f"{event} {arguments[0]}")


def exchange(self, *names, **options):
    real(self, *names, **options)
    exchanged.append(True)


real, Effects.exchange = Effects.exchange, exchange
fault, answer, words = sys.argv[2], os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT), sys.argv[4:]
if fault == "a failing disk":
    import errno
    from moss import recover

    def settle_archives(*arguments):
        if exchanged:
            raise OSError(errno.EIO, os.strerror(errno.EIO), "/usr/ärger")
        return settle(*arguments)

    settle, recover.settle_archives = recover.settle_archives, settle_archives
elif fault in ("Ctrl-C in upkeep", "a fault in upkeep"):
    from moss.errors import MossError
    from moss.operations import upkeep

    def keep_house(*arguments, **options):
        raise KeyboardInterrupt if fault == "Ctrl-C in upkeep" else MossError("it is älter", remedies=["wait"])

    upkeep.keep_house = keep_house
elif fault == "a closed output":
    os.close(1)

from moss.cli.main import main

sys.addaudithook(watch)
code = main(words)
assert exchanged, "nothing was exchanged"
os.write(answer, repr((code, late)).encode())
os._exit(0)
"""

OPTIONS = {
    "text": (),
    "json": ("--json",),
    "verbose": ("-v",),
    "quiet": ("-q",),
    "colour": ("--color=always",),
}


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy, to do with as one likes."""
    shutil.copytree(made, tmp_path / "root", symlinks=True)
    return tmp_path / "root"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generations, and a third on offer; packages with everything that a switch has to look after."""
    place = tmp_path_factory.mktemp("outliving")
    packages, root = place / "packages", place / "root"
    index = str(packages / "stone.index")
    for version in ("1", "2"):
        files: dict[str, Content] = {
            "bin/tool": version,
            "share/factory/etc/tool.conf": f"version {version}\n",
            "lib/tmpfiles.d/tool.conf": "C /etc/tool.conf - - - -\nd /var/lib/tööl 0750 - - -\n",
            "lib/sysusers.d/tool.conf": f'u tool{version} - "A tool"\n',
            "lib/os-release": 'ID=testos\nPRETTY_NAME="Test OS"\n',
            f"lib/modules/6.{version}/vmlinuz": f"kernel {version}",
        }
        write_package(packages, metadata("tool", version), files)
        moss("index", str(packages))
        if version == "1":
            moss("-D", str(root), "repo", "add", "main", index, "--unsigned")
            moss("-D", str(root), "install", "tool", "-y")
            write_package(packages, metadata("other"), {"bin/other": "other"})
            moss("index", str(packages))
            moss("-D", str(root), "repo", "update")
            moss("-D", str(root), "install", "other", "-y")
            (root / "etc/tool.conf").write_text("mine\n")
            (root / "usr/share/fremd-ü").write_text("foreign\n")
    return root


def moss(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "moss", *words], check=True, cwd=PROJECT, stdout=subprocess.DEVNULL)


def loaded_late(root: Path, fault: str, *words: str) -> tuple[int, list[str]]:
    """How a command ends, and what it loaded after the exchange."""
    answer = root.parent / "answer"
    child = [sys.executable, "-c", CHILD, str(PROJECT), fault, str(answer), "-D", str(root), *words]
    run = subprocess.run(child, cwd=PROJECT, capture_output=True, check=False)
    assert answer.exists(), (run.stdout + run.stderr).decode()
    code, late = ast.literal_eval(answer.read_text())
    answer.unlink()
    return code, late


@pytest.mark.parametrize("options", OPTIONS)
def test_nothing_is_loaded_after_the_exchange(root: Path, options: str) -> None:
    for words in (("update", "-y"), ("rollback", "-y"), ("state", "activate", "1", "-y")):
        assert loaded_late(root, "", *words, *OPTIONS[options]) == (0, []), words


@pytest.mark.parametrize("options", ["text", "json"])
def test_nor_where_there_is_a_boot_menu(root: Path, tmp_path: Path, options: str) -> None:
    (tmp_path / "esp").mkdir()
    moss("-D", str(root), "boot", "sync", "--esp", str(tmp_path / "esp"), "-y")
    for words in (("update", "-y"), ("rollback", "-y"), ("state", "activate", "1", "-y")):
        assert loaded_late(root, "", *words, *OPTIONS[options]) == (0, []), words
    assert len(list((tmp_path / "esp/loader/entries").iterdir())) == 3


@pytest.mark.parametrize(
    ("fault", "code"),
    [("a failing disk", 7), ("Ctrl-C in upkeep", 0), ("a fault in upkeep", 0), ("a closed output", 1)],
)
@pytest.mark.parametrize("options", ["quiet", "json"])
def test_nor_where_something_goes_wrong_after_it(root: Path, fault: str, code: int, options: str) -> None:
    assert loaded_late(root, fault, "update", "-y", *OPTIONS[options]) == (code, [])


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("words", [("update", "-y"), ("rollback", "-y", "--json")])
def test_the_kernel_sees_no_access_to_python_or_moss_after_the_exchange(root: Path, words: tuple[str, ...]) -> None:
    trace = root.parent / "trace"
    program = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from moss.cli.main import run; run()"
    command = ["strace", "-f", "-o", str(trace), "-e", "trace=file", sys.executable, "-c", program]
    subprocess.run([*command, "-D", str(root), *words], check=True, capture_output=True, cwd=root.parent)
    _, exchange, after = trace.read_text().partition("RENAME_EXCHANGE")
    assert exchange
    places = "|".join(re.escape(place) for place in {sys.prefix, sys.base_prefix, str(PROJECT), "/usr/lib", "/lib"})
    assert [line for line in after.splitlines() if re.search(rf'"(?:{places})/', line)] == []
