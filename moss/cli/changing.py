"""What every change has in common: open, show what would happen, ask, act, tell.

Everything that is needed to the end is imported before the act: while it goes on, /usr is exchanged,
and the Python that runs this may be gone from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from moss.cli.as_json import trigger_data
from moss.cli.outliving import load_what_is_needed_later
from moss.cli.parameters import Option
from moss.cli.session import Answer, Session
from moss.cli.settings import Settings
from moss.cli.text import Page, duration, plain, wrapped
from moss.cli.trigger_words import changed_in_words
from moss.db import trees
from moss.errors import Locked, MossError, Recovered
from moss.fetch.network import Network
from moss.operations.interruption import ended_on_request
from moss.operations.system import System, open_to_change, open_to_read
from moss.root import GenerationId, Root, generation_of_tree
from solver.values import value

if TYPE_CHECKING:
    from moss.db.triggers import TriggerRun
    from moss.left_behind import LeftBehind
    from moss.operations.transaction import Outcome
    from moss.operations.upkeep import Upkeep
    from moss.triggers.values import Isolation

_SHOWN_PIDS = 5

AtBoot = Annotated[
    bool, Option("--at-boot", help="Make it ready, change nothing that runs, and let the next boot switch to it.")
]


@value
class Proposal:
    """What would be done, ready to be shown."""

    text: Callable[[Page], str]
    data: Callable[[], object]
    nothing_to_do: Callable[[Page], str] | None = None
    """What to say instead, where there is nothing."""


@contextmanager
def opened(session: Session, *words: str, at_boot: bool = False) -> Iterator[System]:
    """The system to change; only to look at where the person wants a dry run.

    `words` are what the record will call this command. Raises Recovered when a transaction had to be
    recovered: what the person had in mind may look different now.
    """
    settings = session.settings
    if settings.dry_run:
        with open_to_read(settings.directory, session, facts=session.said_facts) as system:
            yield system
        return
    import shlex  # for what the record says; with a look, nothing is recorded

    for_machine = ["--facts", settings.facts_file] if settings.facts_file is not None else []
    without = [word for name in sorted(settings.ignored_triggers) for word in ("--ignore-trigger", name)]
    opening = open_to_change(
        settings.directory,
        session,
        command=shlex.join(["moss", *words, *(["--at-boot"] if at_boot else []), *for_machine, *without]),
        wait=settings.wait,
        facts=session.said_facts,
        transport=Network(offline=settings.offline),
        ignored_triggers=settings.ignored_triggers,
        isolation=isolation_said(settings),
    )
    with ended_on_request(), opening as system:
        if system.recovered is not None:
            raise Recovered(
                f"an interrupted transaction had to be recovered first: {system.recovered}",
                remedies=[session.command_again],
            )
        yield system


def isolation_said(settings: Settings) -> Isolation | None:
    """What is to keep triggers from the rest of the system."""
    if settings.isolation is None:
        return None
    from moss.triggers.values import Isolation

    return Isolation(settings.isolation.value)


def carry_out(
    session: Session,
    system: System,
    proposal: Proposal,
    act: Callable[[], Outcome],
    *,
    audit_after: bool,
    target: GenerationId | None = None,
) -> Answer:
    """Show, ask, act; the answer tells what came of it. Declined and NeedsConfirmation change nothing.

    `target` is the generation that is gone to, where there is one already.

    `audit_after`: whether upkeep then looks through the tree that was live; if not, the next one does.
    """
    _warn_of_pending(session, system, target)
    instead = agreed(session, proposal)
    if instead is not None:
        return instead
    load_what_is_needed_later()
    from moss.operations.upkeep import keep_house

    session.when_interrupted(_look_afterwards(system.root, system.active))
    outcome = act()
    system.record.leave_log()  # to the upkeep that follows
    for warning in outcome.warnings:
        session.warning(warning)
    return Answer(
        lambda page: _told(outcome, page),
        answer_data(proposal, outcome_data(outcome)),
        afterwards=lambda: tidy_up(session, system.command, keep_house, outcome, audit_after=audit_after),
    )


def _warn_of_pending(session: Session, system: System, target: GenerationId | None) -> None:
    pending = trees.pending(system.record)
    if pending is None or target in (pending, system.active):
        return
    session.warning(
        f"generation {pending} is left to the next boot; this begins with generation {system.active}, and what it "
        f"makes takes the other's place; to go on from that one: moss state activate {pending}; "
        f"to drop it: moss state activate {system.active} --at-boot"
    )


def agreed(session: Session, proposal: Proposal) -> Answer | None:
    """Show and ask: None when the person said yes, else the answer of a command that does nothing."""
    settings = session.settings
    if settings.dry_run:
        return Answer(
            lambda page: _shown(proposal, page) + "Dry run: nothing changed.\n",
            answer_data(proposal, None, dry_run=True),
        )
    if proposal.nothing_to_do is not None:
        return Answer(lambda page: _shown(proposal, page), answer_data(proposal, None))
    if not (settings.quiet and settings.yes):
        session.show(proposal.text)
    session.confirm("Carry this out?")
    return None


def answer_data(
    proposal: Proposal, outcome: dict[str, object] | None, *, dry_run: bool = False
) -> Callable[[], object]:
    """What every change answers: its plan, whether that was all, and what came of it."""
    return lambda: {"plan": proposal.data(), "dry_run": dry_run, "outcome": outcome}


def tidy_up(
    session: Session, command: str, keep_house: Callable[..., Upkeep], outcome: Outcome, *, audit_after: bool
) -> None:
    """What the system's own triggers have to do, and upkeep, once the answer has been given. It is owed to nobody:
    where another moss is at work already, that one does it; Ctrl-C ends it, and the next change does the rest."""
    opening = open_to_change(
        session.settings.directory,
        session,
        command=f"{command} (upkeep)",
        ignored_triggers=session.settings.ignored_triggers,
    )
    try:
        with ended_on_request(), opening as system:
            for warning in outcome.due(system) if outcome.due is not None else ():
                session.late_warning(warning)
            found = keep_house(system, audit_trees=audit_after)
    except (Locked, KeyboardInterrupt):
        return
    except MossError as fault:
        session.late_warning(fault.message)
        return
    for warning in found.warnings:
        session.late_warning(warning)


def outcome_data(outcome: Outcome) -> dict[str, object]:
    return {
        "generation": outcome.generation,
        "previous": outcome.previous,
        "seconds": round(outcome.seconds, 6),
        "left_behind": [
            {
                "unit": one.unit,
                "user": one.user,
                "name": one.name,
                "pids": list(one.pids),
                "because": one.because,
                "restart": one.restart,
            }
            for one in outcome.left_behind
        ],
        "at_boot": outcome.at_boot,
        "triggers": [trigger_data(one) for one in outcome.triggers],
    }


def _shown(proposal: Proposal, page: Page) -> str:
    return (proposal.nothing_to_do or proposal.text)(page)


def nothing_to_do(why: str) -> Callable[[Page], str]:
    """The usual sentence for it."""
    return lambda _: f"Nothing to do: {why}.\n"


def _told(outcome: Outcome, page: Page) -> str:
    if outcome.at_boot:
        return _told_at_boot(outcome, page)
    done = f"Generation {outcome.generation} is active"
    told = _triggers_text(outcome.triggers, page) + _left_behind_text(outcome.left_behind)
    return f"{page.green(done)} ({duration(outcome.seconds)}).\n{told}"


def _triggers_text(runs: Sequence[TriggerRun], page: Page) -> str:
    """Which ran, with their times, and which the person did without; those that need not run are not worth a word."""
    ran = [f"{plain(one.name)} {duration(one.seconds)}" for one in runs if one.seconds and not one.reused]
    left = [plain(one.name) for one in runs if one.outcome == "ignored"]
    said = [f"Triggers that ran: {', '.join(ran)}."] if ran else []
    said += [f"The trigger {text}." for one in runs if not one.reused for text in changed_in_words(one)]
    said += [f"Left out, as you said: {', '.join(left)}; the next change runs them."] if left else []
    return "".join(f"{line}\n" for text in said for line in wrapped(text, page.width or 1000))


def _told_at_boot(outcome: Outcome, page: Page) -> str:
    if outcome.generation == outcome.previous:
        return f"Nothing is left to the next boot: generation {outcome.generation} stays active.\n"
    done = f"Generation {outcome.generation} is ready for the next boot"
    return page.at(
        f"{page.green(done)} ({duration(outcome.seconds)}); until then generation {outcome.previous} is active.\n"
        f"To have it now: moss state activate {outcome.generation}\n"
        f"To drop it:     moss state activate {outcome.previous} --at-boot\n"
    )


def _left_behind_text(left_behind: Sequence[LeftBehind]) -> str:
    if not left_behind:
        return ""
    lines = ["These run on and do not see the new /usr as they should:"]
    for one in left_behind:
        processes = ", ".join(map(str, one.pids[:_SHOWN_PIDS])) + (" …" if len(one.pids) > _SHOWN_PIDS else "")
        lines.append(f"  {plain(one.unit or one.name)} ({processes}) {plain(one.because)}")
    commands = [one.restart for one in left_behind if one.restart is not None]
    lines += ["Restart them:", *(f"  {plain(command)}" for command in commands)] if commands else ["Restart them."]
    return "".join(f"{line}\n" for line in lines)


def _look_afterwards(root: Root, before: GenerationId | None) -> Callable[[], str]:
    """After Ctrl-C, /usr itself says whether the change had passed the point of no return."""

    def what_is_left() -> str:
        active = generation_of_tree(root.usr)
        if active == before:
            return "nothing was changed"
        return f"the change was made before that, generation {active} is active"

    return what_is_left
