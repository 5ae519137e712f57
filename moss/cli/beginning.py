"""init: a root in one command."""

import os
from typing import Annotated

from moss.cli.changes import carry_out_plan
from moss.cli.changing import opened
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.text import Page, wrapped
from moss.errors import UsageError
from moss.operations.beginning import ESSENTIAL, MACHINES_OWN, MACHINES_SOURCES, begin, refuse_others, refuse_used
from moss.operations.machine_sources import Source, machine_sources
from moss.operations.propose import propose
from moss.operations.repositories import Narrowing
from moss.operations.stated import stated_model
from moss.operations.system import System
from moss.operations.verbs import install_request
from solver.values import replace


def init(
    session: Session,
    root: Annotated[str, Argument(metavar="ROOT", help="A directory that is new, or empty.")],
    packages: Annotated[list[str], Argument(metavar="PACKAGE…", help="What it is to have, as for `install`.")],
    source: Annotated[
        str,
        Option("--from", metavar="SOURCE", help="apt: what this machine's apt uses; else a URI, as for `repo add`."),
    ] = MACHINES_OWN,
    suites: Annotated[list[str] | None, Option("--suite", metavar="SUITE", help="Of a Debian mirror.")] = None,
    components: Annotated[list[str] | None, Option("--component", metavar="NAME", help="Of its suites.")] = None,
    trust: Annotated[str | None, Option("--trust", metavar="FILE", help="Its root or its keyring.")] = None,
    unsigned: Annotated[bool, Option("--unsigned", help="Nobody needs to vouch for it.")] = False,
    bare: Annotated[bool, Option("--bare", help="Without what Debian takes for granted.")] = False,
) -> Answer:
    """Repositories are added and verified, the packages with all they need are shown, and installed when you agree. In
    a root of Debian's packages what Debian calls essential comes too, and triggers do what maintainer scripts do.
    What is interrupted goes on with the same command."""
    if session.settings.dry_run:
        raise UsageError(
            "there is nothing to look at before there is a root",
            remedies=["leave --dry-run out: what would be installed is shown before you are asked"],
        )
    session.settings = replace(session.settings, directory=os.path.abspath(root))
    refuse_others(session.settings.directory)
    with opened(session, "init", root, "--from", source, *packages) as system:
        refuse_used(system)
        is_debian = begin(system, _sources(system, source, suites, components, trust, unsigned))
        essential = ESSENTIAL if is_debian and not bare else ()
        if essential:
            session.show(_said_of_essential)
        names = [*essential, *packages]
        request = install_request(stated_model(system), list(dict.fromkeys(names)))
        session.stage("choosing packages")
        return carry_out_plan(session, system, propose(system, request), False, "it is there already")


def _said_of_essential(page: Page) -> str:
    said = "Beside what you name comes what Debian takes for granted: base-files, coreutils …; --bare leaves it out."
    return "".join(f"{line}\n" for line in wrapped(said, page.columns))


def _sources(
    system: System, source: str, suites: list[str] | None, components: list[str] | None, trust: str | None,
    unsigned: bool,
) -> list[Source]:
    if source == MACHINES_OWN:
        if suites or components or trust or unsigned:
            raise UsageError("apt's own sources say all that themselves", remedies=["--from apt+https://HOST/debian"])
        return machine_sources(MACHINES_SOURCES, system.reporter.warning)
    narrowing = Narrowing(suites=tuple(suites or ()), components=tuple(components or ()))
    return [Source("main", source, trust, unsigned, narrowing)]
