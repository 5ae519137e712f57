"""repo add, remove, list, update: where packages come from."""

from typing import Annotated

from moss.cli.as_json import moment_data
from moss.cli.changing import opened
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, moment, plain, table
from moss.operations import repositories
from moss.operations.repositories import Refresh, RepositoryState


def repo_add(
    session: Session,
    name: Annotated[str, Argument(metavar="NAME", help="What you want to call it.")],
    uri: Annotated[
        str,
        Argument(
            metavar="URI",
            help="Of its stone.index: a path or file:///…. Of a Debian mirror or apt's lists: apt+file:DIR.",
        ),
    ],
    unsigned: Annotated[bool, Option("--unsigned", help="Accept that nothing vouches for its content.")] = False,
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
        str, Option("--arch", metavar="ARCH", help="Debian's word; the machine's own when left out.")
    ] = "",
) -> Answer:
    """It is not added when its index cannot be read."""
    with opened(session, "repo", "add", name, uri) as system:
        if session.settings.dry_run:
            return _nothing_done(f"{name} would be added, if {uri} can be read")
        refresh = repositories.add_repository(
            system,
            name,
            uri,
            priority=priority,
            unsigned=unsigned,
            suites=suites or (),
            components=components or (),
            architecture=architecture,
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
        refreshes = repositories.update_repositories(system, names or [])
    return Answer(lambda page: refreshes_text(refreshes, page), lambda: [_refresh_data(one) for one in refreshes])


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
    return ", ".join(words + (["unsigned"] if state.repository.unsigned else []))


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
        "priority": repository.priority,
        "enabled": repository.enabled,
        "unsigned": repository.unsigned,
        "package_count": None if revision is None else revision.package_count,
        "refreshed_at": None if revision is None else moment_data(revision.refreshed_at),
        "index_digest": None if revision is None else revision.digest,
    }
