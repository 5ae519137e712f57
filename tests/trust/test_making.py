"""A repository's keys: made, given roles, asked for in numbers, rotated, on one machine or on several."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Moss
from tests.trust.conftest import User
from tests.trust.signed import DAY, Maker, forge, signed

ROLES = (
    *("--add", "root=a", "--add", "root=b", "--add", "root=c", "--threshold", "root=2"),
    *("--add", "targets=release", "--add", "snapshot=online", "--add", "timestamp=online"),
    *("--days", "timestamp=7", "--days", "snapshot=14"),
)


@pytest.fixture
def staff(tmp_path: Path) -> Maker:
    """A repository whose roles have keys of their own; two of three must sign a root."""
    maker = Maker(tmp_path)
    maker.keys("a", "b", "c", "release", "online")
    maker.stone("hello", "1.0")
    maker.done("trust", "init", maker.repository, "--key", "a", "--key", "b", *ROLES)
    return maker


def shown(maker: Maker, moss: Moss) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(moss("trust", "show", str(maker.repository), "--json").out)["data"]
    return said


def test_roles_have_their_own_keys_and_times(staff: Maker, moss: Moss) -> None:
    staff.publish("release", "online")
    said = shown(staff, moss)
    roles = {role["role"]: role for role in said["roles"]}
    assert [len(roles[name]["keys"]) for name in ("root", "targets", "snapshot", "timestamp")] == [3, 1, 1, 1]
    assert roles["root"]["threshold"] == 2 and roles["timestamp"]["days"] == 7 and roles["targets"]["days"] == 365
    assert said["expires_at"] == roles["timestamp"]["expires_at"]


def test_too_few_keys_sign_nothing(staff: Maker, moss: Moss, tmp_path: Path) -> None:
    at = ("-D", str(staff.root))
    other = Maker(tmp_path / "other")
    shutil.rmtree(other.repository / "tuf", ignore_errors=True)
    ended = moss(*at, "trust", "init", str(other.repository), "--key", "a", *ROLES)
    assert ended.exit_code == 2 and "1 more of the keys of this root must sign it" in " ".join(ended.err.split())
    ended = moss(*at, "trust", "init", str(other.repository), "--key", "a", "--threshold", "root=2")
    assert ended.exit_code == 2 and "root would need 2 of 1 keys" in " ".join(ended.err.split())
    ended = moss(*at, "index", str(staff.repository), "--key", "release")
    assert ended.exit_code == 6 and "snapshot" in ended.err
    assert not (staff.metadata / "timestamp.json").exists()
    ended = moss(*at, "index", str(staff.repository))
    assert ended.exit_code == 2 and "name the keys that sign" in ended.err
    ended = moss(*at, "index", str(staff.repository), "--key", "nobody")
    assert ended.exit_code == 3


def test_the_online_key_alone_keeps_it_fresh(staff: Maker, user_of: Any) -> None:
    staff.publish("release", "online")
    user = user_of(staff)
    targets = staff.newest("targets").read_bytes()
    before = signed(staff.metadata / "timestamp.json")["version"]
    staff.done("trust", "renew", staff.repository, "--key", "online")
    assert signed(staff.metadata / "timestamp.json")["version"] == before + 1
    assert staff.newest("targets").read_bytes() == targets
    user.done("repo", "update")
    staff.stone("hello", "1.1")
    staff.done("trust", "renew", staff.repository, "--key", "online")
    user.done("update", "-y")
    assert user.has("hello") == "hello 1.0", "what was not indexed is not on offer"


def test_a_root_waits_for_the_signatures_it_needs(staff: Maker, user_of: Any, moss: Moss, tmp_path: Path) -> None:
    """The keys are on three machines, and the folder goes from one to the next."""
    staff.publish("release", "online")
    user = user_of(staff)
    machines = {name: alone(staff, tmp_path / name, name) for name in ("a", "c", "online")}
    staff.keys("online2")
    new = ("--add", "timestamp=online2", "--remove", "timestamp=online", "--threshold", "root=3")
    public = moss("-D", str(staff.root), "key", "show", "online2").out.strip()
    words = ["timestamp=" + public if word == "timestamp=online2" else word for word in new]
    old = moss("-D", str(staff.root), "key", "show", "online").out.strip()
    words = ["timestamp=" + old if word == "timestamp=online" else word for word in words]
    machines["a"].done("trust", "rotate", staff.repository, "--key", "a", *words)
    user.done("repo", "update")  # what waits is nobody's business
    waits = shown(staff, moss)["next_root"]
    assert waits["version"] == 2 and waits["signed_by"] == 1 and len(waits["lacking"]) == 2
    machines["c"].done("trust", "sign", staff.repository, "--key", "c")
    assert "1 more of the keys of this root" in " ".join(shown(staff, moss)["next_root"]["lacking"])
    staff.done("trust", "sign", staff.repository, "--key", "b")
    waits = shown(staff, moss)["next_root"]
    assert waits["signed_by"] == 3 and "then sign again: timestamp needs 1 of" in waits["lacking"][0]
    user.done("repo", "update")
    assert machines["online"].moss("trust", "renew", staff.repository, "--key", "online") == 0  # still root 1's
    staff.done("trust", "renew", staff.repository, "--key", "online2")
    said = shown(staff, moss)
    assert said["root_version"] == 2 and said["next_root"] is None
    user.done("repo", "update")
    assert "root 2" in user.done("repo", "trust", "main")
    forge(staff.metadata / "timestamp.json", lambda said: setattr(said, "version", 99), staff.secret("online"))
    assert user.moss("repo", "update").exit_code == 6


def alone(maker: Maker, folder: Path, key: str) -> Maker:
    """A machine that has one of the keys."""
    other = Maker(folder)
    (other.root / ".moss").mkdir(parents=True, mode=0o700)
    (other.root / ".moss/keys").mkdir(mode=0o700)
    shutil.copy(maker.root / ".moss/keys" / key, other.root / ".moss/keys" / key)
    return other


def test_keys_that_have_no_say_are_refused(staff: Maker, moss: Moss) -> None:
    at = ("-D", str(staff.root))
    staff.publish("release", "online")
    ended = moss(*at, "trust", "rotate", str(staff.repository), "--key", "online")
    assert ended.exit_code == 2 and "none of these keys signs roots" in ended.err
    ended = moss(*at, "trust", "sign", str(staff.repository), "--key", "a")
    assert ended.exit_code == 2 and "waits for signatures" in ended.err
    ended = moss(*at, "trust", "rotate", str(staff.repository), "--key", "a", "--remove", "root=online")
    assert ended.exit_code == 2 and "has not the role root" in " ".join(ended.err.split())
    for words in (["--add", "roof=a"], ["--threshold", "root=none"], ["--days", "root=0"]):
        assert moss(*at, "trust", "rotate", str(staff.repository), "--key", "a", *words).exit_code == 2
    assert moss("trust", "show", str(staff.root)).exit_code == 2


def test_a_root_that_somebody_changed_signs_nothing(staff: Maker, moss: Moss) -> None:
    staff.publish("release", "online")
    root = staff.metadata / "1.root.json"
    honest = root.read_bytes()
    root.write_bytes(honest.replace(b'"threshold": 2', b'"threshold": 1'))
    ended = moss("-D", str(staff.root), "index", str(staff.repository), "--key", "release", "--key", "online")
    assert ended.exit_code == 7 and "1.root.json" in ended.err
    root.write_bytes(honest)
    staff.publish("release", "online")


def test_numbers_go_on_from_what_the_keys_have_signed(staff: Maker) -> None:
    """Somebody with access to the folder, and no key, cannot drive the numbers up."""
    staff.publish("release", "online")
    said = signed(staff.metadata / "timestamp.json")
    forge(staff.metadata / "timestamp.json", lambda said: setattr(said, "version", 10**9))
    shutil.copy(staff.newest("snapshot"), staff.metadata / "999999.snapshot.json")
    staff.publish("release", "online")
    assert signed(staff.metadata / "timestamp.json")["version"] <= said["version"] + 1


def test_old_files_go_and_a_late_reader_still_finds_its_own(staff: Maker) -> None:
    for number in range(6):
        staff.stone("hello", f"2.{number}")
        staff.publish("release", "online")
    assert len(list((staff.metadata / "targets").iterdir())) == 3
    assert len(list(staff.metadata.glob("*.targets.json"))) == 3
    assert signed(staff.metadata / "timestamp.json")["version"] == 6


@pytest.fixture
def user_of(tmp_path: Path, moss: Moss) -> Any:
    def made(maker: Maker) -> User:
        user = User(tmp_path / "user", moss)
        user.done("repo", "add", "main", maker.index, "--trust", maker.metadata / "1.root.json")
        user.done("install", "-y", "hello")
        return user

    return made


def test_what_is_signed_is_good_for_the_days_that_were_said(staff: Maker) -> None:
    import time
    from datetime import UTC, datetime

    staff.publish("release", "online")
    until = datetime.strptime(signed(staff.metadata / "timestamp.json")["expires"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(until.replace(tzinfo=UTC).timestamp() - time.time() - 7 * DAY) < 60
