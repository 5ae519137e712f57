"""How many files a process may have open: a transaction holds every stone it has verified open until it is unpacked,
since what was verified is never opened again by its name."""

import resource

from moss.errors import MossError

_OTHERS = 64
"""Descriptors for everything else: the record, the store, directories on the way."""


def allow_open_files(count: int) -> None:
    """Let this process have so many files open beside what it needs anyhow. MossError where that is not allowed."""
    needed = count + _OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise MossError(
            f"this takes {count} packages at once, and a process may have {hard} files open here",
            because=["every package stays open from the moment it was verified until it is unpacked"],
            remedies=[f"allow more: ulimit -n {needed}", "install fewer packages at a time"],
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
