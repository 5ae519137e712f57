"""Around the commit point nothing may stop half way: signals wait until it is passed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_HELD_BACK = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and requests to end back while inside; they arrive afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
