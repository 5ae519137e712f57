"""Until when what an apt repository has signed is good. Every plan asks, so it loads nothing that verifies."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from moss.debian.source import AptSource
from moss.errors import CorruptData, TrustFailure
from moss.operations.system import System
from moss.repository import Repository, Voucher

if TYPE_CHECKING:
    from moss.debian.release import Release

_DAY = 86400


def kept_release(system: System, repository: Repository, suite: str) -> str:
    """Where the Release of a suite lies that was verified last."""
    return os.path.join(system.root.trust_of(repository.name), "apt", f"{suite.replace('/', '_')}.release")


def stale_days(system: System, repository: Repository) -> int:
    """Begun days since what was read of its suites has expired; 0 while it is good."""
    moments = [moment for _, moment in _valid_until(system, repository)]
    late = system.clock() - min(moments, default=system.clock() + 1)
    return 0 if late < 0 else late // _DAY + 1


def refuse_stale(system: System, repository: Repository) -> None:
    """TrustFailure where what was read has expired, for longer than the person accepts."""
    for suite, moment in _valid_until(system, repository):
        refuse_expired(system, repository, suite, moment)


def keep_read(system: System, repository: Repository, releases: "Mapping[str, Release]") -> None:
    """What is offered was read from the indexes that these Releases name: it is good for as long as they are. One that
    was verified, and whose indexes could not be had, makes nothing better."""
    if repository.vouching.by is Voucher.NOBODY:
        return
    content = json.dumps({suite: release.valid_until for suite, release in sorted(releases.items())}).encode() + b"\n"
    path = _read_place(system, repository)
    try:
        with open(path, "rb") as file:
            if file.read() == content:
                return
    except FileNotFoundError:
        pass
    system.effects.replace_file(path, content, mode=0o600)


def _valid_until(system: System, repository: Repository) -> Iterator[tuple[str, int]]:
    """Until when what was read of its suites is good, where they say so."""
    path = _read_place(system, repository)
    try:
        with open(path, "rb") as file:
            said = json.loads(file.read())
    except FileNotFoundError:
        return
    except ValueError as fault:
        remedy = f"moss repo remove {repository.name}, and add it again"
        raise CorruptData("is not as moss wrote it", file=path, remedies=[remedy]) from fault
    for suite in AptSource.parse(repository.uri).suites:
        if said.get(suite) is not None:
            yield suite, int(said[suite])


def _read_place(system: System, repository: Repository) -> str:
    return os.path.join(system.root.trust_of(repository.name), "apt", "read")


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
