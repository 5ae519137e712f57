"""rollback and state activate: back to a generation that is there already."""

from typing import Annotated

from moss.cli.as_json import difference_data, generation_data
from moss.cli.changing import AtBoot, Proposal, carry_out, nothing_to_do, opened
from moss.cli.parameters import Argument
from moss.cli.plan_text import activation_text
from moss.cli.session import Answer, Session
from moss.db.trees import pending
from moss.operations.activate import Activation, activate, propose_activation, propose_rollback
from moss.operations.at_boot import activate_at_boot
from moss.operations.system import System
from moss.root import GenerationId


def rollback(session: Session, at_boot: AtBoot = False) -> Answer:
    """The packages, what you asked for, and /usr are then as they were; /etc and /var keep what they
    hold. Rolling back twice comes back here."""
    with opened(session, "rollback", at_boot=at_boot) as system:
        return _activate(session, system, propose_rollback(system), at_boot)


def state_activate(
    session: Session,
    generation: Annotated[
        int, Argument(metavar="GENERATION", min=1, help="A number that `state list` shows.")
    ],
    at_boot: AtBoot = False,
) -> Answer:
    """It is switched to at once, whole or not at all. With --at-boot the next boot switches to it; the
    active one's number then drops what was left to the next boot."""
    with opened(session, "state", "activate", str(generation), at_boot=at_boot) as system:
        return _activate(session, system, propose_activation(system, GenerationId(generation)), at_boot)


def _activate(session: Session, system: System, activation: Activation, at_boot: bool) -> Answer:
    target, act = activation.target, activate_at_boot if at_boot else activate
    changes_nothing = target.id == activation.base and not (at_boot and pending(system.record) is not None)
    proposal = Proposal(
        text=lambda page: activation_text(activation.base, target, activation.difference, page, at_boot=at_boot),
        data=lambda: {
            "from": activation.base,
            "to": target.id,
            "generation": generation_data(target),
            **difference_data(activation.difference),
        },
        nothing_to_do=(
            nothing_to_do(f"generation {target.id} is active already")
            if changes_nothing
            else None
        ),
    )
    # Looking through a tree costs in proportion to its size, going back must not: the next update does it.
    return carry_out(
        session, system, proposal, lambda: act(system, activation), audit_after=False, target=target.id
    )
