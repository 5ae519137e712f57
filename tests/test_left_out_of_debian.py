"""Two hundred real Debian packages without documentation and most languages: what it saves, that it runs, the way back.

Downloaded through the machine's own apt; skipped where that is not to be had.
"""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from moss.cli.main import main
from moss.foreign.deb import Converted, convert_all
from moss.indexing import index
from moss.operations.commit import commit
from moss.operations.filtering import left_out_by, with_omissions
from moss.operations.propose import propose
from moss.operations.system import open_to_change, open_to_read
from moss.operations.upkeep import keep_house
from moss.operations.verbs import sync_request
from moss.path_filter import Omission, PathFilter
from moss.plan import Plan
from tests.debian.closure import ESSENTIAL, AptUnavailable, closure
from tests.trees import differences, store_differences

WISHES = (
    *ESSENTIAL, "git", "vim", "gnupg", "python3", "iso-codes", "build-essential", "wget", "nano", "man-db",
    "libssl-dev", "libglib2.0-dev",
)  # fmt: skip
DOCS = Omission("docs", ("share/doc/**", "share/info/**", "share/man/**", "share/gtk-doc/**"))
LANGUAGES = Omission(
    "locale", ("share/locale/*/**", "lib/locale/*/**"), ("share/locale/de/**", "share/locale/fr/**", "lib/locale/C*/**")
)
WITHOUT: PathFilter = (DOCS, LANGUAGES)
RUNS = """
set -e
git init -q /tmp/work && cd /tmp/work && echo 'int main(void) { return 42; }' > a.c
gcc a.c -o a && { ./a; test $? -eq 42; }
git add a.c && git -c user.name=a -c user.email=a@b commit -qm one && git log --oneline | grep -q one
python3 -c 'import ssl, json, sqlite3; print(ssl.OPENSSL_VERSION)'
perl -e 'print "perl\n"' && vim.basic --version | head -1 && gpg --version | head -1
pkg-config --cflags glib-2.0
"""


@pytest.mark.slow
def test_two_hundred_debian_packages_without_docs_and_most_languages(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        debs = closure(WISHES)
    except AptUnavailable as absent:
        pytest.skip(f"needs real packages: {absent}")
    assert len(debs) >= 200
    stones, root = tmp_path / "stones", tmp_path / "root"
    stones.mkdir()
    for done in convert_all(debs, str(stones)):
        assert isinstance(done, Converted), done
    index(str(stones))
    moss(root, "repo", "add", "debian", stones / "stone.index", "--unsigned")
    moss(root, "state", "prune", "--keep", 9, "--remember", "-y")
    moss(root, "install", "-y", *WISHES)
    everything, before = names(root), tree_bytes(root)

    leave_out(root, WITHOUT, capfd)
    saved = before - tree_bytes(root)
    assert saved > 30 << 20
    with open_to_read(str(root)) as system:
        said = left_out_by(system)
    assert set(said) == {"docs", "locale"} and all(size > 5 << 20 for size in said.values())
    assert sum(said.values()) == pytest.approx(saved, rel=0.01)
    assert {path.name for path in (root / "usr/share/locale").iterdir()} <= {"de", "fr", "locale.alias"}
    assert (root / "usr/share/locale/de/LC_MESSAGES/git.mo").exists() and not (root / "usr/share/doc").exists()
    assert differences(root) == []
    check_it_runs(root)
    moss(root, "verify")

    moss(root, "rollback", "-y")
    assert names(root) == everything and differences(root) == []
    moss(root, "state", "activate", 2, "-y")
    check_it_runs(root)

    away = stones.rename(tmp_path / "away")
    plan = leave_out(root, (LANGUAGES,), capfd)  # the documentation comes back, from the store
    assert plan.refetched == () and plan.space.download == 0
    assert names(root) > {path for path in everything if path.startswith("share/doc/")}
    assert next((one.subscription, one.after - one.before) for one in plan.savings) == ("docs", -said["docs"])

    moss(root, "state", "activate", 2, "-y")
    stored = tree_bytes(root / ".moss/assets")
    moss(root, "state", "remove", 1, 3, "-y")
    assert stored - tree_bytes(root / ".moss/assets") == pytest.approx(saved, rel=0.01)
    assert store_differences(root) == []
    capfd.readouterr()
    with open_to_change(str(root), command="moss test") as system:
        plan = with_omissions(system, propose(system, sync_request(model(root))), (LANGUAGES,))
        assert 150 < len(plan.refetched) < len(debs)  # those that have documentation
        with pytest.raises(Exception, match="is not there"):
            commit(system, plan)
    away.rename(stones)
    leave_out(root, (LANGUAGES,), capfd)
    assert names(root) > {path for path in everything if path.startswith("share/doc/")}
    assert differences(root) == [] == store_differences(root)
    moss(root, "verify")


def leave_out(root: Path, omissions: PathFilter, capfd: pytest.CaptureFixture[str]) -> Plan:
    with open_to_change(str(root), command="moss test") as system:
        plan = with_omissions(system, propose(system, sync_request(model(root))), omissions)
        commit(system, plan)
        keep_house(system)
    return plan


def model(root: Path):  # type: ignore[no-untyped-def]
    from moss.db.generations import model_of

    with open_to_read(str(root)) as system:
        return model_of(system.record, system.active)


def moss(root: Path, *words: object) -> None:
    assert main(["-q", "-D", str(root), *map(str, words)]) == 0, words


def names(root: Path) -> set[str]:
    usr = root / "usr"
    return {
        os.path.relpath(os.path.join(folder, name), usr)
        for folder, folders, files in os.walk(usr) for name in (*folders, *files)
    }  # fmt: skip


def tree_bytes(top: Path) -> int:
    """Of files, each inode once."""
    found = {}
    for folder, _, files in os.walk(top if top.name == "assets" else top / "usr"):
        for name in files:
            status = os.lstat(os.path.join(folder, name))
            if stat.S_ISREG(status.st_mode):
                found[status.st_ino] = status.st_size
    return sum(found.values())


def check_it_runs(root: Path) -> None:
    """In a root of its own, where this may be made."""
    chroot = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin")
    if os.geteuid() != 0 or chroot is None:
        return
    shutil.rmtree(root / "tmp/work", ignore_errors=True)
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [chroot, str(root), "/bin/bash", "-c", RUNS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
