"""The Release of an apt repository's suite: fetched, verified by a keyring, and never taken older again.

    InRelease               asked for on condition, at the repository's own place, then at its mirrors
    Release, Release.gpg    where there is no InRelease
    release_of(...)         signed by the keyring, of the suite that was asked for, not older than the last one, not of
                            the future, not expired

What was verified last lies in .moss/trust/NAME/apt, outside generations.
"""

import json
import os
from collections.abc import Sequence

from moss.debian.clear_signed import BEGIN, MOST_SIGNATURES, take_apart
from moss.debian.release import Release, parse_release
from moss.errors import MossError, NetworkFailure, NotFound, TrustFailure
from moss.fetch.document import Unchanged, fetch_document
from moss.fetch.transport import Validators
from moss.fetch.uris import relative_to, shown
from moss.foreign.openpgp import signed_text, verify_signatures
from moss.operations.apt_expiry import day, kept_release, refuse_expired
from moss.operations.system import System
from moss.repository import Repository, Seen, Voucher

_RELEASE_LIMIT = 16 << 20
_OWN_KEYRINGS = (
    "/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d", "/usr/share/keyrings/debian-archive-keyring.gpg",
)  # fmt: skip
_AHEAD = 3600
"""Seconds by which clocks may differ."""


def keyrings_of(repository: Repository) -> tuple[str, ...]:
    """The files with the keys that vouch: the one that was named, else those that this machine's apt goes by."""
    if repository.vouching.pinned:
        return (repository.vouching.pinned,)
    found: list[str] = []
    for place in _OWN_KEYRINGS:
        if os.path.isdir(place):
            names = [name for name in sorted(os.listdir(place)) if name.endswith((".gpg", ".asc"))]
            found += [os.path.join(place, name) for name in names]
        elif os.path.isfile(place):
            found.append(place)
    return tuple(found)


def release_of(
    system: System, repository: Repository, suite: str, bases: Sequence[str], seen: Seen
) -> tuple[Release | None, Seen]:
    """What a suite has now; None where the server says that it is as it was `seen`: whether that is still good is the
    caller's to ask.

    NotFound, NetworkFailure: what the first place said, and the others beside it. TrustFailure, CorruptData.
    """
    failures: list[MossError] = []
    for base in bases:
        try:
            return _from(system, repository, suite, base, seen)
        except (NotFound, NetworkFailure) as failure:
            failures.append(failure)
    failures[0].because = (*failures[0].because, *(one.message for one in failures[1:]))
    raise failures[0]


def _from(
    system: System, repository: Repository, suite: str, base: str, seen: Seen
) -> tuple[Release | None, Seen]:
    uri = relative_to(base, f"dists/{suite}/InRelease")
    asked = Validators(seen.etag, seen.last_modified) if seen.asked == uri else None
    try:
        answer = fetch_document(uri, _RELEASE_LIMIT, asked, transport=system.transport)
    except NotFound:
        text = _detached(system, repository, relative_to(base, f"dists/{suite}/Release"))
        if text is None:
            raise _no_suite(base, suite) from None
        return _acceptable(system, repository, suite, text, uri.replace("InRelease", "Release")), Seen()
    if isinstance(answer, Unchanged):
        return None, seen
    now = Seen("", uri if answer.validators else "", answer.validators.etag, answer.validators.last_modified)
    return _acceptable(system, repository, suite, _signed(repository, answer.content, shown(uri)), shown(uri)), now


def _no_suite(base: str, suite: str) -> NotFound:
    return NotFound(
        f"{shown(base)} has no suite {suite}",
        because=[f"neither dists/{suite}/InRelease nor a signed Release is there"],
        remedies=[f"look which there are: {shown(base)}dists/", "--suite NAME"],
    )


def _signed(repository: Repository, content: bytes, name: str) -> bytes:
    if repository.vouching.by is not Voucher.NOBODY:
        return signed_text(content, keyrings_of(repository), name)
    return take_apart(content, name).text if content.startswith(BEGIN) else content


def _detached(system: System, repository: Repository, uri: str) -> bytes | None:
    """A Release with its signatures beside it; None where there is none either."""
    try:
        text = fetch_document(uri, _RELEASE_LIMIT, transport=system.transport)
        if repository.vouching.by is Voucher.NOBODY:
            signatures = None
        else:
            signatures = fetch_document(f"{uri}.gpg", MOST_SIGNATURES, transport=system.transport)
    except NotFound:
        return None
    assert not isinstance(text, Unchanged) and not isinstance(signatures, Unchanged), "no condition was said"
    if signatures is not None:
        verify_signatures(text.content, signatures.content, keyrings_of(repository), shown(uri))
    return text.content


def _acceptable(system: System, repository: Repository, suite: str, text: bytes, uri: str) -> Release:
    """What is signed, if it may be taken; from then on nothing older may."""
    release = parse_release(text.decode("utf-8", "replace"), uri)
    if repository.vouching.by is Voucher.NOBODY:
        return release
    _refuse_another_suite(release, suite, uri)
    _refuse_other_times(release, last_release(system, repository, suite), system.clock(), uri)
    if release.valid_until is not None:
        refuse_expired(system, repository, suite, release.valid_until)
    _keep(system, repository, suite, text)
    return release


def _refuse_another_suite(release: Release, suite: str, uri: str) -> None:
    plain = suite.removesuffix("/")
    names = {release.suite, release.codename, release.codename.partition("/")[0]}
    if plain not in names and plain.partition("/")[0] not in names:
        raise TrustFailure(
            f"{uri} is the Release of {release.suite or release.codename or 'no suite'}, and {suite} was asked for",
            remedies=["name that suite", "use another mirror: this one mixes suites up"],
        )


def _refuse_other_times(release: Release, last: Release | None, now: int, uri: str) -> None:
    if last is not None and release.date < last.date:
        raise TrustFailure(
            f"{uri} is older than what was verified before",
            because=[
                f"it is of {day(release.date)}, that was of {day(last.date)}",
                "somebody may be keeping newer packages from this system",
            ],
            remedies=["use another mirror", "ask the mirror's maker"],
        )
    if release.date > now + _AHEAD:
        raise TrustFailure(
            f"{uri} is of {day(release.date)}, which is still to come",
            because=[f"this machine says that it is {day(now)}"],
            remedies=["look whether this machine's clock is right: date", "use another mirror"],
        )


def seen_of(system: System, repository: Repository, suite: str) -> Seen:
    """How the Release was come by that was verified last of a suite, for the next request to say."""
    release = kept_release(system, repository, suite)
    try:
        with open(f"{release}.seen", encoding="utf-8") as file:
            asked, etag, last_modified = json.loads(file.read())
    except (FileNotFoundError, ValueError, TypeError):
        return Seen()
    return Seen("", str(asked), str(etag), str(last_modified)) if os.path.isfile(release) else Seen()


def keep_seen(system: System, repository: Repository, suite: str, seen: Seen) -> None:
    if repository.vouching.by is not Voucher.NOBODY:  # of those no Release is kept
        content = json.dumps([seen.asked, seen.etag, seen.last_modified]).encode() + b"\n"
        system.effects.replace_file(f"{kept_release(system, repository, suite)}.seen", content, mode=0o600)


def last_release(system: System, repository: Repository, suite: str) -> Release | None:
    """The Release that was verified last."""
    place = kept_release(system, repository, suite)
    try:
        with open(place, encoding="utf-8") as file:
            return parse_release(file.read(), place)
    except FileNotFoundError:
        return None


def _keep(system: System, repository: Repository, suite: str, text: bytes) -> None:
    """From now on nothing older is taken."""
    place = kept_release(system, repository, suite)
    made = system.root.below(".moss", "trust")
    for part in ("", repository.name, "apt"):
        made = os.path.join(made, part) if part else made
        if not os.path.isdir(made):
            system.effects.mkdir(made, 0o700)
    system.effects.replace_file(place, text, mode=0o600)
