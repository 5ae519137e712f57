import ctypes
import errno
import inspect
import os
import resource
import stat
import subprocess
from pathlib import Path

import pytest

from moss.effects import COMPOSED, PRIMITIVES, Effects, as_moss_error
from moss.errors import CorruptData, MossError, NoSpace, PermissionRefused
from moss.observed_effects import Moment, ObservedEffects

IS_ROOT = os.geteuid() == 0


class Recording(ObservedEffects):
    def __init__(self) -> None:
        super().__init__(apply_owners=IS_ROOT)
        self.seen: list[tuple[str, str, str]] = []

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        self.seen.append((moment, kind, target))

    def kinds(self) -> list[str]:
        return [kind for moment, kind, _ in self.seen if moment == "before"]


@pytest.fixture
def plain() -> Effects:
    return Effects(apply_owners=IS_ROOT)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_every_public_method_is_a_primitive_or_made_of_primitives():
    public = {name for name, _ in inspect.getmembers(Effects, inspect.isfunction) if not name.startswith("_")}
    assert public == {*PRIMITIVES, *COMPOSED}


def test_every_primitive_is_observed_before_and_after_with_its_absolute_target(tmp_path):
    recording = Recording()
    (tmp_path / "old").write_text("x")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        recording.mkdir("d", 0o755, dir_fd=fd)
        new = recording.create("f", dir_fd=fd)
        recording.write(new, b"content")
        recording.fsync(new)
        os.close(new)
        recording.link("f", "g", src_dir_fd=fd, dst_dir_fd=fd)
        recording.symlink("f", "s", dir_fd=fd)
        recording.rename("f", "h", src_dir_fd=fd, dst_dir_fd=fd)
        recording.rename_no_replace("h", "i", src_dir_fd=fd, dst_dir_fd=fd)
        recording.exchange("i", "d", src_dir_fd=fd, dst_dir_fd=fd)
        recording.chmod("g", 0o600, dir_fd=fd)
        recording.chown("g", -1, -1, dir_fd=fd)
        recording.setxattr("g", "user.moss", b"1", dir_fd=fd)
        recording.unlink("g", dir_fd=fd)
        recording.rmdir("i", dir_fd=fd)
        recording.syncfs(fd)
        recording.commit_point("generation 7")
    finally:
        os.close(fd)
    assert set(recording.kinds()) == set(PRIMITIVES)
    pairs = zip(recording.seen[::2], recording.seen[1::2], strict=True)
    assert all(before == ("before", *after[1:]) and after[0] == "after" for before, after in pairs)
    targets = [target for moment, _, target in recording.seen if moment == "before"]
    assert targets[:4] == [f"{tmp_path}/d", f"{tmp_path}/f", f"{tmp_path}/f", f"{tmp_path}/f"]
    assert targets[4:6] == [f"{tmp_path}/f -> {tmp_path}/g", f"{tmp_path}/s"]
    assert targets[-2:] == [str(tmp_path), "generation 7"]


def test_composed_effects_change_nothing_outside_primitives(tmp_path):
    """What the disk holds changes only between a "before" and its "after"."""

    class Watching(Recording):
        last: list[tuple[str, int, bytes]] | None = None

        def observe(self, moment: Moment, kind: str, target: str) -> None:
            found = sorted(
                (str(path), path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
                for path in tmp_path.rglob("*")
            )
            if moment == "before" and self.last is not None:
                assert found == self.last, f"something changed outside an effect, before {kind} {target}"
            self.last = found
            super().observe(moment, kind, target)

    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "f").write_text("x")
    watching = Watching()
    watching.write_new(str(tmp_path / "a"), [b"1", b"2"], mode=0o755)
    watching.write_new(str(tmp_path / "b"), b"1", mode=0o640)
    watching.replace_file(str(tmp_path / "a"), b"3", uid=1, gid=2, mode=0o4755)
    watching.remove_tree(str(tmp_path / "tree"))
    assert watching.kinds() == [
        *("create", "write", "write"),  # mode and owner are what they shall be from the beginning
        *("create", "write", "chmod"),
        *("create", "write", "chown", "chmod", "fsync", "rename", "fsync"),
        *("unlink", "rmdir", "rmdir"),
    ]


def test_modes_are_exact_whatever_the_umask(tmp_path, plain):
    before = os.umask(0o077)
    try:
        plain.mkdir(str(tmp_path / "d"), 0o1777)
        plain.mkdir(str(tmp_path / "g"), 0o2755)
        plain.write_new(str(tmp_path / "f"), b"", mode=0o4755)
        plain.write_new(str(tmp_path / "usual"), b"", mode=0o644)
    finally:
        os.umask(before)
    assert (mode_of(tmp_path / "d"), mode_of(tmp_path / "g")) == (0o1777, 0o2755)
    assert (mode_of(tmp_path / "f"), mode_of(tmp_path / "usual")) == (0o4755, 0o644)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owners_are_exact_whatever_the_directory_says(tmp_path):
    (tmp_path / "shared").mkdir()
    os.chown(tmp_path / "shared", 0, 5)
    (tmp_path / "shared").chmod(0o2777)
    effects = Effects(apply_owners=True)
    effects.write_new(str(tmp_path / "shared/plain"), b"", mode=0o644)
    effects.write_new(str(tmp_path / "shared/secret"), b"", mode=0o640, gid=7)
    found = [(tmp_path / "shared" / name).stat() for name in ("plain", "secret")]
    assert [(one.st_uid, one.st_gid, one.st_mode & 0o7777) for one in found] == [(0, 0, 0o644), (0, 7, 0o640)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_no_group_reads_for_a_moment_what_another_one_may(tmp_path):
    class Watching(Recording):
        def observe(self, moment: Moment, kind: str, target: str) -> None:
            if kind != "create" and (shared / "secret").exists():
                found = (shared / "secret").stat()
                assert found.st_gid == 0 or not found.st_mode & 0o070, f"{moment} {kind}"
            super().observe(moment, kind, target)

    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, 0, 5)
    shared.chmod(0o2777)
    Watching().write_new(str(shared / "secret"), b"x", mode=0o640)
    found = (shared / "secret").stat()
    assert (found.st_gid, found.st_mode & 0o7777) == (0, 0o640)


def test_a_directory_below_a_setgid_directory_has_exactly_its_mode(tmp_path, plain):
    plain.mkdir(str(tmp_path / "g"), 0o2755)
    plain.mkdir(str(tmp_path / "g" / "d"), 0o755)
    assert mode_of(tmp_path / "g" / "d") == 0o755


@pytest.mark.skipif(not IS_ROOT, reason="only root may give files away")
def test_owners_are_applied_and_setuid_survives_it(tmp_path):
    Effects(apply_owners=True).write_new(str(tmp_path / "f"), b"x", mode=0o4750, uid=7, gid=8)
    found = (tmp_path / "f").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (7, 8, 0o4750)


def test_an_ordinary_user_s_owners_are_not_applied(tmp_path):
    ordinary = Effects(apply_owners=False)
    ordinary.write_new(str(tmp_path / "f"), b"x", uid=4321, gid=4321, xattrs={"security.capability": b"?"})
    ordinary.chown(str(tmp_path / "f"), 4321, 4321)
    assert (tmp_path / "f").stat().st_uid == os.geteuid()


def test_chmod_and_chown_stop_at_symlinks(tmp_path, plain):
    (tmp_path / "victim").write_text("")
    (tmp_path / "victim").chmod(0o600)
    (tmp_path / "link").symlink_to("victim")
    with pytest.raises(OSError) as caught:
        plain.chmod(str(tmp_path / "link"), 0o777)
    assert caught.value.filename == str(tmp_path / "link")
    assert mode_of(tmp_path / "victim") == 0o600
    if IS_ROOT:
        plain.chown(str(tmp_path / "link"), 5, 5)
        assert (tmp_path / "victim").stat().st_uid == 0
        assert (tmp_path / "link").lstat().st_uid == 5


def test_a_symlink_is_linked_itself(tmp_path, plain):
    (tmp_path / "link").symlink_to("nowhere")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        plain.link("link", "second", src_dir_fd=fd, dst_dir_fd=fd)
    finally:
        os.close(fd)
    assert os.readlink(tmp_path / "second") == "nowhere"


def test_write_new_never_writes_over_anything(tmp_path, plain):
    (tmp_path / "f").write_text("mine")
    (tmp_path / "link").symlink_to("elsewhere")
    for name in ("f", "link"):
        with pytest.raises(FileExistsError):
            plain.write_new(str(tmp_path / name), b"other")
    assert (tmp_path / "f").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_write_that_the_system_takes_only_in_part_is_never_taken_for_whole(tmp_path, plain):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # write() then takes 1000 of 1500 bytes
    try:
        with pytest.raises(OSError, match="too large"):
            plain.write_new(str(tmp_path / "f"), bytes(1500))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "f").exists()


def test_a_failed_write_leaves_no_file(tmp_path, plain):
    def chunks():
        yield b"first"
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError):
        plain.write_new(str(tmp_path / "f"), chunks())
    (tmp_path / "g").write_text("old")
    with pytest.raises(OSError):
        plain.replace_file(str(tmp_path / "g"), chunks())
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
    assert (tmp_path / "g").read_text() == "old"


def test_replace_file_replaces_a_link_and_clears_what_a_crash_left(tmp_path, plain):
    (tmp_path / "target").write_text("kept")
    (tmp_path / "f").symlink_to("target")
    (tmp_path / ".f.moss-new").symlink_to("target")
    plain.replace_file(str(tmp_path / "f"), b"new", mode=0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "target"]
    assert (tmp_path / "target").read_text() == "kept"
    assert (tmp_path / "f").read_text() == "new"
    assert mode_of(tmp_path / "f") == 0o600


def test_replace_file_works_with_the_longest_names(tmp_path, plain):
    name = "ä" * 127
    plain.replace_file(str(tmp_path / name), b"1")
    plain.replace_file(str(tmp_path / name), b"2")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_replace_file_syncs_content_before_the_rename_and_the_name_after(tmp_path):
    recording = Recording()
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        recording.replace_file("f", b"x", dir_fd=fd)
    finally:
        os.close(fd)
    told = [(kind, target) for moment, kind, target in recording.seen if moment == "after"]
    assert told[-3:] == [
        ("fsync", f"{tmp_path}/.f.moss-new"),
        ("rename", f"{tmp_path}/.f.moss-new -> {tmp_path}/f"),
        ("fsync", f"{tmp_path}/."),
    ]


def test_two_directories_change_places(tmp_path, plain):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"was-{name}").touch()
    plain.exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "a" / "was-b").exists()
    assert (tmp_path / "b" / "was-a").exists()


def test_rename_no_replace_refuses_a_taken_name(tmp_path, plain):
    (tmp_path / "a").touch()
    (tmp_path / "b").write_text("kept")
    with pytest.raises(FileExistsError) as caught:
        plain.rename_no_replace(str(tmp_path / "a"), str(tmp_path / "b"))
    assert caught.value.filename2 == str(tmp_path / "b")
    assert (tmp_path / "b").read_text() == "kept"


def test_a_file_system_that_cannot_exchange_is_a_clear_refusal(tmp_path, plain):
    def cannot(*_arguments: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1

    plain._renameat2 = cannot
    with pytest.raises(MossError, match="renameat2") as caught:
        plain.exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert str(tmp_path / "a") in caught.value.message
    assert caught.value.remedies
    plain._renameat2 = None
    with pytest.raises(MossError, match="renameat2"):
        plain.exchange(str(tmp_path / "a"), str(tmp_path / "b"))


def test_remove_tree_takes_read_only_directories_and_never_follows_links(tmp_path, plain):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    below = tmp_path / "tree" / "a" / "b"
    below.mkdir(parents=True)
    (below / "f").touch()
    (below / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "tree" / "out").symlink_to("../outside")
    below.chmod(0o000)
    below.parent.chmod(0o555)
    plain.remove_tree(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()
    assert (tmp_path / "outside" / "kept").exists()


def test_remove_tree_refuses_a_link_and_does_not_mind_nothing(tmp_path, plain):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").touch()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(NotADirectoryError):
        plain.remove_tree(str(tmp_path / "link"))
    plain.remove_tree(str(tmp_path / "nothing"))
    assert (tmp_path / "real" / "f").exists()


def test_remove_tree_removes_what_is_deeper_than_any_path(tmp_path, plain):
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    try:
        plain.remove_tree(str(tmp_path / "d"))
        assert not list(tmp_path.iterdir())
    finally:  # what pytest itself could not remove would fail every later run
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_remove_tree_leaves_file_modes_of_other_links_alone(tmp_path, plain):
    (tmp_path / "asset").touch()
    (tmp_path / "asset").chmod(0o444)
    (tmp_path / "tree").mkdir()
    os.link(tmp_path / "asset", tmp_path / "tree" / "f")
    plain.remove_tree(str(tmp_path / "tree"))
    assert mode_of(tmp_path / "asset") == 0o444


@pytest.mark.skipif(not IS_ROOT, reason="only root may mount")
def test_remove_tree_refuses_when_something_is_mounted_in_it(tmp_path, plain):
    point = tmp_path / "tree" / "with space"
    point.mkdir(parents=True)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "kept").touch()
    if os.system(f"mount --bind '{tmp_path}/source' '{point}' 2>/dev/null"):
        pytest.skip("this machine lets nobody bind mount")
    try:
        with pytest.raises(MossError, match="mounted on") as caught:
            plain.remove_tree(str(tmp_path / "tree"))
        assert caught.value.remedies
    finally:
        os.system(f"umount '{point}'")
    assert (tmp_path / "source" / "kept").exists()


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, NoSpace),
        (errno.EDQUOT, NoSpace),
        (errno.EROFS, PermissionRefused),
        (errno.EACCES, PermissionRefused),
        (errno.EPERM, PermissionRefused),
        (errno.EIO, CorruptData),
        (errno.EMFILE, MossError),
        (errno.ENFILE, MossError),
        (errno.EXDEV, MossError),
        (errno.EMLINK, MossError),
        (errno.ENOTSUP, MossError),
        (errno.ELOOP, MossError),
        (errno.EBUSY, MossError),
    ],
)
def test_a_fault_of_the_world_is_said_with_its_file_and_a_remedy(number, kind):
    with pytest.raises(MossError) as caught, as_moss_error("make generation 7"):
        raise OSError(number, os.strerror(number), "/usr/lib/x")
    assert type(caught.value) is kind
    assert "make generation 7" in caught.value.message
    assert caught.value.message.count("/usr/lib/x") == 1
    assert caught.value.remedies
    assert isinstance(caught.value.__cause__, OSError)


def test_a_fault_below_a_directory_descriptor_names_the_whole_path(tmp_path, plain):
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        for act in (
            lambda: plain.mkdir("no/d", 0o755, dir_fd=fd),
            lambda: plain.create("no/d", dir_fd=fd),
            lambda: plain.symlink("x", "no/d", dir_fd=fd),
            lambda: plain.unlink("no/d", dir_fd=fd),
            lambda: plain.rmdir("no/d", dir_fd=fd),
            lambda: plain.chmod("no/d", 0o644, dir_fd=fd),
            lambda: plain.fsync("no/d", dir_fd=fd),
            lambda: plain.setxattr("no/d", "user.x", b"", dir_fd=fd),
            lambda: plain.link("no/d", "e", src_dir_fd=fd, dst_dir_fd=fd),
            lambda: plain.rename("no/d", "e", src_dir_fd=fd, dst_dir_fd=fd),
            lambda: plain.exchange("no/d", "e", src_dir_fd=fd, dst_dir_fd=fd),
        ):
            with pytest.raises(FileNotFoundError) as caught:
                act()
            assert caught.value.filename == f"{tmp_path}/no/d"
    finally:
        os.close(fd)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError) as caught:
            plain.write(full, b"x")
    finally:
        os.close(full)
    assert caught.value.filename == "/dev/full"
