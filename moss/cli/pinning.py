"""pin, unpin, hold, unhold, list pins: which versions may be, and what stays as it is."""

from typing import Annotated

from moss.cli.as_json import moment_data
from moss.cli.changes import change
from moss.cli.changing import opened
from moss.cli.edits import warn_of_edits
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.text import Page, moment, plain, table
from moss.db.generations import model_of
from moss.model import SystemModel
from moss.operations.queries import installed
from moss.operations.stated import stated_model
from moss.operations.verbs import hold_request, pin_request, unhold_request, unpin_request

Names = Annotated[list[str], Argument(metavar="PACKAGE…", help="Packages' names.")]


def pin(
    session: Session,
    packages: Annotated[list[str], Argument(metavar="PACKAGE…", help="A name, or with versions: 'bar < 5'.")],
    source: Annotated[
        str | None, Option("--from", metavar="REPO", help="Only what this repository offers.")
    ] = None,
) -> Answer:
    """Without versions and repository, to the version that is installed. A pin says what may be
    installed, not that it must be; it stays through every update, until unpin."""
    said = [*packages, *(["--from", source] if source else [])]
    with opened(session, "pin", *said) as system:
        there = {one.metadata.name: one.metadata.ordered_version for one in installed(system)}
        model = stated_model(system)
        request = pin_request(model, packages, there, source, system.clock())
        return change(session, system, request, "it is pinned so already")


def unpin(session: Session, packages: Names) -> Answer:
    """The next update takes the newest again."""
    with opened(session, "unpin", *packages) as system:
        request = unpin_request(stated_model(system), packages)
        return change(session, system, request, "nothing would change")


def hold(session: Session, packages: Names) -> Answer:
    """No update changes a held package, and nothing removes it, until unhold."""
    with opened(session, "hold", *packages) as system:
        there = [one.metadata.name for one in installed(system)]
        request = hold_request(stated_model(system), packages, there, system.clock())
        return change(session, system, request, "it is held already")


def unhold(session: Session, packages: Names) -> Answer:
    """It may change and go again."""
    with opened(session, "unhold", *packages) as system:
        request = unhold_request(stated_model(system), packages)
        return change(session, system, request, "nothing would change")


def list_pins(session: Session) -> Answer:
    """What was pinned and held, and since when."""
    with session.reading() as system:
        model = model_of(system.record, system.active)
        warn_of_edits(session, system)
    return Answer(lambda page: pins_table(model, page) or "Nothing is pinned or held.\n", lambda: pins_data(model))


def pins_table(model: SystemModel, page: Page) -> str:
    rows = [("pin", plain(str(one)), moment(one.said_at)) for one in model.pins]
    rows += [("hold", plain(one.name), moment(one.said_at)) for one in model.holds]
    return table(("", "Package", "Since"), rows, page)


def pins_data(model: SystemModel) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [
        {
            "kind": "pin",
            "name": one.wanted.name,
            "text": str(one),
            "repository": one.repository,
            "since": moment_data(one.said_at),
        }
        for one in model.pins
    ]
    found += [
        {"kind": "hold", "name": one.name, "text": one.name, "repository": None, "since": moment_data(one.said_at)}
        for one in model.holds
    ]
    return found
