"""A command imports what it needs and nothing else; once /usr was exchanged, nothing at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Place
from tests.cli.terminals import environment
from tests.debian.indexes import Packaged, write_index

# What takes long to import, and who may.
HEAVY = (
    "rich",
    "pydantic",
    "pysat",
    "pysolvers",
    "elftools",
    "markdown_it",
    "pygments",
    "email",
    "http",
    "asyncio",
    "typer",  # a plain command line is read without it
)
FOR_CHANGES = {
    *("moss.operations.commit", "moss.operations.upkeep", "moss.recover", "moss.local", "moss.stone.reader"),
    *("moss.store", "zstandard", "ctypes", "lz4", "shutil", "subprocess", "tempfile", "hashlib"),
    *("dataclasses", "inspect"),
}
"""What only a change needs: whoever looks does without it."""
UNUSUAL = {"solver.conflict", "moss.operations.reasons", "moss.debian.paragraph", "shlex"}
"""What a plan needs that cannot be met, that removes something, or of which something is to be typed."""

_RUN = """
import sys
from moss.cli.main import main
code = main(sys.argv[1:])
sys.stdout.flush()
print("\\n".join(sorted(sys.modules)), file=sys.stderr)
raise SystemExit(code)
"""

_AFTER = """
import sys
import moss.switch

exchanged = []
late = []

def watch(event, arguments):
    if event == "import" and exchanged:
        late.append(arguments[0])

sys.addaudithook(watch)
from moss.operations import activate, commit

for module in (activate, commit):
    real = module.exchange
    def exchange(*arguments, real=real, **named):
        result = real(*arguments, **named)
        exchanged.append(True)
        return result
    module.exchange = exchange

from moss.cli.main import main
code = main(sys.argv[1:])
exchange_was_seen = bool(exchanged)
exchanged.clear()
assert exchange_was_seen, "nothing was exchanged"
assert not late, f"imported after the exchange of /usr: {late}"
raise SystemExit(code)
"""


def modules_of(*arguments: str) -> set[str]:
    process = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments], env=environment(), capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return set(process.stderr.split("\n"))


def heavy(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] in HEAVY}


def test_the_version_needs_next_to_nothing() -> None:
    modules = modules_of("--version")
    assert heavy(modules) == set()
    assert not modules & {"typer", "json", "dataclasses", "moss.cli.session", "moss.cli.verbs", "apsw"}


def test_help_needs_the_table_only() -> None:
    modules = modules_of("--help")
    assert heavy(modules) == set()
    assert not modules & {"typer", "apsw", "solver.model", "dataclasses", "moss.cli.command", "moss.operations"}


@pytest.mark.parametrize("line", ["state list", "list installed", "history", "repo list"])
def test_looking_needs_neither_solver_nor_the_making_of_stones(line: str, read_only_place: Place) -> None:
    modules = modules_of("-D", str(read_only_place.root), *line.split())
    assert heavy(modules) == set()
    assert not modules & FOR_CHANGES
    assert not {name for name in modules if name.startswith(("moss.foreign", "moss.scan"))}
    groups = ("changes", "states", "listing", "repositories", "inspection", "making", "tour", "activation")
    assert len({f"moss.cli.{name}" for name in groups} & modules) == 1


def test_a_dry_run_needs_nothing_that_makes_a_generation(read_only_place: Place) -> None:
    modules = modules_of("-D", str(read_only_place.root), "install", "greeting", "--dry-run")
    assert heavy(modules) == {"pysolvers"}
    assert not modules & FOR_CHANGES
    assert not modules & {"pathlib", "urllib.parse", "difflib", "platform", "moss.operations.conflicts", *UNUSUAL}


def test_planning_for_another_machine_reads_its_facts_and_nothing_else(read_only_place: Place, tmp_path: Path) -> None:
    facts = tmp_path / "other.facts"
    root = ("-D", str(read_only_place.root))
    modules_of(*root, "facts", "-o", str(facts))
    line = (*root, "install", "greeting", "--dry-run")
    more = modules_of(*line, "--facts", str(facts)) - modules_of(*line)
    assert more == {"moss.cli.files", "moss.facts_file"}


def test_a_plan_from_lists_that_apt_verified_asks_nothing_of_a_release(place: Place, tmp_path: Path) -> None:
    packaged = Packaged("packaged")
    index = write_index(tmp_path / "mirror", packaged.paragraph(), ending="")
    (tmp_path / "lists").mkdir()
    index.rename(tmp_path / "lists/host.example_debian_dists_stable_main_binary-amd64_Packages")
    root = ("-D", str(place.root))
    modules_of(*root, "repo", "add", "debian", f"apt+file:{tmp_path}/lists")
    modules = modules_of(*root, "install", "packaged", "--dry-run")
    assert not modules & {"moss.operations.apt_expiry", "moss.debian.release", "urllib.parse"}


def test_going_back_needs_no_solver(place: Place) -> None:
    root = ("-D", str(place.root))
    modules_of(*root, "update", "-y")
    modules = modules_of(*root, "rollback", "-y")
    assert heavy(modules) == set()
    assert not {name for name in modules if name.startswith(("moss.foreign", "moss.scan"))}
    assert not modules & {"moss.cli.changes", "dataclasses", "inspect"}


def test_inspecting_needs_no_database(read_only_place: Place) -> None:
    modules = modules_of("inspect", str(next(read_only_place.repository.glob("hello-1.0*"))))
    assert heavy(modules) == set()
    assert not modules & {"apsw", "moss.db", "moss.operations.system", "moss.operations.commit"}


@pytest.mark.parametrize(
    "line", ["update -y", "install -y greeting --json", "rollback -y -v", "rollback -y --json"]
)
def test_nothing_is_imported_once_usr_was_exchanged(line: str, place: Place) -> None:
    root = ["-D", str(place.root)]
    if line.startswith("rollback"):
        modules_of(*root, "update", "-y")
    process = subprocess.run(
        [sys.executable, "-c", _AFTER, *root, *line.split()],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
