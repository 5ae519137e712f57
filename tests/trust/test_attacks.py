"""TUF's attacks, each on `repo update` and `install` as a person types them: the exit code, the message, and
that nothing was changed. tests/trust/test_bundles.py has them for `sync --from`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.conftest import Moss
from tests.trust.conftest import User
from tests.trust.signed import Maker, expired, forge, hand_over, signed, state

Act = Callable[[Maker], None]


class Attack(NamedTuple):
    """What somebody does to the repository, or to the way there; how moss must answer."""

    act: Act
    exit_code: int
    says: str


def news(maker: Maker, *keys: str) -> str:
    """An honest update, which its maker keeps: the version of hello."""
    version = f"1.{len(list(maker.repository.glob('hello-*')))}"
    maker.stone("hello", version)
    maker.publish(*keys)
    keep(maker)
    return version


def keep(maker: Maker) -> None:
    shutil.rmtree(maker.repository.with_name("honest"), ignore_errors=True)
    maker.copy(maker.repository.with_name("honest"))


def other_software(maker: Maker) -> None:
    """An index of one's own, beside the honest metadata."""
    news(maker)
    for index in (maker.metadata / "targets").iterdir():
        index.write_bytes(b"x" * index.stat().st_size)


def other_keys(maker: Maker) -> None:
    """Everything signed anew, with a key that nobody trusts."""
    maker.keys("thief")
    shutil.rmtree(maker.metadata)
    maker.stone("hello", "9")
    maker.publish("thief")
    for _ in range(3):
        maker.done("trust", "renew", maker.repository, "--key", "thief")


def own_root(maker: Maker) -> None:
    """A next root that names the thief, signed by nobody else."""
    maker.keys("thief")
    root = maker.metadata / "2.root.json"
    shutil.copy(maker.metadata / "1.root.json", root)
    forge(root, lambda said: setattr(said, "version", 2), maker.secret("thief"))


def rollback(maker: Maker) -> None:
    """What was there before the user's last look."""
    put_back(maker, "before")


def rollback_of_the_snapshot(maker: Maker) -> None:
    """A thief of the timestamp's key names an older snapshot."""
    maker.forge("timestamp.json", back, "own")


def back(said: object) -> None:
    said.version += 1  # type: ignore[attr-defined]
    said.snapshot_meta.version -= 1  # type: ignore[attr-defined]
    said.snapshot_meta.hashes = said.snapshot_meta.length = None  # type: ignore[attr-defined]


def freeze(maker: Maker) -> None:
    """The same for ever: the day comes when it has expired."""
    maker.forge("timestamp.json", lambda said: (expired(3)(said), bump(said)), "own")


def frozen_root(maker: Maker) -> None:
    """A root that has expired vouches for nothing."""
    shutil.copy(maker.metadata / "1.root.json", maker.metadata / "2.root.json")
    maker.forge("2.root.json", lambda said: (expired(3)(said), bump(said)), "own")


def bump(said: object) -> None:
    said.version += 1  # type: ignore[attr-defined]


def endless_timestamp(maker: Maker) -> None:
    news(maker)
    with open(maker.metadata / "timestamp.json", "ab") as file:
        file.write(b" " * 100_000)


def endless_root(maker: Maker) -> None:
    (maker.metadata / "2.root.json").write_bytes(b"{" * 600_000)


def endless_index(maker: Maker) -> None:
    news(maker)
    for index in (maker.metadata / "targets").iterdir():
        with open(index, "ab") as file:
            file.write(bytes(1_000_000))


def mix_and_match(maker: Maker) -> None:
    """The newest timestamp and snapshot, with targets of before."""
    news(maker)
    newest = signed(maker.metadata / "timestamp.json")["meta"]["snapshot.json"]["version"]
    targets = signed(maker.metadata / f"{newest}.snapshot.json")["meta"]["targets.json"]["version"]
    shutil.copy(maker.metadata / f"{targets - 1}.targets.json", maker.metadata / f"{targets}.targets.json")


def wrong_software(maker: Maker) -> None:
    """The metadata of another repository of the same maker: they name no stone.index."""
    news(maker)
    maker.forge_targets(lambda said: said.targets.clear(), "own")


def mirror_without_snapshot(maker: Maker) -> None:
    news(maker)
    maker.newest("snapshot").unlink()


def mirror_without_index(maker: Maker) -> None:
    news(maker)
    for index in (maker.metadata / "targets").iterdir():
        index.unlink()


def garbage(maker: Maker) -> None:
    (maker.metadata / "timestamp.json").write_text('{"signed": ' + "[" * 5000)


ATTACKS = {
    "arbitrary software, by hand": Attack(other_software, 6, "not the one that its signed metadata name"),
    "arbitrary software, signed": Attack(other_keys, 6, "not signed by enough of the keys"),
    "arbitrary root": Attack(own_root, 6, "not signed by enough of the keys"),
    "rollback": Attack(rollback, 6, "older than what was seen before"),
    "rollback of the snapshot": Attack(rollback_of_the_snapshot, 6, "older than what was seen before"),
    "freeze": Attack(freeze, 6, "its timestamp expired on "),
    "frozen root": Attack(frozen_root, 6, "its root expired on "),
    "endless data, timestamp": Attack(endless_timestamp, 6, "more than its signed metadata allow"),
    "endless data, root": Attack(endless_root, 6, "more than its signed metadata allow"),
    "endless data, index": Attack(endless_index, 6, "more than its signed metadata allow"),
    "mix and match": Attack(mix_and_match, 6, "not the one that its signed metadata name"),
    "wrong software": Attack(wrong_software, 6, "do not name stone.index"),
    "malicious mirror, snapshot": Attack(mirror_without_snapshot, 3, "snapshot.json is not there"),
    "malicious mirror, index": Attack(mirror_without_index, 3, "stone.index is not there"),
    "garbage": Attack(garbage, 6, "not what signed metadata are"),
}


def put_back(maker: Maker, name: str) -> None:
    shutil.rmtree(maker.repository)
    shutil.copytree(maker.repository.with_name(name), maker.repository)


def honest_again(maker: Maker) -> str:
    """Which version of hello it offers then."""
    put_back(maker, "honest")
    for _ in range(2):  # beyond the numbers that a thief of keys has used
        maker.done("trust", "rotate", maker.repository, "--key", "own")
    return news(maker)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_told_and_changes_nothing(attack: Attack, maker: Maker, user: User) -> None:
    maker.copy(maker.repository.with_name("before"))
    maker.stone("other", "1.0")
    maker.publish()
    user.done("repo", "update")
    keep(maker)
    before, offered = state(user.root), user.done("list", "available")
    attack.act(maker)
    for words in (("repo", "update"), ("update", "-y")):
        ended = user.moss(*words)
        assert ended.exit_code == attack.exit_code, ended
        assert attack.says in ended.err, ended.err
    assert user.done("list", "available") == offered
    assert state(user.root) == before
    # What was verified before stays of use, and when the attack is over all goes on.
    user.done("install", "-n", "other")
    version = honest_again(maker)
    user.done("update", "-y")
    assert user.has("hello") == f"hello {version}"


AT_FIRST_SIGHT = {name: attack for name, attack in ATTACKS.items() if "rollback" not in name}
"""Those that need no memory of what was seen before."""


@pytest.mark.parametrize("attack", AT_FIRST_SIGHT.values(), ids=AT_FIRST_SIGHT)
def test_of_what_was_refused_at_first_sight_nothing_can_be_installed(
    attack: Attack, maker: Maker, tmp_path: Path, moss: Moss
) -> None:
    """A repository that is pinned and was not reached so far."""
    new = User(tmp_path / "new", moss)
    away = maker.repository.rename(maker.repository.with_name("away"))
    new.done("repo", "add", "main", maker.index, "--trust", away / "tuf/1.root.json", "--offline")
    away.rename(maker.repository)
    maker.stone("other", "1.0")
    maker.publish()
    keep(maker)
    attack.act(maker)
    ended = new.moss("repo", "update")
    assert ended.exit_code == attack.exit_code and attack.says in ended.err, ended
    ended = new.moss("install", "-y", "hello")
    assert ended.exit_code == 3 and "what main offers has not been read" in ended.err, ended
    assert not (new.root / "usr").exists()
    honest_again(maker)
    new.done("repo", "update")
    new.done("install", "-y", "hello")


def test_a_forged_stone_is_not_installed(maker: Maker, user: User) -> None:
    """A malicious mirror's stones: only those are taken that the verified index names."""
    news(maker)
    user.done("repo", "update")
    stone = next(maker.repository.glob("hello-1.1*"))
    honest = stone.read_bytes()
    before = state(user.root)
    for forged in (next(maker.repository.glob("hello-1.0*")).read_bytes(), honest[:-1] + b"x", honest + b"x"):
        stone.write_bytes(forged)
        ended = user.moss("update", "-y", "--offline")
        assert ended.exit_code == 7 and "the index" in ended.err, ended
    assert state(user.root) == before
    assert user.has("hello") == "hello 1.0"
    stone.write_bytes(honest)
    user.done("update", "-y")


def test_fast_forward_is_undone_by_new_keys(maker: Maker, user: User) -> None:
    """A thief of the online key has said the highest number there is: with other keys it counts no more."""

    def forward(said: object) -> None:
        said.version = 2**31  # type: ignore[attr-defined]

    maker.keys("online", "online2")
    rotate = ("trust", "rotate", maker.repository)
    maker.done(*rotate, "--key", "own", "--key", "online", *hand_over("own", "online"))
    user.done("repo", "update")
    honest = maker.copy(maker.repository.with_name("honest")).parent
    maker.forge("timestamp.json", forward, "online")
    user.done("repo", "update")  # it is signed by the right key: nobody can tell yet
    shutil.rmtree(maker.repository)
    shutil.copytree(honest, maker.repository)
    ended = user.moss("repo", "update")
    assert ended.exit_code == 6 and "older than what was seen" in ended.err
    maker.done(*rotate, "--key", "own", "--key", "online2", *hand_over("online", "online2"))
    news(maker, "own", "online2")
    user.done("update", "-y")
    assert user.has("hello") == "hello 1.1"
    ended_version = signed(next((user.root / ".moss/trust/main").iterdir()) / "timestamp.json")["version"]
    assert ended_version < 100


def test_a_stolen_key_that_was_taken_out_signs_nothing_any_more(maker: Maker, user: User) -> None:
    maker.keys("new")
    maker.copy(maker.repository.with_name("before"))
    maker.done(
        "trust", "rotate", maker.repository, "--key", "own", "--key", "new", "--add", "all=new", "--remove", "all=own"
    )
    user.done("repo", "update")
    assert "root 2" in user.done("repo", "trust", "main")
    for name in ("timestamp.json", "2.snapshot.json", "2.targets.json"):
        path = maker.metadata / name
        if path.exists():
            forge(path, bump, maker.secret("own"))
    ended = user.moss("repo", "update")
    assert ended.exit_code == 6 and "not signed by enough" in ended.err
    put_back(maker, "before")
    maker.publish("own")
    ended = user.moss("repo", "update")
    assert ended.exit_code == 6, "who has followed to root 2 does not go back to root 1"


def test_a_new_user_follows_the_roots_from_the_pinned_one(maker: Maker, user: User, tmp_path: Path) -> None:
    pinned = tmp_path / "pinned.json"
    shutil.copy(maker.metadata / "1.root.json", pinned)
    for number in range(2, 8):
        maker.keys(f"key-{number}")
        last = "own" if number == 2 else f"key-{number - 1}"
        maker.done(
            "trust", "rotate", maker.repository, "--key", last, "--key", f"key-{number}",
            "--add", f"all=key-{number}", "--remove", f"all={last}",
        )  # fmt: skip
    user.done("repo", "add", "again", maker.index, "--trust", pinned)
    user.done("repo", "update")
    assert json.loads(user.done("repo", "trust", "again", "--json"))["data"]["verified"]["root_version"] == 7
    (maker.metadata / "4.root.json").unlink()
    ended = user.moss("repo", "add", "third", maker.index, "--trust", pinned)
    assert ended.exit_code == 6, "a chain with a hole leads nowhere"


def not_a_root(kind: str, maker: Maker) -> bytes:
    root = (maker.metadata / "1.root.json").read_bytes()
    if kind == "cut":
        return root[:-9]
    if kind == "changed":
        return root.replace(b'"version": 1', b'"version": 3').replace(b'"version":1', b'"version":3')
    return b"pc\n" if kind == "text" else (maker.metadata / "timestamp.json").read_bytes()


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("text", "no signed metadata at all"), ("cut", "no signed metadata at all"),
        ("timestamp", "of the role timestamp"), ("changed", "not signed by enough of its own keys"),
    ],
)  # fmt: skip
def test_what_is_no_root_is_not_pinned_and_nobody_else_is_blamed(
    kind: str, why: str, maker: Maker, tmp_path: Path, moss: Moss
) -> None:
    file = tmp_path / "pinned"
    file.write_bytes(not_a_root(kind, maker))
    user = User(tmp_path / "new", moss)
    ended = user.moss("repo", "add", "main", maker.index, "--trust", file)
    assert ended.exit_code == 6 and "pinned is no repository's root" in ended.err and why in ended.err
    assert "mirror" not in ended.err
    assert user.done("repo", "list") == "There is no repository yet.\n"
