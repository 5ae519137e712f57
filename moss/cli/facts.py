"""facts: what is known of the machine."""

from typing import Annotated

from moss.cli.as_json import fact_data
from moss.cli.parameters import Option
from moss.cli.session import Answer, Session
from moss.cli.text import ELLIPSIS, Page, count, padded, plain, shortened, width_of
from moss.operations.facts import FactsAtHand, facts_at_hand
from moss.root import GenerationId

_WIDEST = 64
"""Columns of a fact on a terminal: the kernel's texts for some devices have a thousand."""


def facts(
    session: Session,
    output: Annotated[
        str | None, Option("--output", "-o", metavar="FILE", help="Write them down for --facts; '-' is stdout.")
    ] = None,
) -> Answer:
    """Packages and subscriptions may ask for facts: the architecture, what the processors can do, devices,
    languages, kernels. For another root than / they are those that its generation was planned by, or --facts FILE."""
    with session.reading() as system:
        known = facts_at_hand(system)
        active = system.active
    for one in known.left_out:
        session.warning(one)
    if output is None:
        return Answer(
            lambda page: facts_text(known, active, session.settings.facts_file, page), lambda: facts_data(known, None)
        )
    if not session.settings.dry_run:
        _write(known, output, as_json=session.settings.json)
    told = "would be written" if session.settings.dry_run else "written"
    return Answer(
        lambda _: "" if output == "-" else f"{count(len(known.facts), 'fact')} {told} to {plain(output)}.\n",
        lambda: facts_data(known, output),
    )


def _write(known: FactsAtHand, output: str, *, as_json: bool) -> None:
    from moss.cli.files import output_file
    from moss.facts_file import format_facts

    with output_file(output, as_json=as_json) as (file, _):
        file.write(format_facts(known.facts, "The facts of a machine, for moss --facts").encode())


def facts_text(known: FactsAtHand, active: GenerationId | None, file: str | None, page: Page) -> str:
    rows = [(_shown(one.capability, page), plain(one.source)) for one in known.facts]
    column = max((width_of(left) for left, _ in rows if width_of(left) <= _WIDEST), default=0) + 2
    lines = [left if not right else f"{padded(left, column - 2)}  {right}" for left, right in rows]
    if page.width is not None and not page.verbose:
        lines = [shortened(line, page.width - 2) for line in lines]
    return f"{_whose(known, active, file)}\n" + "".join(f"  {line}\n" for line in lines)


def _whose(known: FactsAtHand, active: GenerationId | None, file: str | None) -> str:
    match known.of:
        case "machine":
            return "What is known of this machine:"
        case "file":
            return f"What {plain(file or '')} says:"
        case "generation":
            return f"What generation {active} was planned by, since this is not the running system:"
    return "Nobody has said what machine this system is for (--facts FILE), so little is known:"


def _shown(capability: str, page: Page) -> str:
    text = plain(capability)
    if page.verbose or page.width is None or width_of(text) <= _WIDEST:
        return text
    return f"{text[: _WIDEST - 9]}{ELLIPSIS}{text[-8:]}"


def facts_data(known: FactsAtHand, file: str | None) -> dict[str, object]:
    return {"of": known.of, "facts": [fact_data(one) for one in known.facts], "file": file}
