"""A sealed tree tells by its directories' change times that nothing came or went."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from moss.seal import Seal, is_intact, seal, seal_again


@pytest.fixture
def usr(tmp_path: Path) -> Path:
    """A tree with a file that is a hard link of another, made as moss makes them: `.stateID` last."""
    asset = tmp_path / "asset"
    asset.write_text("content")
    made = tmp_path / "usr"
    (made / "share/doc/deep/deeper").mkdir(parents=True)
    (made / "bin").mkdir()
    (made / "lib64").symlink_to("lib")
    for path in ("bin/tool", "share/doc/text", "share/doc/deep/deeper/file"):
        os.link(asset, made / path)
    (made / "share/doc/link").symlink_to("text")
    (made / "share/empty").touch()
    (made / ".stateID").write_text("1\n")
    return made


def intact(usr: Path, found: Seal) -> bool:
    return is_intact(str(usr), found, ["share/empty"])


def later(act: Callable[[], object]) -> None:
    """Later than the file system's clock can tell apart."""
    time.sleep(0.02)
    act()


def test_a_tree_that_nobody_touched_is_intact(usr: Path, tmp_path: Path) -> None:
    found = seal(str(usr))
    assert found.top == (".stateID", "bin", "lib64", "share")
    # What every switch and every other generation does to it:
    later(lambda: (usr.rename(tmp_path / "away"), (tmp_path / "away").rename(usr)))
    os.link(tmp_path / "asset", tmp_path / "another generation's link")
    assert intact(usr, found)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a stray file": lambda usr: (usr / "share/doc/stray").touch(),
    "a stray directory deep down": lambda usr: (usr / "share/doc/deep/deeper/more").mkdir(),
    "a stray file at the top": lambda usr: (usr / "stray").touch(),
    "a missing file": lambda usr: (usr / "bin/tool").unlink(),
    "a renamed file": lambda usr: (usr / "bin/tool").rename(usr / "bin/other"),
    "a renamed directory": lambda usr: (usr / "share/doc").rename(usr / "share/docs"),
    "a file replaced under its name": lambda usr: os.replace(_other(usr), usr / "bin/tool"),
    "another link target": lambda usr: ((usr / "lib64").unlink(), (usr / "lib64").symlink_to("bin")),
    "a directory's mode": lambda usr: (usr / "share/doc/deep/deeper").chmod(0o700),
    "an empty file that is empty no more": lambda usr: (usr / "share/empty").write_text("x"),
    "an empty file's mode": lambda usr: (usr / "share/empty").chmod(0o600),
    "a missing empty file": lambda usr: (usr / "share/empty").unlink(),
}


def _other(usr: Path) -> Path:
    other = usr.parent / "other"
    other.write_text("other")
    return other


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_kind_of_change_breaks_the_seal(usr: Path, change: Callable[[Path], object]) -> None:
    found = seal(str(usr))
    later(lambda: change(usr))
    assert not intact(usr, found)


def test_a_file_time_that_was_set_back_hides_nothing(usr: Path) -> None:
    found = seal(str(usr))
    for directory in (usr, usr / "share/doc"):
        before = directory.stat()
        later((directory / "stray").touch)
        os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))  # as tar and rsync do
        assert not intact(usr, found)
        (directory / "stray").unlink()


def test_a_clock_that_was_set_back_makes_the_seal_worthless(usr: Path) -> None:
    found = seal(str(usr))
    assert not intact(usr, Seal(time.time_ns() + 10**12, found.top))


def test_a_link_into_the_store_at_the_top_is_not_vouched_for(usr: Path, tmp_path: Path) -> None:
    os.link(tmp_path / "asset", usr / "file")
    assert not intact(usr, seal(str(usr)))


def test_a_tree_that_was_audited_gets_a_new_seal_unless_it_just_changed(usr: Path) -> None:
    found = seal(str(usr))
    later((usr / "share/doc/stray").touch)
    (usr / "share/doc/stray").unlink()
    assert not intact(usr, found)
    assert seal_again(str(usr), ["share/empty"], time.time_ns()) is None
    again = seal_again(str(usr), ["share/empty"], time.time_ns() + 10**10)
    assert again is not None and intact(usr, again)
    later((usr / "share/doc/stray").touch)
    assert not intact(usr, again)
