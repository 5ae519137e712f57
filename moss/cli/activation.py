"""rollback and state activate: back to a generation that is there already."""

from typing import Annotated

from moss.cli.as_json import difference_data, generation_data
from moss.cli.changing import Proposal, carry_out, nothing_to_do, opened
from moss.cli.parameters import Argument
from moss.cli.plan_text import activation_text
from moss.cli.session import Answer, Session
from moss.operations.activate import Activation, activate, propose_activation, propose_rollback
from moss.operations.system import System
from moss.root import GenerationId


def rollback(session: Session) -> Answer:
    """The packages, what you asked for, and /usr are then as they were; /etc and /var keep what they
    hold. Rolling back twice comes back here."""
    with opened(session, "rollback") as system:
        return _activate(session, system, propose_rollback(system))


def state_activate(
    session: Session,
    generation: Annotated[
        int, Argument(metavar="GENERATION", min=1, help="A number that `state list` shows.")
    ],
) -> Answer:
    """It is switched to at once, whole or not at all."""
    with opened(session, "state", "activate", str(generation)) as system:
        return _activate(session, system, propose_activation(system, GenerationId(generation)))


def _activate(session: Session, system: System, activation: Activation) -> Answer:
    target = activation.target
    proposal = Proposal(
        text=lambda page: activation_text(activation.base, target, activation.difference, page),
        data=lambda: {
            "from": activation.base,
            "to": target.id,
            "generation": generation_data(target),
            **difference_data(activation.difference),
        },
        nothing_to_do=(
            nothing_to_do(f"generation {target.id} is active already")
            if target.id == activation.base
            else None
        ),
    )
    # Looking through a tree costs in proportion to its size, going back must not: the next update does it.
    return carry_out(session, system, proposal, lambda: activate(system, activation), audit_after=False)
