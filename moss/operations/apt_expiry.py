"""Until when what an apt repository has signed is good. Every plan asks, so it loads nothing that verifies."""

import os
import time
from collections.abc import Iterator

from moss.debian.release import valid_until
from moss.debian.source import AptSource
from moss.errors import TrustFailure
from moss.operations.system import System
from moss.repository import Repository

_DAY = 86400


def kept_release(system: System, repository: Repository, suite: str) -> str:
    """Where the Release of a suite lies that was verified last."""
    return os.path.join(system.root.trust_of(repository.name), "apt", f"{suite.replace('/', '_')}.release")


def stale_days(system: System, repository: Repository) -> int:
    """Begun days since what was verified last of its suites has expired; 0 while it is good."""
    moments = [moment for _, moment in _valid_until(system, repository)]
    late = system.clock() - min(moments, default=system.clock() + 1)
    return 0 if late < 0 else late // _DAY + 1


def refuse_stale(system: System, repository: Repository) -> None:
    """TrustFailure where what was verified last has expired, for longer than the person accepts."""
    for suite, moment in _valid_until(system, repository):
        refuse_expired(system, repository, suite, moment)


def _valid_until(system: System, repository: Repository) -> Iterator[tuple[str, int]]:
    """Until when what was verified last of its suites is good, where that says so."""
    for suite in AptSource.parse(repository.uri).suites:
        try:
            with open(kept_release(system, repository, suite), encoding="utf-8") as file:
                moment = valid_until(file, file.name)
        except FileNotFoundError:
            continue
        if moment is not None:
            yield suite, moment


def refuse_expired(system: System, repository: Repository, suite: str, moment: int) -> None:
    """TrustFailure where what is good until then is taken no more."""
    days = (system.clock() - moment) // _DAY + 1
    if system.clock() <= moment or days <= repository.vouching.max_staleness:
        return
    raise TrustFailure(
        f"what {repository.name} has signed of {suite} was valid until {day(moment)} only",
        because=["a mirror that is no longer kept up, or somebody who keeps newer packages away, looks like this"],
        remedies=[
            f"moss repo update {repository.name}",
            "use another mirror",
            f"where there is no network: moss repo trust {repository.name} --max-staleness {days}",
        ],
    )


def day(moment: int) -> str:
    """As messages have it."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))
