"""What maintainer scripts normally make, declared instead of run.

`RECIPES` says for a package by name what is added to its stone. docs/debian.md lists them for readers.
A recipe gives way to what the package ships itself, and one whose source the package does not have (an
older or newer version of it) is reported and skipped.
"""

from solver.values import value


@value
class Copy:
    """`to` begins as a copy of the package's own `source`."""

    source: str
    to: str


@value
class Concatenation:
    """`to` begins as all files below `directory` that end in `suffix`, in the order of their paths."""

    directory: str
    suffix: str
    to: str


@value
class NameList:
    """`to` begins as the names, relative to `directory`, of the files that end in `suffix`."""

    directory: str
    suffix: str
    to: str


@value
class Text:
    """`to` begins with this content."""

    to: str
    content: str


@value
class Link:
    """`to` is a symlink: in /usr for good, elsewhere where nothing else is."""

    to: str
    target: str


@value
class Directory:
    to: str
    permissions: int = 0o755
    gid: int = 0


@value
class Alternative:
    """`link` is found by way of /etc/alternatives, as update-alternatives does it.

    Packages that offer one alternative have the same link in /usr, which may be in both; which of them
    /etc/alternatives/NAME leads to is said by the first tmpfiles.d file that names it.
    """

    link: str
    path: str


@value
class Capabilities:
    """The package's own file `path` may do what its maintainer script gives it with setcap."""

    path: str
    permitted: int
    """The set, effective too: bit n for the capability that linux/capability.h numbers n."""


@value
class Accounts:
    """Lines of sysusers.d(5)."""

    lines: tuple[str, ...]


@value
class TriggerFile:
    """A trigger that does what the package's own maintainer script, or its dpkg trigger, does; of those that come with
    moss, as a path below /usr/share/moss/triggers."""

    file: str


Recipe = TriggerFile | Copy | Concatenation | NameList | Text | Link | Directory | Alternative | Capabilities | Accounts


def _alternatives(path: str, *links: str) -> tuple[Alternative, ...]:
    return tuple(Alternative(link, path) for link in links)


_VI_LINKS = ("/usr/bin/ex", "/usr/bin/rview", "/usr/bin/vi", "/usr/bin/view", "/usr/bin/editor")
_VIM_LINKS = (*_VI_LINKS, "/usr/bin/rvim", "/usr/bin/vim", "/usr/bin/vimdiff")

_PAM = {
    "auth": "auth required pam_unix.so nullok\n",
    "account": "account required pam_unix.so\n",
    "password": "password required pam_unix.so yescrypt\n",
    "session": "session required pam_unix.so\n-session optional pam_systemd.so\n",
    "session-noninteractive": "session required pam_unix.so\n",
}

_CAP_NET_RAW = 1 << 13

_TRIGGERS = {
    "ca-certificates": ("sys.d/ca-certificates.yaml",),
    "desktop-file-utils": ("tx.d/desktop.yaml",),
    "dracut-core": ("tx.d/initrd.yaml",),
    "fontconfig": ("sys.d/fontconfig.yaml",),
    "gtk-update-icon-cache": ("tx.d/icons.yaml",),
    "initramfs-tools-core": ("tx.d/initrd.yaml",),
    "kmod": ("tx.d/depmod.yaml",),
    "libc-bin": ("sys.d/ldconfig.yaml",),
    "libgdk-pixbuf-2.0-0": ("tx.d/gdk-pixbuf.yaml",),
    "libglib2.0-0": ("tx.d/gio-modules.yaml", "tx.d/glib-schemas.yaml"),
    "libglib2.0-0t64": ("tx.d/gio-modules.yaml", "tx.d/glib-schemas.yaml"),
    "man-db": ("sys.d/man-db.yaml",),
    "python3-minimal": ("tx.d/python.yaml",),
    "shared-mime-info": ("tx.d/mime.yaml",),
    "systemd": ("sys.d/journal-catalog.yaml", "sys.d/sysusers.yaml", "sys.d/tmpfiles.yaml", "sys.d/units.yaml"),
    "udev": ("tx.d/hwdb.yaml",),
}
"""Each comes with the package whose program it runs."""

_MADE: dict[str, tuple[Recipe, ...]] = {
    "base-files": (
        Copy("/usr/share/base-files/profile", "/etc/profile"),
        Copy("/usr/share/base-files/motd", "/etc/motd"),
        Copy("/usr/share/base-files/dot.bashrc", "/root/.bashrc"),
        Copy("/usr/share/base-files/dot.profile", "/root/.profile"),
        Link("/etc/dpkg/origins/default", "debian"),
        Directory("/etc/opt"),
        Directory("/var/opt"),
        Directory("/var/mail", 0o2775, gid=8),
        Link("/var/spool/mail", "../mail"),
        Link("/var/run", "/run"),
        Link("/var/lock", "/run/lock"),
    ),
    "base-passwd": (
        Copy("/usr/share/base-passwd/passwd.master", "/etc/passwd"),
        Copy("/usr/share/base-passwd/group.master", "/etc/group"),
    ),
    "libc-bin": (Copy("/usr/share/libc-bin/nsswitch.conf", "/etc/nsswitch.conf"),),
    "debianutils": (
        Text(
            "/etc/shells",
            "# /etc/shells: valid login shells\n"
            "/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n"
            "/bin/rbash\n/usr/bin/rbash\n/bin/dash\n/usr/bin/dash\n",
        ),
        Alternative("/usr/bin/which", "/usr/bin/which.debianutils"),
    ),
    "libpam-runtime": tuple(Text(f"/etc/pam.d/common-{name}", content) for name, content in _PAM.items()),
    "ca-certificates": (
        Concatenation("/usr/share/ca-certificates", ".crt", "/etc/ssl/certs/ca-certificates.crt"),
        NameList("/usr/share/ca-certificates", ".crt", "/etc/ca-certificates.conf"),
    ),
    "tzdata": (
        Link("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
        Text("/etc/timezone", "Etc/UTC\n"),
    ),
    "dbus": (Accounts(('u messagebus - "System message bus" /nonexistent',)),),
    "udev": (Accounts(("g input -", "g kvm -", "g render -", "g sgx -")),),
    "openssh-server": (
        Copy("/usr/share/openssh/sshd_config", "/etc/ssh/sshd_config"),
        Accounts(('u sshd - "Privilege separation of sshd" /run/sshd',)),
    ),
    "iputils-ping": (Capabilities("/usr/bin/ping", _CAP_NET_RAW),),
    "iputils-arping": (Capabilities("/usr/bin/arping", _CAP_NET_RAW),),
    "gawk": _alternatives("/usr/bin/gawk", "/usr/bin/awk", "/usr/bin/nawk"),
    "mawk": _alternatives("/usr/bin/mawk", "/usr/bin/awk", "/usr/bin/nawk"),
    "original-awk": _alternatives("/usr/bin/original-awk", "/usr/bin/awk"),
    "less": _alternatives("/usr/bin/less", "/usr/bin/pager"),
    "util-linux": _alternatives("/usr/bin/more", "/usr/bin/pager"),
    "nano": _alternatives("/usr/bin/nano", "/usr/bin/editor", "/usr/bin/pico"),
    "vim": _alternatives("/usr/bin/vim.basic", *_VIM_LINKS),
    "vim-nox": _alternatives("/usr/bin/vim.nox", *_VIM_LINKS),
    "vim-tiny": _alternatives("/usr/bin/vim.tiny", *_VI_LINKS),
    "gcc": _alternatives("/usr/bin/gcc", "/usr/bin/cc"),
    "g++": _alternatives("/usr/bin/g++", "/usr/bin/c++"),
    "tar": _alternatives("/usr/sbin/rmt-tar", "/usr/sbin/rmt"),
    "cpio": _alternatives("/usr/bin/mt-gnu", "/usr/bin/mt"),
    "netcat-openbsd": _alternatives("/usr/bin/nc.openbsd", "/usr/bin/nc", "/usr/bin/netcat"),
    "netcat-traditional": _alternatives("/usr/bin/nc.traditional", "/usr/bin/nc", "/usr/bin/netcat"),
    "fakeroot": _alternatives("/usr/bin/fakeroot-sysv", "/usr/bin/fakeroot"),
    "iptables": (
        *(
            Alternative(f"/usr/sbin/{family}{verb}", f"/usr/sbin/{family}-nft{verb}")
            for family in ("iptables", "ip6tables")
            for verb in ("", "-restore", "-save")
        ),
    ),
}

RECIPES: dict[str, tuple[Recipe, ...]] = {
    package: (*_MADE.get(package, ()), *map(TriggerFile, _TRIGGERS.get(package, ())))
    for package in sorted({*_MADE, *_TRIGGERS})
}
"""What is added to a package, by its name."""
