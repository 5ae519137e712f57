"""The facts that a system is planned by: of which machine they are, and when they are read.

    --facts FILE            those of the file, whatever the root
    the running system      those of the machine, read now; as before where /proc or /sys is not mounted
    another root            those that its active generation was made by; where it has none, only the
                            architecture of the machine that runs moss

Kernels are the root's own: those of its active generation. Reading takes some milliseconds and is done once in a
command, when a package or a subscription asks for a fact, or when a generation is made, which keeps them.
"""

from moss.architecture import native_architecture
from moss.db import facts as recorded
from moss.facts import Fact, FactKind, architecture_of, fact, in_order, is_about_facts
from moss.operations.system import System
from moss.reporter import Reporter
from solver import Problem, relations_of
from solver.values import replace, value


@value
class FactsAtHand:
    """Facts, and whose they are."""

    facts: tuple[Fact, ...]
    of: str
    """`machine`: the one that runs moss. `file`: `--facts`. `generation`: as recorded. `none`: nobody said."""
    left_out: tuple[str, ...] = ()
    """Sentences: what was there and could not be told."""


def facts_of(system: System) -> tuple[Fact, ...]:
    """The facts to plan this system by. In one command they are the same whenever they are asked for."""
    return facts_at_hand(system).facts


def facts_at_hand(system: System) -> FactsAtHand:
    """The same, and whose they are."""
    known: FactsAtHand | None = system.facts.read
    if known is None:
        known = system.facts.read = _look(system)
    return known


def machine_architecture(system: System) -> str:
    """The architecture that packages are chosen for, without reading anything else."""
    if system.facts.said is not None:
        return architecture_of(system.facts.said) or native_architecture()
    if system.root.is_host:
        return native_architecture()
    return recorded.architecture_of(system.record, system.active) or native_architecture()


def with_facts(system: System, problem: Problem) -> Problem:
    """The problem with the machine's facts, where anything in it asks for one."""
    if not _asks_for_facts(problem):
        return problem
    texts = tuple(one.capability for one in facts_of(system))
    return replace(problem, request=replace(problem.request, facts=texts))


def _look(system: System) -> FactsAtHand:
    known = _of_the_machine(system)
    return replace(known, facts=in_order((*known.facts, *_kernels(system))))


def _of_the_machine(system: System) -> FactsAtHand:
    if system.facts.said is not None:
        return FactsAtHand(system.facts.said, "file")
    recorded_facts = recorded.facts_of(system.record, system.active)
    before = tuple(one for one in recorded_facts if one.kind is not FactKind.KERNEL)
    if system.root.is_host:
        return _of_this_machine(before, system.reporter)
    if before:
        return FactsAtHand(before, "generation")
    return FactsAtHand((Fact(f"arch({native_architecture()})", "uname"),), "none")


def _of_this_machine(before: tuple[Fact, ...], reporter: Reporter, top: str = "/") -> FactsAtHand:
    """As it says now; as it was `before` where it cannot be asked: in a chroot without /sys all that is there for
    the machine's devices would go otherwise."""
    from moss.machine import read_machine  # most commands look at no machine

    read = read_machine(top)
    if before and not read.is_whole:
        reporter.warning("/proc or /sys is not mounted: the machine is taken to be what it was before")
        return FactsAtHand(before, "generation")
    return FactsAtHand(read.facts, "machine", read.left_out)


def _kernels(system: System) -> list[Fact]:
    """The kernels of the active generation that can be booted."""
    if system.active is None:
        return []
    from moss.db import boot  # most commands ask for no kernel

    images = boot.kernel_images(system.record, system.active)
    found = (fact(FactKind.KERNEL, version, f"/usr/{image.path}") for version, image in images)
    return [one for one in found if one is not None]


def _asks_for_facts(problem: Problem) -> bool:
    """Whether a package or a subscription mentions anything of a kind that only machines have."""
    for subscription in problem.request.subscriptions:
        for rule in subscription.rules:
            conditions = () if rule.condition is None else relations_of(rule.condition)
            if any(is_about_facts(one.name) for one in (*conditions, *rule.require, *rule.want)):
                return True
    return any(is_about_facts(text) for universe in problem.universes for text in universe.open_texts())
