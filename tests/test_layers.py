"""The house keeps its shape: imports point down, and each third-party package has one owner."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]

LAYERS = (
    # From the roof down. A module may import from its own row's folder and from rows below it.
    ("moss.__main__",),
    ("moss.cli",),
    ("moss.operations",),
    ("moss.foreign",),
    ("moss.recover",),
    ("moss.tuf",),
    ("moss.bundle", "moss.image"),
    ("moss.packing", "moss.said_relations", "moss.indexing", "moss.problem", "moss.unpack", "moss.recycle"),
    ("moss.definition_files",),
    ("moss.boot", "moss.triggers"),
    ("moss.materialise", "moss.audit", "moss.examine"),
    ("moss.declared",),
    ("moss.difference", "moss.whole", "moss.discard", "moss.arriving", "moss.left_behind"),
    ("moss.switch", "moss.offers", "moss.scan", "moss.local", "moss.busy", "moss.model_file"),
    ("moss.mounts",),
    ("moss.store",),
    ("moss.db", "moss.stone", "moss.fetch", "moss.lock", "moss.observed_effects"),
    ("moss.effects", "moss.at_once", "moss.beside", "moss.resources", "moss.seal", "moss.machine"),
    ("moss.survey",),
    ("moss.plan", "moss.merge", "moss.reporter"),
    ("moss.generation", "moss.model_text", "moss.description"),
    ("moss.repository", "moss.model", "moss.root"),
    ("moss.definitions", "moss.in_force", "moss.facts_file"),
    ("moss.subscription", "moss.facts", "moss.path_filter", "moss.cpu_level", "moss.virtualisation"),
    ("moss.debian", "moss.versioned", "moss.relation_texts"),
    ("moss.package", "moss.layout"),
    ("moss.capability", "moss.digest", "moss.xattrs", "moss.architecture", "moss.trust"),
    ("moss.errors", "moss.kdl"),
    ("solver",),
)

OWNERS = {
    "pysat": "solver.sat",
    "pysolvers": "solver.sat",
    "pycard": "solver.sat",
    "apsw": "moss.db",
    "zstandard": "moss.stone",
    "xxhash": "moss.digest",
    "lz4": "moss.foreign",
    "urllib3": "moss.fetch",
    "cryptography": "moss.trust",
    "tuf": "moss.tuf",
    "securesystemslib": "moss.tuf",
    "typer": "moss.cli",
    "click": "moss.cli",
    "rich": "moss.cli",
    "elftools": "moss.scan",
    "yaml": "moss.triggers",
}

PURE = (
    *("solver", "moss.merge", "moss.plan", "moss.layout", "moss.model", "moss.capability", "moss.package", "moss.kdl"),
    "moss.relation_texts",
    *("moss.subscription", "moss.definitions", "moss.in_force", "moss.facts", "moss.facts_file"),
    *("moss.path_filter", "moss.survey", "moss.description"),
    *("moss.cpu_level", "moss.virtualisation"),
    *("moss.model_text", "moss.boot.entry", "moss.boot.plan", "moss.boot.commandline"),
    *(f"moss.triggers.{name}" for name in ("values", "pattern", "order", "work", "reading", "from_kdl", "from_yaml")),
)
WORLD = {"os", "io", "pathlib", "time", "datetime", "socket", "subprocess", "shutil", "tempfile", "urllib"}
WRITING = {
    *(f"os.{name}" for name in ("rename", "replace", "link", "symlink", "mkdir", "makedirs", "unlink", "remove")),
    *(f"os.{name}" for name in ("rmdir", "chmod", "chown", "lchown", "truncate", "ftruncate", "mknod", "mkfifo")),
    *(f"os.{name}" for name in ("setxattr", "write", "pwrite", "sendfile", "copy_file_range", "utime")),
    *(f"shutil.{name}" for name in ("copytree", "copyfile", "copy", "copy2", "move", "rmtree", "copyfileobj")),
}
WRITES_ELSEWHERE = {
    "moss.effects": "the owner",
    "solver.__main__": "the answer that somebody asked for",
    "moss.beside": "a pipe to another process of its own",
    "moss.lock": "who holds a lock, which nobody needs after a power cut",
    "moss.tuf.client": "a scratch folder that python-tuf works in; what is kept goes through effects",
    "moss.foreign.openpgp": "a scratch folder for gpgv",
    "moss.foreign.convert": "a stone that somebody asked for, or that goes with the transaction",
    "moss.operations.converting": "stones that go with the transaction",
    "moss.operations.near_sources": "stones that go with the transaction",
    "moss.triggers": "sandboxes, which go with the trigger",
    "moss.stone": "files that somebody asked for, and scratch",
    "moss.packing": "files that somebody asked for",
    "moss.image": "files that somebody asked for",
    "moss.operations.imaging": "files that somebody asked for",
    "moss.operations.extract": "files that somebody asked for",
    "moss.operations.booting": "files that somebody asked for: an initrd's hooks",
    "moss.db.connection": "what SQLite leaves beside a database",
    "moss.cli": "files that somebody asked for, and the tour's scratch folder",
}
"""Who changes a file system without moss.effects, and why that is no part of a system's state."""
EDGES = {"solver.__main__"}
"""Where a pure package meets files: its command line."""


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    paths = [path for package in ("moss", "solver") for path in sorted((PROJECT / package).rglob("*.py"))]
    return tuple((_name_of(path), ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


def _name_of(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            assert node.module is not None
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def is_within(name: str, place: str) -> bool:
    return name == place or name.startswith(place + ".")


def layer_of(name: str) -> tuple[int, str] | None:
    """The row and the place in it that a module belongs to."""
    for row, places in enumerate(LAYERS):
        for place in places:
            if is_within(name, place):
                return row, place
    return None


@pytest.mark.parametrize(("name", "tree"), [pytest.param(*module, id=module[0]) for module in modules()])
def test_imports_point_down(name: str, tree: ast.Module) -> None:
    if name == "moss":
        return
    own = layer_of(name)
    assert own is not None, f"{name} has no row in LAYERS: say where it belongs"
    for imported, line in imports_of(tree):
        if imported.split(".")[0] not in ("moss", "solver"):
            continue
        other = layer_of(imported)
        if other is None:
            assert imported == "moss" or imported.startswith("moss.__version__"), f"{imported} has no row"
            continue
        assert other[1] == own[1] or other[0] > own[0], f"{name}:{line} imports {imported}, which is not below it"


@pytest.mark.parametrize(("name", "tree"), [pytest.param(*module, id=module[0]) for module in modules()])
def test_each_third_party_package_has_one_owner(name: str, tree: ast.Module) -> None:
    for imported, line in imports_of(tree):
        top = imported.split(".")[0]
        if top in ("moss", "solver") or top in sys.stdlib_module_names:
            continue
        owner = OWNERS.get(top)
        assert owner is not None, f"{name}:{line} imports {top}, which has no owner in OWNERS"
        assert is_within(name, owner), f"{name}:{line} imports {top}, which belongs to {owner}"


@pytest.mark.parametrize(("name", "tree"), [pytest.param(*module, id=module[0]) for module in modules()])
def test_the_pure_parts_know_no_file_clock_or_network(name: str, tree: ast.Module) -> None:
    if name in EDGES or not any(is_within(name, pure) for pure in PURE):
        return
    for imported, line in imports_of(tree):
        assert imported.split(".")[0] not in WORLD, f"{name}:{line} imports {imported}"


@pytest.mark.parametrize(("name", "tree"), [pytest.param(*module, id=module[0]) for module in modules()])
def test_only_the_command_line_prints(name: str, tree: ast.Module) -> None:
    if is_within(name, "moss.cli") or name in EDGES:
        return
    for node in ast.walk(tree):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        assert not (called and node.func.id in ("print", "input")), f"{name}:{node.lineno} prints"


def writes_of(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Calls that change a file system and are not asked of an `effects`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = _called(node.func)
        modes = [*node.args[1:2], *(one.value for one in node.keywords if one.arg == "mode")]
        if called in WRITING or called.endswith((".write_text", ".write_bytes")):
            yield called, node.lineno
        elif called == "open" and any(set(ast.unparse(mode)) & set("wax+") for mode in modes):
            yield "open to write", node.lineno


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return f"{function.value.id if isinstance(function.value, ast.Name) else '…'}.{function.attr}"
    return function.id if isinstance(function, ast.Name) else "…"


def test_durable_effects_have_one_owner() -> None:
    elsewhere = [
        f"{name}:{line} calls {called}"
        for name, tree in modules()
        if not any(is_within(name, place) for place in WRITES_ELSEWHERE)
        for called, line in writes_of(tree)
    ]
    assert elsewhere == [], "what lasts goes through moss.effects"


def test_what_writes_elsewhere_does() -> None:
    writing = {name for name, tree in modules() if any(True for _ in writes_of(tree))}
    for place in WRITES_ELSEWHERE:
        assert any(is_within(name, place) for name in writing), f"{place} writes nothing any more: take it off the list"


@pytest.mark.parametrize("name", ["system", "queries", "propose", "repositories", "refreshing"])
def test_an_import_within_a_function_says_who_does_without_it(name: str) -> None:
    """docs/decisions/0014-whole-processes.md states the rule."""
    source = (PROJECT / "moss/operations" / f"{name}.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    late = sorted(
        {
            node.lineno
            for function in ast.walk(ast.parse(source))
            if isinstance(function, ast.FunctionDef)
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
    )
    assert late
    explained: set[int] = set()
    for line in late:
        if "  # " in lines[line - 1] or line - 1 in explained:
            explained.add(line)
    assert not set(late) - explained, [lines[line - 1] for line in late if line not in explained]
