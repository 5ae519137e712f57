"""list, search, info, provides: looking at packages."""

from typing import Annotated

from moss.cli.as_json import candidate_data, package_data, reason_data, selected_data, statement_data
from moss.cli.package_text import candidate_table, details_text, selected_table, update_table
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.operations import queries
from moss.operations.queries import PackageDetails, Update
from moss.operations.search import search as search_offers

UPDATES_AVAILABLE = 100
"""The exit code of `list updates --check`; see docs/exit-codes.md."""


def list_installed(session: Session) -> Answer:
    """`By` says whether you asked for a package, or another needs it."""
    with session.reading() as system:
        packages = queries.installed(system)
    return Answer(
        lambda page: selected_table(packages, page) or "Nothing is installed.\n",
        lambda: [selected_data(one) for one in packages],
    )


def list_available(session: Session) -> Answer:
    """As the enabled repositories said when they were last read."""
    with session.reading() as system:
        offered = queries.available(system)
    return Answer(
        lambda page: candidate_table(offered, page) or "No repository offers anything.\n",
        lambda: [candidate_data(one) for one in offered],
    )


def list_updates(
    session: Session,
    check: Annotated[
        bool, Option("--check", help="Exit with 100 when there are any, 0 when not.")
    ] = False,
) -> Answer:
    """What an update would take may be less: `update --dry-run` shows it, with the reasons."""
    with session.reading() as system:
        updates = queries.updates(system)
    return Answer(
        lambda page: update_table(updates, page) or "Everything is up to date.\n",
        lambda: [_update_data(one) for one in updates],
        UPDATES_AVAILABLE if check and updates else 0,
    )


def search(
    session: Session,
    words: Annotated[
        list[str], Argument(metavar="WORD…", help="All must appear; case does not matter.")
    ],
) -> Answer:
    """Among what the enabled repositories offer."""
    with session.reading() as system:
        found = search_offers(system, words)
    return Answer(
        lambda page: (
            candidate_table(found, page) or "Nothing on offer has these words in its name or summary.\n"
        ),
        lambda: [candidate_data(one) for one in found],
    )


def info(
    session: Session,
    name: Annotated[str, Argument(metavar="PACKAGE", help="A package's name.")],
) -> Answer:
    """Installed or on offer; with -v everything that it needs and provides."""
    with session.reading() as system:
        details = queries.package_details(system, name)
    return Answer(lambda page: details_text(details, page), lambda: _details_data(details))


def provides(
    session: Session,
    capability: Annotated[
        str, Argument(metavar="CAPABILITY", help="Such as 'binary(git)', or a name.")
    ],
) -> Answer:
    """Among what the enabled repositories offer."""
    with session.reading() as system:
        found = queries.providers(system, capability)
    return Answer(
        lambda page: (
            candidate_table(found, page) or "No enabled repository has a package that provides this.\n"
        ),
        lambda: [candidate_data(one) for one in found],
    )


def _update_data(update: Update) -> dict[str, object]:
    return {"installed": package_data(update.installed.metadata), "newest": candidate_data(update.newest)}


def _details_data(details: PackageDetails) -> dict[str, object]:
    return {
        "name": details.name,
        "installed": [
            statement_data(one.metadata)
            | {
                "repository": one.repository,
                "digest": one.digest,
                "installed_bytes": one.installed_size,
                "reason": reason_data(one.reason),
            }
            for one in details.installed
        ],
        "offered": [
            statement_data(one.metadata)
            | {
                "repository": one.repository,
                "uri": one.uri,
                "digest": one.digest,
                "download_bytes": one.stone_size,
            }
            for one in details.offered
        ],
    }
