"""install, remove, update, sync, undo: from a wish to the next generation."""

from typing import TYPE_CHECKING, Annotated

from moss.cli.as_json import plan_data
from moss.cli.changing import AtBoot, Proposal, answer_data, carry_out, nothing_to_do, opened
from moss.cli.parameters import Argument, Option
from moss.cli.plan_text import nothing_text, plan_text
from moss.cli.session import Answer, Session
from moss.cli.text import plain
from moss.db.boot import failed_generations
from moss.db.generations import model_of
from moss.errors import UsageError
from moss.model import SystemModel
from moss.operations.propose import propose
from moss.operations.queries import installed
from moss.operations.stated import stated, stated_model
from moss.operations.system import System
from moss.operations.verbs import install_request, remove_request, sync_request, update_request
from moss.problem import BY_DEFAULT, ChangeRequest, Choosing, parse_order
from solver.values import replace

Prefer = Annotated[
    str,
    Option(
        "--prefer",
        metavar="ORDER",
        help="What makes an answer better: fewest-removals, newest, or measures ('-removed,-new').",
    ),
]
SolverTime = Annotated[
    float,
    Option("--solver-time", metavar="SECONDS", min=0.0, help="Then take the best answer found so far."),
]
_ORDER, _SECONDS = BY_DEFAULT.order, BY_DEFAULT.seconds
_TOLD_VERBOSELY = 40
"""Of so many packages that an update holds back, `-v` tells why."""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moss.model_text import StatedRepository
    from moss.operations.transaction import Outcome
    from moss.plan import Plan


def install(
    session: Session,
    wishes: Annotated[
        list[str], Argument(metavar="PACKAGE…", help="A name, a version ('vim < 9'), or 'binary(git)'.")
    ],
    source: Annotated[str | None, Option("--from", metavar="REPO", help="Only from this repository.")] = None,
    at_boot: AtBoot = False,
    prefer: Prefer = _ORDER,
    solver_time: SolverTime = _SECONDS,
) -> Answer:
    """A wish is a package's name, perhaps with a range of versions, or a capability such as
    'binary(git)': whoever provides it best is installed. moss keeps what you ask for, through every
    update, until you remove it. An older version than the one there is may be asked for too."""
    choosing = _choosing(session, prefer, solver_time)
    said = [*wishes, *(["--from", source] if source else [])]
    with opened(session, "install", *said, at_boot=at_boot) as system:
        request = install_request(stated_model(system), wishes, source)
        return _change(session, system, request, choosing, at_boot, "what you ask for is there already")


def remove(
    session: Session,
    names: Annotated[
        list[str], Argument(metavar="PACKAGE…", help="What you asked for, or a package's name.")
    ],
    at_boot: AtBoot = False,
    prefer: Prefer = _ORDER,
    solver_time: SolverTime = _SECONDS,
) -> Answer:
    """What was only there for the removed packages goes too."""
    choosing = _choosing(session, prefer, solver_time)
    with opened(session, "remove", *names, at_boot=at_boot) as system:
        request = remove_request(stated_model(system), names, _installed_names(system))
        return _change(session, system, request, choosing, at_boot, "nothing would change")


def update(
    session: Session,
    names: Annotated[
        list[str] | None,
        Argument(metavar="[PACKAGE…]", help="Only these; everything when none is named."),
    ] = None,
    skip_failed: Annotated[
        bool, Option("--skip-failed", help="Do nothing where that would be what did not come up at boot.")
    ] = False,
    at_boot: AtBoot = False,
    prefer: Prefer = _ORDER,
    solver_time: SolverTime = _SECONDS,
) -> Answer:
    """Reads the repositories first, unless --offline or --dry-run says not to; the newest set that
    fits together becomes one new generation. An update that nobody watches says --skip-failed: it does not make
    again what the machine has come back from."""
    choosing = _choosing(session, prefer, solver_time)
    said = [*(names or []), *(["--skip-failed"] if skip_failed else [])]
    with opened(session, "update", *said, at_boot=at_boot) as system:
        if not (session.settings.offline or session.settings.dry_run):
            from moss.operations.refreshing import update_repositories

            _follow_repositories(session, system)
            update_repositories(system)
        request = update_request(stated_model(system), names or [], _installed_names(system))
        already = "everything is up to date" if system.active is not None else "nothing is installed"
        return _change(session, system, request, choosing, at_boot, already, skip_failed=skip_failed, follows=False)


def sync(
    session: Session,
    bundle: Annotated[
        str | None,
        Option("--from", metavar="FILE", help="Become the generation in this bundle; '-' is standard input."),
    ] = None,
    unsigned: Annotated[
        bool, Option("--unsigned", help="Accept a bundle that nobody whom you trust vouches for.")
    ] = False,
    model_file: Annotated[
        str | None, Option("--model", metavar="FILE", help="Become what this model says; '-' is standard input.")
    ] = None,
    at_boot: AtBoot = False,
    prefer: Prefer = _ORDER,
    solver_time: SolverTime = _SECONDS,
) -> Answer:
    """Makes the system what /etc/moss/system-model.kdl says: installs what is missing, removes what nothing
    needs, and leaves the rest alone. With --model another file takes its place. With --from it takes model and
    packages from a bundle that `export` made, and needs no network."""
    if bundle is not None and model_file is not None:
        raise UsageError("a bundle brings its own model", remedies=["leave --model or --from out"])
    if bundle is not None:
        from moss.cli.syncing import sync_from  # only where there is a bundle

        return sync_from(session, bundle, unsigned=unsigned, at_boot=at_boot)
    if unsigned:
        raise UsageError("--unsigned says something about a bundle", remedies=["moss sync --from FILE --unsigned"])
    choosing = _choosing(session, prefer, solver_time)
    already = "the system is what its model says"
    if model_file is not None:
        with opened(session, "sync", "--model", model_file, at_boot=at_boot) as system:
            model, text = _model_in(session, system, model_file)
            session.stage("choosing packages")
            plan = replace(propose(system, sync_request(model), choosing), model_text=text)
            return carry_out_plan(session, system, plan, at_boot, already)
    with opened(session, "sync", at_boot=at_boot) as system:
        return _change(session, system, sync_request(stated_model(system)), choosing, at_boot, already)


def undo(
    session: Session,
    transaction: Annotated[
        int | None,
        Argument(metavar="[TRANSACTION]", min=1, help="A number that `history` shows; the last one when left out."),
    ] = None,
    at_boot: AtBoot = False,
    prefer: Prefer = _ORDER,
    solver_time: SolverTime = _SECONDS,
) -> Answer:
    """What it installed goes, what it removed comes back, and what it changed is as it was before, in the
    same versions, though no repository may offer them any more. What was done since stays. Undoing that
    again does it again."""
    from moss.operations.undo import propose_undo

    choosing = _choosing(session, prefer, solver_time)
    with opened(session, "undo", *([] if transaction is None else [str(transaction)]), at_boot=at_boot) as system:
        session.stage("choosing packages")
        plan = propose_undo(system, transaction, choosing)
        return carry_out_plan(session, system, plan, at_boot, "what the transaction changed is as it was before")


def _choosing(session: Session, order: str, seconds: float) -> Choosing:
    settings = session.settings
    told = _TOLD_VERBOSELY if settings.verbose else 0 if settings.quiet else BY_DEFAULT.held_told
    return Choosing(parse_order(order), seconds, told)


def change(session: Session, system: System, request: ChangeRequest, already: str) -> Answer:
    """Propose with the usual preferences, show, ask, commit."""
    return _change(session, system, request, _choosing(session, _ORDER, _SECONDS), False, already)


def _change(
    session: Session,
    system: System,
    request: ChangeRequest,
    choosing: Choosing,
    at_boot: bool,
    already: str,
    *,
    skip_failed: bool = False,
    follows: bool = True,
) -> Answer:
    """`follows`: an edited model may name other repositories, and these are agreed on first."""
    if follows:
        _follow_repositories(session, system)
    session.stage("choosing packages")
    plan = propose(system, request, choosing)
    failed = _same_as_failed(system, plan)
    if failed is not None and skip_failed:
        proposal = Proposal(
            text=lambda page: plan_text(plan, page),
            data=lambda: plan_data(plan),
            nothing_to_do=nothing_to_do(f"this would be generation {failed} again, which did not come up"),
        )
        return Answer(proposal.nothing_to_do or proposal.text, answer_data(proposal, None))
    if failed is not None:
        session.warning(f"this is generation {failed} again, which was booted and did not come up")
    return carry_out_plan(session, system, plan, at_boot, already)


def _model_in(session: Session, system: System, path: str) -> tuple[SystemModel, str]:
    """What a file of the person's says, and its text."""
    from moss.cli.files import read_text  # one command of many
    from moss.model import with_times
    from moss.model_text import read_model

    text = read_text(path)
    said = read_model(text, path)
    for warning in said.warnings:
        session.warning(warning)
    if said.repositories is not None:
        _agree_on_repositories(session, system, said.repositories)
    return with_times(said.model, model_of(system.record, system.active), system.clock()), text


def _follow_repositories(session: Session, system: System) -> None:
    """An edited model may name other repositories: those come first, since packages come from them."""
    here = stated(system)
    for warning in here.warnings:
        session.warning(warning)
    if here.repositories is not None and not here.follows_repositories:
        _agree_on_repositories(session, system, here.repositories)


def _agree_on_repositories(session: Session, system: System, named: "Sequence[StatedRepository]") -> None:
    from moss.operations.following import changes_of, follow

    changes = changes_of(system, named)
    if changes.is_empty:
        return
    words = [*(f"+ {one.name}" for one in changes.add), *(f"- {name}" for name in changes.remove)]
    words += [f"{one.name} with another priority, or enabled or not" for one in changes.adjust]
    told = f"The model names other repositories: {', '.join(map(plain, words))}.\n"
    if session.settings.dry_run:
        session.warning(f"{told.rstrip('.' + chr(10))}; a dry run goes by those there are")
        return
    session.show(lambda _: told)
    session.confirm("Use these?")
    follow(system, changes)


def _same_as_failed(system: System, plan: "Plan") -> int | None:
    if plan.is_empty or not failed_generations(system.record):
        return None
    from moss.operations.fall_back import same_as_failed  # hardly ever

    return same_as_failed(system, plan)


def carry_out_plan(session: Session, system: System, plan: "Plan", at_boot: bool, already: str) -> Answer:
    """Show a plan, ask, commit; `already` says why there is nothing to do, where that is so."""
    if session.settings.offline:
        from moss.operations.refreshing import warn_of_age

        warn_of_age(system)
    for warning in plan.warnings:
        session.warning(warning)
    proposal = Proposal(
        text=lambda page: plan_text(plan, page, at_boot=at_boot),
        data=lambda: plan_data(plan),
        nothing_to_do=(lambda page: nothing_text(plan, already, page)) if plan.is_empty else None,
    )

    def act() -> "Outcome":
        from moss.operations.commit import commit  # a dry run needs nothing of what makes a generation

        return commit(system, plan, at_boot=at_boot)

    return carry_out(session, system, proposal, act, audit_after=True)


def _installed_names(system: System) -> list[str]:
    return [selected.metadata.name for selected in installed(system)]
