"""Every command's JSON answer, and every kind of failure, is what its schema says."""

import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from moss.cli.session import Session
from moss.cli.settings import Settings
from moss.cli.verbs import VERBS
from moss.resources import schema_directory
from tests.cli.conftest import Moss, Place
from tests.conftest import PROJECT

DIRECTORY = Path(schema_directory(), "json")
SCHEMAS = {
    path.name: json.loads(path.read_text(encoding="utf-8")) for path in DIRECTORY.glob("*.schema.json")
}
REGISTRY: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)


def judge(name: str, value: object) -> None:
    schema = SCHEMAS[f"{name}.schema.json"]
    Draft202012Validator(schema, registry=REGISTRY).validate(value)


COMMANDS = {
    "install": ["install hello -n", "install -y hello", "install greeting -n"],
    "remove": ["remove hello -n", "remove -y hello"],
    "update": ["update -n", "update -y"],
    "sync": ["sync", "sync -n", "sync --from {bundle} -n", "sync --from {bundle} -y"],
    "try": ["try -n -- true", "try install hello -n -- true"],
    "image-tar": ["image tar -o {new}.tar", "image tar 1 -n -o x"],
    "image-oci": ["image oci -o {new}.oci"],
    "image-disk": ["image disk -n -o x"],
    "state-export": ["state export", "state export 1"],
    "init": ["init {new}-root hello --from {index} --unsigned -y"],
    "undo": ["undo -n", "undo -y", "undo 1 -n"],
    "pin": ["pin hello -n", "pin -y hello<2", "pin hello --from tour -n"],
    "unpin": ["unpin hello"],
    "hold": ["hold hello -n", "hold -y hello"],
    "unhold": ["unhold hello"],
    "list-pins": ["list pins"],
    "subscribe": ["subscribe docs -n", "subscribe -y binary(hello) --why work", "subscribe docs --auto"],
    "unsubscribe": ["unsubscribe docs -n", "unsubscribe -y docs"],
    "subscriptions": ["subscriptions", "subscriptions docs"],
    "rollback": ["rollback -n", "rollback -y"],
    "state-activate": ["state activate 1 -n", "state activate -y 1", "state activate 2"],
    "list-installed": ["list installed"],
    "list-available": ["list available"],
    "list-updates": ["list updates"],
    "search": ["search hello"],
    "info": ["info hello", "info grump"],
    "why": ["why greeting", "why hello"],
    "why-not": ["why-not hello"],
    "rdepends": ["rdepends greeting", "rdepends greeting --installed"],
    "check": ["check"],
    "facts": ["facts", "facts -o {new}/facts", "facts -o {new}/facts -n"],
    "provides": ["provides greeting", "provides binary(nothing)"],
    "state-list": ["state list"],
    "state-show": ["state show", "state show 1"],
    "state-diff": ["state diff 1", "state diff 2 1"],
    "state-keep": ["state keep 1", "state keep 1 first", "state keep 1 -n"],
    "state-unkeep": ["state unkeep 1 -n"],
    "state-remove": ["state remove 1 -n", "state remove -y 1"],
    "state-prune": ["state prune", "state prune --keep 1 -n", "state prune -y --keep 1 --remember"],
    "doctor": ["doctor"],
    "verify": ["verify", "verify --fix", "verify --fix -n"],
    "state-verify": ["state verify", "state verify 1"],
    "cache-clean": ["cache clean -n", "cache clean -y"],
    "history": ["history"],
    "repo-add": ["repo add other {index} --unsigned", "repo add other {index} -n --unsigned"],
    "repo-remove": ["repo remove tour", "repo remove tour -n"],
    "repo-list": ["repo list"],
    "repo-enable": ["repo enable tour", "repo enable tour -n"],
    "repo-disable": ["repo disable tour", "repo disable tour -n"],
    "repo-priority": ["repo priority tour 5", "repo priority tour -n 5"],
    "repo-trust": ["repo trust tour", "repo trust tour --unsigned", "repo trust tour --unsigned -n"],
    "repo-update": ["repo update", "repo update -n"],
    "export": ["export -o {new}/b", "export 1 --since 1 --key own -o {new}/b", "export -o {new}/b -n"],
    "receipt": ["receipt -o {new}/r", "receipt -o {new}/r -n"],
    "bundle-inspect": ["bundle inspect {bundle}"],
    "bundle-verify": ["bundle verify {bundle}"],
    "key-make": ["key make other", "key make other -n"],
    "key-list": ["key list"],
    "key-show": ["key show"],
    "key-pin": ["key pin friend {key}", "key pin friend {key} -n"],
    "key-remove": ["key remove own -n", "key remove -y own"],
    "boot-status": ["boot status"],
    "boot-sync": ["boot sync --esp {new} -n", "boot sync --esp {new} -y"],
    "boot-forget": ["boot forget", "boot forget -n"],
    "boot-hooks": ["boot hooks {new}/hooks", "boot hooks {new}/hooks -n"],
    "inspect": ["inspect {stone}", "inspect --check {stone}", "inspect {index}"],
    "extract": ["extract {stone} -o {new}"],
    "pack": ["pack {tree} --name hello --version 3 --depends greeting --license MIT -o {new}"],
    "index": ["index {new}", "index {new} --key own"],
    "trust-init": ["trust init {new} --key own --threshold root=1 --days timestamp=7", "trust init {new} --key own -n"],
    "trust-show": ["trust show {signed}"],
    "trust-rotate": ["trust rotate {signed} --key own", "trust rotate {signed} --key own --add root={key} -n"],
    "trust-sign": ["trust sign {waiting} --key own"],
    "trust-renew": ["trust renew {signed} --key own", "trust renew {signed} --key own -n"],
    "convert": ["convert {deb} -o {new}"],
    "tour": [],  # test_tour.py, which runs it anyway
    "completions": ["completions bash"],
}


def test_every_command_has_a_schema_and_an_example() -> None:
    named = {verb.schema.split("/")[1] for verb in VERBS}
    assert named == set(COMMANDS)
    assert named | {"common", "error", "progress-event", "bundle-manifest"} == {
        name.removesuffix(".schema.json") for name in SCHEMAS
    }


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == name


def examples() -> Iterator[tuple[str, str]]:
    for name, lines in COMMANDS.items():
        for line in lines:
            yield name, line


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_deb(tmp_path_factory.mktemp("deb"))


def make_deb(directory: Path) -> Path:
    """A small .deb, by the tools of every Unix: ar and tar."""
    import subprocess

    (directory / "debian-binary").write_text("2.0\n")
    (directory / "control").write_text(
        "Package: small\nVersion: 1:1.0-2\nArchitecture: all\nDescription: small\n"
    )
    (directory / "usr" / "share" / "small").mkdir(parents=True)
    (directory / "usr" / "share" / "small" / "file").write_text("content")
    for member, content in (("control.tar.gz", "./control"), ("data.tar.gz", "./usr")):
        subprocess.run(["tar", "-C", directory, "-czf", directory / member, content], check=True)
    members = b"!<arch>\n"
    for name in ("debian-binary", "control.tar.gz", "data.tar.gz"):
        content_bytes = (directory / name).read_bytes()
        members += (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content_bytes):<10}`\n".encode() + content_bytes
        )
        members += b"\n" * (len(content_bytes) % 2)
    (directory / "small.deb").write_bytes(members)
    return directory / "small.deb"


@pytest.mark.parametrize(("name", "line"), list(examples()), ids=lambda text: text)
def test_an_answer_is_what_its_schema_says(
    name: str, line: str, place: Place, moss: Moss, tmp_path: Path, deb: Path
) -> None:
    root = ("-D", str(place.root))
    assert moss(*root, "update", "-y").exit_code == 0
    if line == "install -y hello":
        assert moss(*root, "remove", "-y", "hello").exit_code == 0
    if name in ("unpin", "unhold", "list-pins"):
        assert moss(*root, "pin", "-y", "hello").exit_code == 0
        assert moss(*root, "hold", "-y", "hello").exit_code == 0
    if name in ("unpin", "unhold"):
        line = f"{line} -n"
    if "subscri" in name:
        folder = place.root / "etc/moss/subscriptions"
        folder.mkdir(parents=True)
        (folder / "docs.kdl").write_text('subscription "docs" { paths "share/doc/**" }')
    (tmp_path / "new").mkdir()
    if "bundle" in line or "key" in line or "signed" in line:
        assert moss(*root, "key", "make").exit_code == 0
        assert moss(*root, "export", "1", "-o", str(tmp_path / "bundle")).exit_code == 0
    for folder in ("signed", "waiting"):
        if folder in line:
            (tmp_path / folder).mkdir()
            assert moss(*root, "index", str(tmp_path / folder), "--key", "own").exit_code == 0
    if "waiting" in line:
        rotate = ("trust", "rotate", str(tmp_path / "waiting"), "--key", "own")
        more = ("--add", "root=moss-key-1:" + "ab" * 32, "--threshold", "root=2")
        assert moss(*root, *rotate, *more).exit_code == 0
    words = line.format(
        index=place.index,
        stone=next(place.repository.glob("hello-1.0*")),
        tree=place.trees / "hello-1.0",
        new=tmp_path / "new",
        deb=deb,
        bundle=tmp_path / "bundle",
        signed=tmp_path / "signed",
        waiting=tmp_path / "waiting",
        key="moss-key-1:" + "ab" * 32,
    )
    ended = moss(*root, "--json", *words.split())
    assert ended.exit_code == 0, ended
    assert ended.err == ""
    assert ended.out.endswith("}\n") and ended.out.count("\n") == 1 and ended.out.isascii()
    judge(name, json.loads(ended.out))


@pytest.mark.parametrize(
    ("line", "code", "exit_code"),
    [
        ("install", "USAGE", 2),
        ("nonsense", "USAGE", 2),
        ("update", "NEEDS_CONFIRMATION", 2),
        ("install -y helo", "NOT_FOUND", 3),
        ("state activate -y 9", "NOT_FOUND", 3),
        ("install -y grump", "SOLVE_CONFLICT", 4),
        ("inspect {garbage}", "CORRUPT", 7),
    ],
)
def test_a_failure_is_what_its_schema_says(
    line: str, code: str, exit_code: int, place: Place, moss: Moss, tmp_path: Path
) -> None:
    garbage = tmp_path / "garbage.stone"
    garbage.write_bytes(b"garbage" * 10)
    ended = moss("-D", str(place.root), *line.format(garbage=garbage).split(), "--json")
    assert ended.exit_code == exit_code
    assert ended.err == ""
    answer = json.loads(ended.out)
    judge("error", answer)
    assert (answer["error"]["code"], answer["error"]["exit"]) == (code, exit_code)


def test_warnings_are_in_the_answer_and_not_on_standard_error(
    place: Place, moss: Moss, tmp_path: Path
) -> None:
    stone = next(place.repository.glob("hello-1.0*"))
    repository = tmp_path / "twice"
    repository.mkdir()
    for name in ("a.stone", "b.stone"):
        (repository / name).write_bytes(stone.read_bytes())
    ended = moss("index", str(repository), "--json")
    answer = json.loads(ended.out)
    assert ended.err == "" and len(answer["warnings"]) == 1 and "b.stone" in answer["warnings"][0]
    assert moss("index", str(repository)).err.startswith("warning: ")


def test_progress_events_are_what_their_schema_says(place: Place, moss: Moss) -> None:
    reading, writing = os.pipe()
    try:
        assert moss("-D", str(place.root), "update", "-y", "--progress-fd", str(writing)).exit_code == 0
    finally:
        os.close(writing)
    with open(reading, encoding="utf-8") as events:
        lines = [json.loads(line) for line in events]
    assert {line["event"] for line in lines} == {"stage", "progress"}
    for line in lines:
        judge("progress-event", line)


def test_nobody_listening_to_progress_stops_nothing(place: Place, moss: Moss) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert moss("-D", str(place.root), "update", "-y", "--progress-fd", str(writing)).exit_code == 0
    finally:
        os.close(writing)


def test_a_descriptor_that_is_not_open_is_a_wrong_command_line(moss: Moss) -> None:
    never_reached = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1
    assert moss("li", "--progress-fd", str(never_reached)).exit_code == 2


def test_a_fault_of_moss_is_no_answer(monkeypatch: pytest.MonkeyPatch, moss: Moss) -> None:
    """moss's own faults keep their traceback."""
    from moss.cli import states

    def broken(session: Session) -> None:
        raise AssertionError("a fault of moss")

    monkeypatch.setattr(states, "state_list", broken)
    broken.__doc__ = "x"
    with pytest.raises(AssertionError, match="a fault of moss"):
        moss("state", "list", "--json")


def test_the_documented_schemas_are_where_the_page_says() -> None:
    page = (PROJECT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert "schema/json/COMMAND.schema.json" in page
    assert Settings().json is False
