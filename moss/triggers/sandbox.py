"""The place that triggers run in: a root of its own around an overlay of the new tree.

    /usr            the tree below, read-only to everyone; what is written goes to a directory of its own
    /etc            a copy of the tree's factory; thrown away, as everything else that is not /usr
    /dev            null zero full random urandom shm; /proc of its own; /tmp /var /run empty
    no network, no other processes, no way to devices, mounts or the system's own files

This is the child's side: `enter` is called in a process that was made for it, and leaves it there.
As an ordinary user the same is made in a namespace of users, where that user is root and nobody else is.
"""

import os
import resource
import shutil
import signal
import stat

from moss.root import ROOT_LINKS
from moss.triggers.confining import adopt_orphans, landlock_version, without_network, write_only_below
from moss.triggers.descendants import end_descendants
from moss.triggers.kernel import MountFlag, Namespace, die_with_parent, keep_capabilities, mount, unshare
from moss.triggers.values import Isolation
from solver.values import value

_EVERYTHING = (
    Namespace.MOUNTS | Namespace.NAMES | Namespace.MESSAGES | Namespace.PROCESSES | Namespace.NETWORK
)
_PLAIN = MountFlag.NO_SETUID | MountFlag.NO_DEVICES
_DEVICES = ("null", "zero", "full", "random", "urandom")
_EMPTY = {"dev": 0o755, "proc": 0o755, "run": 0o755, "tmp": 0o1777, "var": 0o755, "root": 0o700, "usr": 0o755}
_FACTORY = "/usr/share/factory/etc"
_ROOT_BYTES = 512 << 20

PARTS = ("upper", "work", "root")
"""Of a scratch directory: what is written, what the overlay needs for itself, where the root is made."""

CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETFCAP = 0, 1, 3, 4, 5, 6, 7, 31
_KEPT_CAPABILITIES = frozenset({CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETFCAP})


@value
class Sandbox:
    """Where the pieces are, below `base`: the kernel takes no path with a colon or a comma for an overlay."""

    base: str
    """An absolute path."""
    tree: str
    """The tree of /usr that is seen and never written to. This and the others are relative to `base`."""
    seen_before: tuple[str, ...]
    """What others wrote, over the tree; the latest first."""
    scratch: str
    """Has what PARTS names in it, all of them directories."""
    isolation: Isolation = Isolation.OVERLAY
    copy: str = ""
    """Without an overlay: the private copy that is written to. It is the only thing in its directory."""

    @property
    def upper(self) -> str:
        """Where what is written to /usr goes, relative to `base`."""
        return os.path.join(self.scratch, "upper")


def enter(sandbox: Sandbox) -> None:
    """Come back as the first process of the sandbox, in its root. The process that called waits for it
    and ends as it ends. OSError where the kernel has not what it takes, with nothing left behind."""
    os.chdir(sandbox.base)
    _let_go_of_the_terminal()
    if sandbox.isolation is Isolation.CHROOT:
        _enter_copy(sandbox)
        return
    _leave_namespaces()
    child = os.fork()
    if child:
        os._exit(_ended(child))
    die_with_parent()
    _make_root(sandbox)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    keep_capabilities(_KEPT_CAPABILITIES)
    os.umask(0o022)


def _enter_copy(sandbox: Sandbox) -> None:
    """Go into a root that is made around the private copy, with what there is where namespaces are not."""
    _be_watched()
    root = os.path.dirname(sandbox.copy)
    _make_bare_root(root)
    os.chroot(root)
    os.chdir("/")
    _copy_factory()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    keep_capabilities(_KEPT_CAPABILITIES - {KILL})
    without_network()
    write_only_below(["/"], alone=True)
    os.umask(0o022)


def _be_watched() -> None:
    """Go on in a child; the process that calls waits for it, ends what it leaves running, and ends as it does."""
    adopt_orphans()
    child = os.fork()
    if child:
        code = _ended(child)
        end_descendants(os.getpid())
        os._exit(code)
    die_with_parent()


def _make_bare_root(root: str) -> None:
    """All but /usr, which is there, made anew: what the trigger before left is gone."""
    for name in os.listdir(root):
        path = os.path.join(root, name)
        if name != "usr":
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    os.chmod(root, 0o755)
    for name, mode in _EMPTY.items():
        if name != "usr":
            os.mkdir(os.path.join(root, name))
            os.chmod(os.path.join(root, name), mode)
    for name in ROOT_LINKS:
        os.symlink(f"usr/{name}", os.path.join(root, name))
    dev = os.path.join(root, "dev")
    os.mkdir(os.path.join(dev, "shm"), 0o1777)
    for name in _DEVICES:
        made = os.path.join(dev, name)
        try:
            os.mknod(made, stat.S_IFCHR | 0o666, os.stat(f"/dev/{name}").st_rdev)
            os.chmod(made, 0o666)
            os.close(os.open(made, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:  # no devices here: what is written to null is kept until the end, and the others are missing
            if os.path.lexists(made):
                os.unlink(made)
            if name == "null":
                os.close(os.open(made, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))


def _ended(child: int) -> int:
    """Of a child's end, what this process ends with; others that were handed to this one are taken leave of."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            break
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def enter_root(root: str) -> None:
    """Go into a root for good; `/` is where this process is already. Its /usr can only be read: files in it are links
    to the store's, and moss's own directory seems to be empty. Another root gets a /dev and a /proc that only this
    process sees. OSError where that may not be. What is left running in it ends with this process's child, in which
    this comes back."""
    _let_go_of_the_terminal()
    _be_watched()
    try:
        unshare(Namespace.MOUNTS)
        mount("none", "/", None, MountFlag.RECURSIVE | MountFlag.PRIVATE)
    except OSError:
        if landlock_version() == 0:
            raise
        _enter_root_confined(root)
        return
    usr = os.path.join(root, "usr")
    mount(usr, usr, None, MountFlag.BIND)
    mount("none", usr, None, MountFlag.BIND | MountFlag.REMOUNT | MountFlag.READ_ONLY)
    state = os.path.join(root, ".moss")
    if os.path.isdir(state):
        mount("moss", state, "tmpfs", _PLAIN | MountFlag.READ_ONLY, "mode=700,size=4k")
    if root != "/":
        dev = os.path.join(root, "dev")
        mount("moss", dev, "tmpfs", MountFlag.NO_SETUID, "mode=755,size=1M")
        mount_devices(dev)
        mount("proc", os.path.join(root, "proc"), "proc", _PLAIN | MountFlag.NO_EXECUTION)
        os.chroot(root)
    os.chdir("/")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o022)


def _enter_root_confined(root: str) -> None:
    """The same without namespaces: nothing can be written but in the root's directories beside /usr and moss's own."""
    if root != "/":
        os.chroot(root)
    os.chdir("/")
    with os.scandir("/") as listing:
        names = [one.name for one in listing if one.is_dir(follow_symlinks=False)]
    write_only_below([f"/{name}" for name in names if name not in ("usr", ".moss")], alone=False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o022)


def _let_go_of_the_terminal() -> None:
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def _leave_namespaces() -> None:
    if os.geteuid() == 0:
        unshare(_EVERYTHING)
        return
    to_be_root(_EVERYTHING)


def to_be_root(namespaces: Namespace) -> None:
    """Leave these namespaces, and that of users: this user is root in the new one, and nobody else is there."""
    user, group = os.geteuid(), os.getegid()
    unshare(namespaces | Namespace.USERS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _make_root(sandbox: Sandbox) -> None:
    mount("none", "/", None, MountFlag.RECURSIVE | MountFlag.PRIVATE)
    root = os.path.join(sandbox.scratch, "root")
    mount("moss", root, "tmpfs", _PLAIN, f"mode=755,size={_ROOT_BYTES}")
    for name, mode in _EMPTY.items():
        os.mkdir(os.path.join(root, name))
        os.chmod(os.path.join(root, name), mode)
    for name in ROOT_LINKS:
        os.symlink(f"usr/{name}", os.path.join(root, name))
    _mount_usr(sandbox, os.path.join(root, "usr"))
    mount_devices(os.path.join(root, "dev"))
    mount("proc", os.path.join(root, "proc"), "proc", _PLAIN | MountFlag.NO_EXECUTION)
    os.chdir(root)
    mount(".", "/", None, MountFlag.MOVE)
    os.chroot(".")
    os.chdir("/")
    _copy_factory()


def _mount_usr(sandbox: Sandbox, usr: str) -> None:
    if sandbox.isolation is Isolation.COPY:
        mount(sandbox.copy, usr, None, MountFlag.BIND)
        mount("none", usr, None, MountFlag.BIND | MountFlag.REMOUNT | _PLAIN)
        return
    lower = ":".join((*sandbox.seen_before, sandbox.tree))
    mount_overlay(lower, sandbox.upper, os.path.join(sandbox.scratch, "work"), usr)


def mount_overlay(lower: str, upper: str, work: str, place: str) -> None:
    """Show what is `lower` at a place; what is written there goes to `upper`. None of them has a comma in it."""
    # As an ordinary user the overlay keeps its marks where that user may write them.
    kind = "redirect_dir=nofollow,metacopy=off,index=off" if _is_privileged() else "userxattr"
    mount("moss", place, "overlay", _PLAIN, f"lowerdir={lower},upperdir={upper},workdir={work},{kind}")


def _is_privileged() -> bool:
    """Whether this is the first namespace of users."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() == ["0", "0", "4294967295"]


def _copy_factory() -> None:
    """In the new root already, and only where it is no link to something else: to all there is, or to the system's."""
    if os.path.isdir(_FACTORY) and os.path.realpath(_FACTORY) == _FACTORY:
        shutil.copytree(_FACTORY, "/etc", symlinks=True)
    else:
        os.mkdir("/etc")
    if os.path.lexists("/etc/machine-id"):
        os.unlink("/etc/machine-id")


def mount_devices(dev: str) -> None:
    """The few devices that every program may count on, in an empty directory."""
    for name in _DEVICES:
        if not stat.S_ISCHR(os.stat(f"/dev/{name}").st_mode):
            continue
        target = os.path.join(dev, name)
        with open(target, "xb"):
            pass
        mount(f"/dev/{name}", target, None, MountFlag.BIND)
    os.symlink("/proc/self/fd", os.path.join(dev, "fd"))
    os.mkdir(os.path.join(dev, "shm"))
    os.chmod(os.path.join(dev, "shm"), 0o1777)
