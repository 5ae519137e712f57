"""The composition root: opens what an operation needs of a system, and nothing else holds it together."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moss.db import generations, journal
from moss.db.connection import REMEDY, Database, open_record, open_repository_cache, told_in_words
from moss.effects import Effects, as_moss_error
from moss.errors import CorruptData, MossError, NotFound, PermissionRefused
from moss.fetch.network import Network
from moss.fetch.transport import Transport
from moss.generation import Status
from moss.reporter import Reporter, Silence
from moss.resources import rescue_script
from moss.root import GenerationId, Root, generation_of_tree, generations_held
from solver.values import field, value

if TYPE_CHECKING:
    from moss.facts import Fact
    from moss.operations.facts import FactsAtHand
    from moss.triggers.values import Isolation


class KnownFacts:
    """The facts of one command: what the person said them to be, and what was read; see moss.operations.facts."""

    __slots__ = ("read", "said")

    def __init__(self, said: "tuple[Fact, ...] | None" = None) -> None:
        self.said = said
        self.read: FactsAtHand | None = None
        """Read once, so that a plan and what is kept of it agree."""


@value
class System:
    """An open system. Operations take it apart; the engines below get only what they need."""

    root: Root
    record: Database
    offers: Database
    """What the repositories offer: a cache."""
    effects: Effects
    reporter: Reporter
    clock: Callable[[], int]
    """Seconds since 1970, UTC."""
    command: str
    """What the person typed."""
    transport: Transport
    """How files are fetched that are elsewhere."""
    recovered: str | None = None
    """What recovery did before this command, in a sentence."""
    booted: GenerationId | None = None
    """For who only looks: the generation that /usr is, where the record does not follow yet."""
    facts: KnownFacts = field(default_factory=KnownFacts, compare=False)
    """Of the machine that the system is planned for."""
    ignored_triggers: frozenset[str] = frozenset()
    """Triggers that the person does without, this time."""
    isolation: "Isolation | None" = None
    """What is to keep triggers from the rest of the system; None: the best that the machine has."""

    @property
    def active(self) -> GenerationId | None:
        return generations.active(self.record) if self.booted is None else self.booted


def _now() -> int:
    return int(time.time())


def default_effects() -> Effects:
    """As root everything is applied; an ordinary user cannot give files away, so owners are only recorded."""
    return Effects(apply_owners=os.geteuid() == 0)


@contextmanager
def open_to_read(
    directory: str, reporter: Reporter | None = None, *, facts: "tuple[Fact, ...] | None" = None
) -> Iterator[System]:
    """Open for looking: takes no lock, writes nothing, and sees one state however others commit."""
    root = Root.at(directory)
    if not os.path.isdir(root.path):
        raise NotFound(f"{root.path} is not a directory", remedies=["make it: mkdir -p DIRECTORY"])
    _check_readable(root)
    refuse_without_record(root)
    record = open_record(root.database, writable=False)
    offers = open_repository_cache(root.repository_cache, writable=False)
    try:
        with told_in_words(root.database), record.snapshot(), offers.snapshot():
            booted = _booted(root, record)
            known = KnownFacts(facts)
            effects, reporter = default_effects(), reporter or Silence()
            yield System(root, record, offers, effects, reporter, _now, "", Network(), booted=booted, facts=known)
    finally:
        record.close()
        offers.close()


@contextmanager
def open_to_change(
    directory: str,
    reporter: Reporter | None = None,
    *,
    command: str,
    wait: float = 0.0,
    transport: Transport | None = None,
    effects: Effects | None = None,
    clock: Callable[[], int] = _now,
    facts: "tuple[Fact, ...] | None" = None,
    ignored_triggers: frozenset[str] = frozenset(),
    isolation: "Isolation | None" = None,
) -> Iterator[System]:
    """Open for changing: takes the lock (waiting up to `wait` seconds) and recovers first. `facts` are those of
    another machine, where the system is planned for one.

    `transport` is the network, as the environment says how to use it, where none is given.

    Raises Locked naming the holder, PermissionRefused where the person may not write.
    """
    from moss.lock import hold  # with recovery half of moss comes along; who looks needs none of it
    from moss.recover import recover

    root = Root.at(directory)
    effects = effects or default_effects()
    reporter = reporter or Silence()
    with as_moss_error(f"prepare {root.path}"):
        _prepare(root, effects)
    with hold(root.lock_file, command=command, now=clock(), wait=wait, reporter=reporter):
        refuse_without_record(root)
        record = open_record(root.database, writable=True)
        offers = open_repository_cache(root.repository_cache, writable=True)
        try:
            # Whatever a full or failing disk makes of a statement, here or in the operation, is told here.
            with told_in_words(root.database), as_moss_error("recover what was interrupted"):
                recovered = recover(root, record, effects, clock(), reporter)
            with told_in_words(root.database), as_moss_error(f"carry out {command!r}"):
                known = KnownFacts(facts)
                network = transport or Network()
                yield System(
                    root, record, offers, effects, reporter, clock, command, network, recovered,
                    facts=known, ignored_triggers=ignored_triggers, isolation=isolation,
                )  # fmt: skip
        finally:
            record.close()
            offers.close()


def refuse_without_record(root: Root) -> None:
    """CorruptData when there are generations and no record: a new one would call their trees nobody's."""
    if os.path.exists(root.database):
        return
    held = generations_held(root)
    if held:
        raise CorruptData(
            "is missing, and with it the record of what this system is",
            file=root.database,
            because=[f"these generations are there: {', '.join(map(str, held))}"],
            remedies=[REMEDY],
        )


def _booted(root: Root, record: Database) -> GenerationId | None:
    """The generation that the machine was booted into, while no change has let the record follow.

    A transaction under way is no boot: what it has come to is in its own hands.
    """
    known = generations.active(record)
    if known is None or journal.under_way(record) is not None:
        return None
    live = generation_of_tree(root.usr)
    if live is None or live == known:
        return None
    found = generations.generation(record, live)
    return live if found is not None and found.status is Status.COMPLETE else None


def _check_readable(root: Root) -> None:
    if os.path.isdir(root.state_directory) and not os.access(root.state_directory, os.R_OK | os.X_OK):
        raise _not_ours(root)


def _prepare(root: Root, effects: Effects) -> None:
    """Make moss's own directories where they are missing."""
    from moss.store import create_store  # with recovery, see above
    from moss.switch import refuse_foreign

    if not os.path.isdir(root.path):
        if os.path.lexists(root.path):
            raise MossError(f"{root.path} is not a directory", remedies=["name another one with -D"])
        effects.mkdir(root.path, 0o755)
    if root.is_host and os.geteuid() != 0:
        raise _not_ours(root)
    refuse_foreign(root)
    if not os.path.isdir(root.state_directory):
        effects.mkdir(root.state_directory, 0o700)
    if not os.access(root.state_directory, os.W_OK | os.X_OK):
        raise _not_ours(root)
    for directory in (root.database_directory, root.trees, root.cache, root.universes):
        if not os.path.isdir(directory):
            effects.mkdir(directory, 0o700)
    create_store(root.store, effects)
    _leave_rescue(root, effects)
    if not os.path.exists(root.database):
        # SQLite makes durable what it writes into its directory; the way there must be durable before.
        _sync_filesystem(root.state_directory, effects)


def _sync_filesystem(directory: str, effects: Effects) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        effects.syncfs(fd)
    finally:
        os.close(fd)


def _leave_rescue(root: Root, effects: Effects) -> None:
    """Keep the way back that needs no moss as this moss knows it."""
    script = rescue_script()
    try:
        with open(root.rescue, "rb") as found:
            if found.read() == script:
                return
    except FileNotFoundError:
        pass
    effects.replace_file(root.rescue, script, mode=0o700)


def _not_ours(root: Root) -> PermissionRefused:
    return PermissionRefused(
        f"you may not use the system at {root.path}",
        because=[f"{root.state_directory} belongs to another user, usually root"],
        remedies=["run the same command as root", "use a system of your own: moss -D DIRECTORY …"],
    )
