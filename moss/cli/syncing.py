"""sync --from: the generation in a bundle, made here."""

from moss.cli.as_json import plan_data
from moss.cli.changing import Proposal, carry_out, opened
from moss.cli.files import input_file, name_of
from moss.cli.plan_text import nothing_text, plan_text
from moss.cli.session import Answer, Session
from moss.errors import NeedsConfirmation
from moss.operations.bundled import keep_trust, open_vouched, propose_bundle
from moss.operations.commit import commit
from moss.operations.transaction import Outcome


def sync_from(session: Session, path: str, *, unsigned: bool, at_boot: bool) -> Answer:
    settings = session.settings
    if path == "-" and not (settings.yes or settings.dry_run):
        raise NeedsConfirmation(
            "this needs confirmation, pass --yes",
            because=["standard input is the bundle, so nobody can be asked there"],
            remedies=[session.command_with("--yes"), session.command_with("--dry-run")],
        )
    words = ["sync", "--from", path, *(["--unsigned"] if unsigned else [])]
    with input_file(path) as stream, opened(session, *words, at_boot=at_boot) as system:
        session.stage(f"reading {name_of(path)}")
        vouched = open_vouched(system, stream, name_of(path), unsigned=unsigned)
        plan, arrival = propose_bundle(system, vouched)
        for warning in plan.warnings:
            session.warning(warning)
        proposal = Proposal(
            text=lambda page: plan_text(plan, page, at_boot=at_boot),
            data=lambda: plan_data(plan),
            nothing_to_do=(lambda page: nothing_text(plan, "the system is what the bundle holds", page))
            if plan.is_empty
            else None,
        )

        def act() -> Outcome:
            keep_trust(system, vouched)
            return commit(system, plan, [arrival], at_boot=at_boot)

        return carry_out(session, system, proposal, act, audit_after=True)
