"""repo …: where packages come from, in which order, and who vouches for them."""

from typing import TYPE_CHECKING, Annotated, assert_never

from moss.cli.as_json import moment_data
from moss.cli.changing import opened
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, moment, plain, table
from moss.operations import repositories
from moss.operations.refreshing import Refresh, update_repositories
from moss.operations.repositories import RepositoryState
from moss.operations.vouching import Said
from moss.repository import Repository, Voucher

if TYPE_CHECKING:
    from collections.abc import Callable

    from moss.operations.system import System
    from moss.tuf.trusted import Verified


_Trust = Annotated[
    str | None,
    Option("--trust", metavar="ROOT", help="Pin this root: its file, or sha256:FINGERPRINT, which is then fetched."),
]
_Unsigned = Annotated[bool, Option("--unsigned", help="Accept that nobody vouches for its content.")]
_MaxStaleness = Annotated[
    int | None,
    Option("--max-staleness", metavar="DAYS", min=0, help="Take what is signed for so long after it has expired."),
]


def repo_add(
    session: Session,
    name: Annotated[str, Argument(metavar="NAME", help="What you want to call it.")],
    uri: Annotated[
        str,
        Argument(
            metavar="URI",
            help="Of its stone.index: https://… or a path. Of a Debian mirror or apt's lists: apt+file:DIR.",
        ),
    ],
    trust: _Trust = None,
    unsigned: _Unsigned = False,
    max_staleness: _MaxStaleness = None,
    priority: Annotated[
        int, Option("--priority", metavar="N", help="The higher one wins where two offer a package.")
    ] = 0,
    suites: Annotated[
        list[str] | None,
        Option("--suite", metavar="SUITE", help="Of a Debian mirror; several times."),
    ] = None,
    components: Annotated[
        list[str] | None,
        Option("--component", metavar="NAME", help="All of the suite's when left out; several times."),
    ] = None,
    architecture: Annotated[
        str, Option("--arch", metavar="ARCH", help="Of a Debian mirror, in its word, or of a version.")
    ] = "",
    version: Annotated[
        str,
        Option("--version", metavar="VERSION", help="Of a versioned repository, whose base URI is: stream/NAME."),
    ] = "",
    channel: Annotated[str, Option("--channel", metavar="NAME", help="Of a version: main when left out.")] = "",
    mirrors: Annotated[
        list[str] | None,
        Option("--mirror", metavar="URI", help="Where the same is when URI fails; several times, in their order."),
    ] = None,
) -> Answer:
    """Its maker tells which root to pin: a file, or its fingerprint. Nothing is read of a repository before its
    signatures have been verified, and it is not added when its index cannot be read; with --offline and --trust
    FILE it is, for who has bundles only."""
    with opened(session, "repo", "add", name, uri) as system:
        if session.settings.dry_run:
            return _nothing_done(f"{name} would be added, if {uri} can be read")
        refresh = repositories.add_repository(
            system,
            name,
            uri,
            priority=priority,
            trust=trust,
            unsigned=unsigned,
            max_staleness=max_staleness,
            offline=session.settings.offline,
            mirrors=mirrors or (),
            narrowing=repositories.Narrowing(
                tuple(suites or ()), tuple(components or ()), architecture, version, channel
            ),
        )
    return Answer(
        lambda _: f"{plain(name)} offers {count(refresh.package_count, 'package')}.\n",
        lambda: _refresh_data(refresh),
    )


def repo_remove(
    session: Session,
    name: Annotated[str, Argument(metavar="NAME", help="As `repo list` shows it.")],
) -> Answer:
    """What is installed from it stays installed."""
    with opened(session, "repo", "remove", name) as system:
        if session.settings.dry_run:
            return _nothing_done(f"{name} would be used no more")
        repositories.remove_repository(system, name)
    return Answer(lambda _: f"{plain(name)} is used no more.\n", lambda: {"repository": name})


def repo_list(session: Session) -> Answer:
    """With what each offered when it was last read."""
    with session.reading() as system:
        states = repositories.list_repositories(system)
    return Answer(lambda page: repositories_text(states, page), lambda: [_state_data(state) for state in states])


def repo_update(
    session: Session,
    names: Annotated[
        list[str] | None,
        Argument(metavar="[NAME…]", help="Only these; all enabled ones when none is named."),
    ] = None,
) -> Answer:
    """`update` does this by itself."""
    with opened(session, "repo", "update", *(names or [])) as system:
        if session.settings.dry_run:
            return _nothing_done("the repositories would be read again")
        refreshes = update_repositories(system, names or [])
    return Answer(lambda page: refreshes_text(refreshes, page), lambda: [_refresh_data(one) for one in refreshes])


def repo_enable(
    session: Session,
    name: Annotated[str, Argument(metavar="NAME", help="As `repo list` shows it.")],
) -> Answer:
    """What it offers may be chosen again."""
    return _changed(
        session, ("enable", name), name, "is used", lambda system: repositories.set_enabled(system, name, enabled=True)
    )


def repo_disable(
    session: Session,
    name: Annotated[str, Argument(metavar="NAME", help="As `repo list` shows it.")],
) -> Answer:
    """It stays known, is not read, and nothing is taken from it; what is installed from it stays installed."""
    return _changed(
        session, ("disable", name), name, "is not used",
        lambda system: repositories.set_enabled(system, name, enabled=False),
    )  # fmt: skip


def repo_priority(
    session: Session,
    name: Annotated[str, Argument(metavar="NAME", help="As `repo list` shows it.")],
    priority: Annotated[int, Argument(metavar="N", help="The higher one wins where two offer a package.")],
) -> Answer:
    """What a repository with a higher priority offers of a package wins, whatever the versions are."""
    return _changed(
        session, ("priority", name, str(priority)), name, f"has priority {priority}",
        lambda system: repositories.set_priority(system, name, priority),
    )  # fmt: skip


def _changed(
    session: Session, words: tuple[str, ...], name: str, what: str, act: "Callable[[System], None]"
) -> Answer:
    """Do something to a repository, and show it."""
    with opened(session, "repo", *words) as system:
        if session.settings.dry_run:
            repositories.state_named(system, name)
            return _nothing_done(f"{name} {what.replace('is', 'would be', 1).replace('has', 'would have', 1)}")
        act(system)
        state = repositories.state_named(system, name)
    return Answer(lambda _: f"{plain(name)} {what} from now on.\n", lambda: _state_data(state))


def repo_trust(
    session: Session,
    name: Annotated[str, Argument(metavar="NAME", help="As `repo list` shows it.")],
    trust: _Trust = None,
    unsigned: _Unsigned = False,
    max_staleness: _MaxStaleness = None,
) -> Answer:
    """Without an option it only shows. A machine without a network needs --max-staleness: until when it may still
    use what was signed. When another root is pinned, the index is read again, from there."""
    said = Said(trust, unsigned, max_staleness)
    if said == Said():
        with session.reading() as system:
            state = repositories.state_named(system, name)
        return Answer(lambda page: trust_text(state, page), lambda: _state_data(state))
    with opened(session, "repo", "trust", name) as system:
        if session.settings.dry_run:
            repositories.state_named(system, name)
            return _nothing_done(f"who vouches for {name} would be another")
        repositories.set_vouching(system, name, said)
        changed = repositories.state_named(system, name)
    return Answer(lambda page: trust_text(changed, page), lambda: _state_data(changed))


def trust_text(state: RepositoryState, _: Page) -> str:
    """Who vouches for a repository, in lines."""
    repository, found = state.repository, state.verified
    rows = [("Repository", plain(repository.name)), ("Vouched for by", _voucher(repository))]
    if repository.vouching.by is Voucher.ROOT:
        rows.append(("Pinned root", f"sha256:{repository.vouching.pinned}"))
        if found is not None:
            rows.append(("Verified", f"{moment(found.checked_at)}, root {found.root_version}, number {found.version}"))
            rows.append(("Good until", f"{moment(found.expires_at)}, when its {found.expiring} expires"))
    if repository.vouching.by is Voucher.KEYRING:
        rows.append(("Keyring", plain(repository.vouching.pinned or "those that this machine's apt goes by")))
    if repository.vouching.by in (Voucher.ROOT, Voucher.KEYRING):
        accepted = f"{count(repository.vouching.max_staleness, 'day')} after it has expired"
        rows.append(("Accepted", accepted if repository.vouching.max_staleness else "until it expires"))
        if state.stale_days:
            rows.append(("Stale", f"expired {count(state.stale_days, 'day')} ago"))
    return "".join(f"{label:<16}{said}\n" for label, said in rows)


def repositories_text(states: list[RepositoryState], page: Page) -> str:
    if not states:
        return "There is no repository yet.\n"
    rows = [
        (
            plain(state.repository.name),
            str(state.repository.priority),
            "–" if state.revision is None else str(state.revision.package_count),
            "never" if state.revision is None else moment(state.revision.refreshed_at),
            _standing(state),
            plain(state.repository.uri),
        )
        for state in states
    ]
    return table(("Repository", "Priority", "Packages", "Read", "", "URI"), rows, page)


def refreshes_text(refreshes: list[Refresh], page: Page) -> str:
    if not refreshes:
        return "There is no enabled repository.\n"
    rows = [
        (plain(one.repository), str(one.package_count), "changed" if one.changed else "as before") for one in refreshes
    ]
    return table(("Repository", "Packages", ""), rows, page)


def _standing(state: RepositoryState) -> str:
    words = [] if state.repository.enabled else ["disabled"]
    words.append(_voucher(state.repository))
    if state.repository.mirrors:
        words.append(count(len(state.repository.mirrors), "mirror"))
    if state.stale_days:
        words.append(f"expired {count(state.stale_days, 'day')} ago")
    return ", ".join(words)


def _voucher(repository: Repository) -> str:
    match repository.vouching.by:
        case Voucher.NOBODY:
            return "unsigned"
        case Voucher.ROOT:
            return "signed"
        case Voucher.KEYRING:
            return "keyring"
        case Voucher.KEYS:
            return "pinned keys"
        case _:
            assert_never(repository.vouching.by)


def _nothing_done(sentence: str) -> Answer:
    return Answer(lambda _: f"{plain(sentence)}.\nDry run: nothing changed.\n", lambda: None)


def _refresh_data(refresh: Refresh) -> dict[str, object]:
    return {
        "repository": refresh.repository,
        "package_count": refresh.package_count,
        "changed": refresh.changed,
    }


def _state_data(state: RepositoryState) -> dict[str, object]:
    repository, revision = state.repository, state.revision
    return {
        "name": repository.name,
        "uri": repository.uri,
        "mirrors": list(repository.mirrors),
        "priority": repository.priority,
        "enabled": repository.enabled,
        "unsigned": repository.unsigned,
        "vouched_by": repository.vouching.by.value,
        "pinned": repository.vouching.pinned or None,
        "max_staleness_days": repository.vouching.max_staleness,
        "stale_days": state.stale_days,
        "verified": None if state.verified is None else _verified_data(state.verified),
        "package_count": None if revision is None else revision.package_count,
        "refreshed_at": None if revision is None else moment_data(revision.refreshed_at),
        "index_digest": None if revision is None else revision.digest,
    }


def _verified_data(found: "Verified") -> dict[str, object]:
    return {
        "root_version": found.root_version,
        "version": found.version,
        "expires_at": moment_data(found.expires_at),
        "expiring": found.expiring,
        "checked_at": moment_data(found.checked_at),
    }
