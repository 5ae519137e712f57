"""Without the record and its copy: what no file shows comes back out of what each tree says of its generation."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from moss.cli.main import main
from moss.description import Description, as_text, described
from moss.kdl import parse
from moss.path_filter import Omission
from tests.builders import Content, metadata, write_package
from tests.crash.world import PACKAGES
from tests.trees import differences
from tests.triggers.shells import needs_busybox, shell_files

WANTED = {
    "wishes": "SELECT generation, position, wanted, why, repository FROM wish",
    "pins": "SELECT generation, position, wanted, repository FROM pin",
    "holds": "SELECT generation, name FROM hold",
    "switches": "SELECT * FROM switch",
    "generations": "SELECT generation.id, created_at, command, omissions, model_text FROM generation"
    " JOIN path_filter ON path_filter.id = path_filter",
    "packages": "SELECT generation, name, version, made_by FROM selection JOIN package ON package.id = package",
    "wished for": "SELECT generation, name, reason FROM selection JOIN package ON package.id = package"
    " WHERE reason LIKE '{\"wish%'",
    "left out": "SELECT omitted.path, omissions FROM omitted JOIN path_filter ON path_filter.id = path_filter",
    "repositories": "SELECT name, uri, priority, enabled, vouched_by, pinned, max_staleness FROM repository",
    "of triggers": "SELECT generation, trigger_run.name, outcome, path FROM trigger_run"
    " LEFT JOIN layout USING (package) WHERE package IS NOT NULL",
    "files": "SELECT written FROM model_file",
}


class World:
    def __init__(self, folder: Path) -> None:
        self.root, self.packages = folder / "root", folder / "packages"
        self.publish("app-1", {"bin/app": "one", "share/doc/app/notes": "notes"}, depends=("lib",))
        self.publish("lib-1", {"lib/lib.so": "lib"})
        self.publish("other-1", {"bin/other": "other", "share/doc/other": "other's"})
        definitions = self.root / "etc/moss/subscriptions"
        definitions.mkdir(parents=True)
        (definitions / "docs.kdl").write_text('subscription "docs" { default #true; paths "share/doc/**" }')
        self.moss("repo", "add", "main", str(self.packages / "stone.index"), "--unsigned", "--priority", "7")

    def publish(self, label: str, files: dict[str, Content], depends: tuple[str, ...] = ()) -> None:
        name, version = label.split("-")
        write_package(self.packages, metadata(name, version, depends=depends), files)
        assert main(["index", str(self.packages)]) == 0

    def moss(self, *words: str, exit_code: int = 0) -> None:
        assert main(["-D", str(self.root), *words]) == exit_code, words

    def lose_record(self) -> None:
        for file in (self.root / ".moss/db").glob("moss.db*"):
            file.unlink()
        shutil.rmtree(self.root / ".moss/copy")

    def recorded(self) -> dict[str, list[tuple[object, ...]]]:
        """What must come back, of the generations whose trees are there."""
        with closing(sqlite3.connect(self.root / ".moss/db/moss.db")) as record:
            return {what: sorted(record.execute(query), key=repr) for what, query in WANTED.items()}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_wishes_pins_holds_subscriptions_and_what_is_left_out_come_back(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.moss("install", "-y", "app")
    world.moss("unsubscribe", "-y", "docs")
    model = world.root / "etc/moss/system-model.kdl"
    model.write_text(model.read_text().replace("    app\n", '    app { why "work" } // of course\n'))
    world.moss("install", "-y", "other")
    world.moss("pin", "-y", "other=1")
    world.moss("hold", "-y", "lib")
    before = world.recorded()
    assert before["pins"] and before["holds"] and before["switches"] and before["left out"]
    world.lose_record()
    world.moss("verify", "--fix", "-y")
    assert world.recorded() == before
    capfd.readouterr()
    world.moss("verify")
    world.moss("sync", "-n", exit_code=0)
    assert "Nothing to do" in capfd.readouterr().out
    world.publish("app-2", {"bin/app": "two", "share/doc/app/notes": "more notes"}, depends=("lib",))
    world.moss("update", "-y")
    assert (world.root / "usr/bin/app").read_text() == "two"
    world.moss("unhold", "-y", "lib")
    world.moss("remove", "-y", "app")
    assert not (world.root / "usr/lib/lib.so").exists(), "what only came along goes again"
    assert differences(world.root) == []


def test_without_its_cache_the_repositories_come_back_as_the_text_has_them(world: World) -> None:
    world.moss("repo", "add", "second", str(world.packages / "stone.index"), "--unsigned", "--priority", "3")
    world.moss("repo", "disable", "second")
    world.moss("install", "-y", "app")
    before = world.recorded()["repositories"]
    world.lose_record()
    (world.root / ".moss/db/repositories.db").unlink()
    world.moss("verify", "--fix", "-y")
    assert world.recorded()["repositories"] == before


@needs_busybox
def test_what_triggers_wrote_is_theirs_again(world: World) -> None:
    world.publish("shell-1", shell_files())
    world.publish("maker-1", PACKAGES["maker-1"])
    taker = "name: taker\nhandlers: {away: {delete: /usr/bin/app}}\npaths: {/usr/bin/*: {handlers: away}}\n"
    world.publish("taker-1", {"share/moss/triggers/tx.d/taker.yaml": taker})
    world.moss("repo", "update")
    world.moss("install", "-y", "shell", "maker", "taker", "app")
    before = world.recorded()
    assert [path for *_, path in before["of triggers"]] == ["share/made", "bin/app"]
    world.lose_record()
    world.moss("verify", "--fix", "-y")
    assert world.recorded() == before
    world.moss("verify")
    world.moss("install", "-y", "other")
    assert "other" in (world.root / "usr/share/made").read_text(), "the trigger ran again"
    assert differences(world.root) == []
    world.moss("remove", "-y", "maker")
    assert not (world.root / "usr/share/made").exists() and not (world.root / "usr/bin/app").exists()
    world.moss("remove", "-y", "taker")
    assert (world.root / "usr/bin/app").read_text() == "one" and differences(world.root) == []


@pytest.mark.parametrize("damage", ["gone", "garbage", "cut", "a directory", "wrong"])
def test_a_tree_that_does_not_say_it_comes_back_and_that_is_told(
    world: World, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    world.moss("install", "-y", "app")
    file = world.root / "usr/.system-model.kdl"
    text = file.read_text()
    file.unlink()
    match damage:
        case "garbage":
            file.write_bytes(b"\xff\xfe" * 100)
        case "cut":
            file.write_text(text[:-40])
        case "a directory":
            file.mkdir()
        case "wrong":
            file.write_text(text.replace("    app\n", "    app from=3 {\n"))
    world.lose_record()
    world.moss("verify", "--fix", "-y")
    told = " ".join(capfd.readouterr().out.split())
    assert "What it was to be is not known" in told and "each package counts as wished for" in told
    assert {wanted for _, _, wanted, *_ in world.recorded()["wishes"]} == {"app", "lib"}
    world.moss("verify", exit_code=7)
    world.moss("verify", "--fix", "-y")
    world.moss("verify")
    assert file.is_file()


def test_files_of_no_package_go_with_the_next_change_and_that_is_told(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.moss("install", "-y", "app", "other")
    shutil.rmtree(world.packages)
    world.lose_record()
    (world.root / ".moss/db/repositories.db").unlink()
    world.moss("verify", "--fix", "-y")
    assert "Nobody wished for those files" in capfd.readouterr().out
    assert differences(world.root) == []
    assert {wanted for _, _, wanted, *_ in world.recorded()["wishes"]} == {"app", "other"}


def test_the_text_is_a_system_model_and_comes_back_whole() -> None:
    said = Description(
        "packages {\n    vim // which else\n}", 1_790_000_000, "moss install 'a */ b' /* c",
        (Omission("docs", ("share/doc/**", "**/*.md"), ("share/*/**/kept",)),),
        {"one": ("share/made by/*", "lib/ä"), "two": ()},
    )  # fmt: skip
    text = as_text(said)
    back = described(text)
    assert back == Description(said.text + "\n", said.created_at, said.command, said.path_filter, said.made)
    assert [node.name for node in parse(text).nodes] == ["packages"]
    for wrong in ("", said.text, text[:-1], text.replace('"made"', '"mode"'), text.replace(":1790000000", ':"soon"')):
        with pytest.raises(ValueError, match="moss keeps there"):
            described(wrong)
    assert json.loads(text.splitlines()[-2])["command"] == said.command
