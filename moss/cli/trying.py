"""try: a command in the generation that would come, before any switch."""

import os
from collections.abc import Sequence
from typing import Annotated

from moss.cli.as_json import plan_data
from moss.cli.changing import opened
from moss.cli.parameters import Argument
from moss.cli.plan_text import changes_text, plan_text
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, plain
from moss.errors import UsageError
from moss.operations.propose import propose
from moss.operations.queries import installed
from moss.operations.stated import stated_model
from moss.operations.system import System
from moss.operations.verbs import install_request, remove_request, sync_request, update_request
from moss.plan import Plan
from moss.problem import ChangeRequest
from moss.triggers.trial import Tried

_CHANGES = ("install", "remove", "update", "sync")
_SHOWN = 20
"""Paths, when nobody asked for all of them."""


def try_out(
    session: Session,
    words: Annotated[
        list[str],
        Argument(metavar="[install|remove|update|sync PACKAGE…] -- COMMAND…", help="A change, and what to run."),
    ],
) -> Answer:
    """Makes the generation that the change would make, runs the command in a copy of the system that has it as
    /usr, says what the command wrote, and takes everything back: nothing is switched and nothing is kept. Without
    a change the command runs in the system as it is. The exit code is the command's."""
    change, command = _split(session, words)
    with opened(session, "try", *change, "--", *command) as system:
        plan = None
        if change:
            session.stage("choosing packages")
            plan = propose(system, _request(system, change))
        if session.settings.dry_run:
            return Answer(
                lambda page: (plan_text(plan, page) if plan else "") + "Dry run: nothing was tried.\n",
                lambda: {"plan": None if plan is None else plan_data(plan), "tried": None},
            )
        from moss.operations.trying import try_active, try_plan  # a dry run makes nothing

        if plan is None or plan.is_empty:
            tried = try_active(system, command, _environment(system), session.clear)
        else:
            tried = try_plan(system, plan, command, _environment(system), session.clear)
    return Answer(
        lambda page: _told(tried, plan, page),
        lambda: {
            "plan": None if plan is None else plan_data(plan),
            "tried": _tried_data(tried),
        },
        exit_code=tried.exit_code,
    )


def _split(session: Session, words: list[str]) -> tuple[list[str], list[str]]:
    """The change and the command; the parser takes away the `--` between them."""
    command = session.behind_dashes
    if not command:
        raise UsageError(
            "what to run is missing: it stands behind --",
            remedies=["moss try install PACKAGE -- COMMAND", "moss try update -- COMMAND"],
        )
    change = words[: len(words) - len(command)]
    if change and change[0] not in _CHANGES:
        raise UsageError(
            f"{change[0]!r} is no change that can be tried",
            because=[f"these can be: {', '.join(_CHANGES)}"],
            remedies=[f"moss try install {change[0]} -- {command[0]}"],
        )
    return change, command


def _request(system: System, change: list[str]) -> ChangeRequest:
    verb, *names = change
    model = stated_model(system)
    there = [one.metadata.name for one in installed(system)]
    match verb:
        case "install":
            return install_request(model, names)
        case "remove":
            return remove_request(model, names, there)
        case "update":
            return update_request(model, names, there)
        case _:
            return sync_request(model)


def _environment(system: System) -> dict[str, str]:
    """The person's own, on the running system; little of it where the root is another system's."""
    if system.root.is_host:
        return dict(os.environ)
    kept = {name: os.environ[name] for name in ("TERM", "LANG", "COLORTERM") if name in os.environ}
    return {**kept, "PATH": "/usr/sbin:/usr/bin", "HOME": "/root"}


def _tried_data(tried: Tried) -> dict[str, object]:
    return {"exit_code": tried.exit_code, "written": list(tried.written), "removed": list(tried.removed)}


def _told(tried: Tried, plan: Plan | None, page: Page) -> str:
    text = f"The command ended with exit code {tried.exit_code}; the system is as before.\n"
    if plan is not None and plan.is_empty:
        text += "The change would change nothing: it ran in the active generation.\n"
    elif plan is not None:
        text += f"It ran in what would be generation {plan.result}:\n{changes_text(plan, page)}"
    text += _paths("wrote", tried.written, "of which nothing is kept", page)
    return text + _paths("removed", tried.removed, f"which {_are(tried.removed)} there again", page)


def _are(things: Sequence[str]) -> str:
    return "is" if len(things) == 1 else "are"


def _paths(verb: str, paths: Sequence[str], outcome: str, page: Page) -> str:
    if not paths:
        return ""
    shown = paths if page.verbose else paths[:_SHOWN]
    lines = [f"It {verb} {count(len(paths), 'path')}, {outcome}:", *(f"  {plain(path)}" for path in shown)]
    if len(shown) < len(paths):
        lines.append(f"  and {len(paths) - len(shown)} more: moss -v try …")
    return "".join(f"{line}\n" for line in lines)
