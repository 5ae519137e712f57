"""Where triggers of the system's scope run: in the root itself, once /usr is switched."""

import os
import resource
import signal


def enter_root(root: str) -> None:
    """Go into a root for good; `/` is where this process is already. OSError where it may not."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    if root != "/":
        os.chroot(root)
    os.chdir("/")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o022)
