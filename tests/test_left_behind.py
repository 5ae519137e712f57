"""After a live switch moss says who still sees the old /usr, or lost a mount on it; shown with real processes."""

import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from moss.cli.main import main
from moss.left_behind import LeftBehind, unit_of
from tests.builders import metadata
from tests.processes import doing, needs_namespaces, with_mounts
from tests.transactions import Repository, make, rollback

PROTECTED = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"'
"""What ProtectSystem= makes of /usr."""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "packages")
    for number in range(3):
        files = {"bin/tool": f"{number}", "share/doc/tool": f"{number}", "lib/deep/er": "x"}
        made.publish(f"tool-{number}", metadata("tool", str(number)), dict(files))
    return made


@pytest.fixture
def root(tmp_path: Path, repository: Repository) -> Path:
    make(tmp_path / "root", repository, "tool-0")
    (tmp_path / "point").mkdir()
    return tmp_path / "root"


def said(found: tuple[LeftBehind, ...]) -> dict[int, str]:
    return {pid: one.because for one in found for pid in one.pids}


@needs_namespaces
def test_a_service_that_loses_its_protection_is_told_by_update_and_by_rollback(
    root: Path, repository: Repository
) -> None:
    with with_mounts(PROTECTED, root / "usr") as pid:
        outcome = make(root, repository, "tool-1")
        assert said(outcome.left_behind) == {pid: "has lost its mount on /usr"}
        seen = Path(f"/proc/{pid}/root{root}/usr")
        assert (seen / "bin/tool").read_text() == "1", "it sees the new tree"
        assert os.statvfs(seen).f_flag & os.ST_RDONLY == 0, "and may write to it"
    with with_mounts(PROTECTED, root / "usr") as pid:
        assert said(rollback(root, repository).left_behind) == {pid: "has lost its mount on /usr"}


@needs_namespaces
def test_whoever_still_sees_the_old_tree_is_told_and_nobody_else(
    root: Path, repository: Repository, tmp_path: Path
) -> None:
    usr = root / "usr"
    with ExitStack() as stack:
        elsewhere = stack.enter_context(with_mounts('mount --bind "$1" "$2"', usr, tmp_path / "point"))
        part = stack.enter_context(with_mounts('mount -t tmpfs none "$1"', usr / "share/doc"))
        inside = stack.enter_context(doing(lambda: os.chdir(usr / "lib/deep")))
        chrooted = stack.enter_context(doing(lambda: os.chroot(usr)))
        # These are as well off as before: another namespace, another root, a file that is open.
        stack.enter_context(with_mounts("true"))
        stack.enter_context(doing(lambda: os.chroot(root)))
        stack.enter_context(doing(lambda: os.open(usr / "bin/tool", os.O_RDONLY)))
        stack.enter_context(with_mounts('mount -t tmpfs none "$1"', tmp_path / "point"))
        outcome = make(root, repository, "tool-1")
        assert said(outcome.left_behind) == {
            elsewhere: f"still has the old /usr at {tmp_path}/point",
            part: "has lost its mount on /usr/share/doc",
            inside: "has its working directory in the old /usr",
            chrooted: "has its root in the old /usr",
        }
        assert make(root, repository, "tool-2").left_behind == (), "that is the tree before the last"


@needs_namespaces
def test_a_jail_of_the_root_itself_that_loses_its_protection_is_told(root: Path, repository: Repository) -> None:
    script = (
        f"{PROTECTED}\nexec python3 -c 'import os, sys, time; os.chroot(sys.argv[1]);"
        " print(\"ready\", flush=True); time.sleep(1000)' \"$2\""
    )
    with with_mounts(script, root / "usr", root) as pid:
        assert said(make(root, repository, "tool-1").left_behind) == {pid: "has lost its mount on /usr"}


@needs_namespaces
def test_services_are_named_and_the_command_that_restarts_them(
    root: Path, repository: Repository, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hierarchy = next((path for path in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup") if os.access(path, os.W_OK)), None)
    group = Path(hierarchy or "/") / f"moss-test-{os.getpid()}.service"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("control groups cannot be made here")
    make(root, repository, "tool-1")
    try:
        with with_mounts(PROTECTED, root / "usr") as one, with_mounts(PROTECTED, root / "usr") as other:
            for pid in (one, other):
                (group / "cgroup.procs").write_text(str(pid))
            assert main(["-D", str(root), "rollback", "-y", "--json"]) == 0
            (found,) = json.loads(capfd.readouterr().out)["data"]["outcome"]["left_behind"]
            assert found == {
                "unit": group.name,
                "user": None,
                "name": "sleep",
                "pids": sorted((one, other)),
                "because": "has lost its mount on /usr",
                "restart": f"systemctl restart {group.name}",
            }
        with with_mounts(PROTECTED, root / "usr") as pid, doing(lambda: os.chdir(root / "usr/bin")) as inside:
            (group / "cgroup.procs").write_text(str(pid))
            assert main(["-D", str(root), "rollback", "-y"]) == 0
            text = capfd.readouterr().out
            assert f"  {group.name} ({pid}) has lost its mount on /usr\n" in text
            assert f" ({inside}) has its working directory in the old /usr\n" in text
            assert text.endswith(f"Restart them:\n  systemctl restart {group.name}\n")
    finally:
        group.rmdir()


@pytest.mark.parametrize(
    ("control_groups", "unit"),
    [
        ("0::/system.slice/ssh.service\n", ("ssh.service", None)),
        ("0::/system.slice/system-getty.slice/getty@tty1.service\n", ("getty@tty1.service", None)),
        ("0::/system.slice/machine.service/payload/inner\n", ("machine.service", None)),
        ("0::/user.slice/user-7.slice/user@7.service/app.slice/pipewire.service\n", ("pipewire.service", 7)),
        ("0::/user.slice/user-7.slice/user@7.service/init.scope\n", (None, None)),
        ("0::/user.slice/user-7.slice/session-3.scope\n", (None, None)),
        ("8:pids:/system.slice/no.service\n1:name=systemd:/system.slice/cron.service\n0::/\n", ("cron.service", None)),
        ("0::/\n", (None, None)),
        ("", (None, None)),
        ("nonsense\n", (None, None)),
    ],
)
def test_a_unit_is_read_from_the_control_group(control_groups: str, unit: tuple[str | None, int | None]) -> None:
    assert unit_of(control_groups) == unit
