"""What keeps triggers from running: paths, and the kind of machine, as it shows itself below /run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moss.triggers.environment import inhibitor
from moss.triggers.values import Inhibitors
from tests.conftest import PROJECT

ASK = """
from moss.triggers.environment import inhibitor
from moss.triggers.values import Inhibitors
for word in ("chroot", "live", "container"):
    print(inhibitor(Inhibitors((), (word,)), "/", "/usr"))
"""

HERE = "the environment is container" if os.path.exists("/.dockerenv") else "None"
"""A mark that is not below /run."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process a /run of its own")
@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("nothing", ["None", "None", HERE]),
        ("live/medium", ["None", "the environment is live", HERE]),
        ("systemd/container", ["None", "None", "the environment is container"]),
    ],
)
def test_the_running_system_s_environment(mark: str, said: list[str]) -> None:
    script = f"mount -t tmpfs run /run; mkdir -p /run/{mark}; exec {sys.executable} -c '{ASK}'"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == said


def test_paths_are_the_root_s_and_those_of_its_tree(tmp_path: Path) -> None:
    root, usr = tmp_path / "root", tmp_path / "tree"
    (root / "etc").mkdir(parents=True)
    usr.mkdir()
    (root / "etc/never").symlink_to("nowhere")
    (usr / "flag").write_text("")
    for path in ("/etc/never", "/usr/flag"):
        assert inhibitor(Inhibitors(("/etc/other", path)), str(root), str(usr)) == f"{path} is there"
    assert inhibitor(Inhibitors(("/etc/other", "/usr/other")), str(root), str(usr)) is None
    assert inhibitor(Inhibitors((), ("container", "live")), str(root), str(usr)) is None, "it is another system's root"
    assert inhibitor(Inhibitors((), ("chroot",)), str(root), str(usr)) == "the environment is chroot"
