"""Where triggers over a new tree run: which isolation this machine has, and a place for each trigger."""

import os
from collections.abc import Sequence
from functools import partial

from moss.errors import TriggerFailed
from moss.layout import EntryKind
from moss.operations.system import System
from moss.triggers.capture import Captured, capture
from moss.triggers.private_copy import PrivateCopy
from moss.triggers.running import Ended, Job, run_all
from moss.triggers.sandbox import PARTS, Sandbox, enter
from moss.triggers.values import Handler, Isolation

TIMEOUT_SECONDS = 600.0
"""For all commands of one trigger."""

_PROBE_SECONDS = 20.0
_SAID = {
    Isolation.COPY: "triggers run one after another over a private copy of the new tree",
    Isolation.CHROOT: "triggers run one after another over a private copy of the new tree, without namespaces",
}


class Places:
    """Made where some trigger is due; nothing is left of them after `clear`."""

    def __init__(self, system: System, tree: str | None = None) -> None:
        """`tree`: of /usr; None: the one that is being made."""
        self._system = system
        self._base = system.root.state_directory
        self._tree = tree or os.path.join(system.root.spare, "usr")
        self._sandboxes: dict[str, Sandbox] = {}
        self._copy: PrivateCopy | None = None
        self.isolation = Isolation.OVERLAY
        self.are_prepared = False

    def prepare(self) -> None:
        """Find out what the machine has. TriggerFailed where that is nothing, or not what the person said."""
        self.are_prepared = True
        self.clear()
        self._system.effects.mkdir(self._system.root.triggers, 0o700)
        isolation, failures = self.best_of(tuple(Isolation))
        if isolation is not None:
            self._take(isolation, failures)
            return
        said = self._system.isolation
        raise TriggerFailed(
            "triggers cannot be kept from the rest of the system on this machine",
            because=failures,
            remedies=[
                "run moss where it may make namespaces, or as root",
                "do without them this time: --ignore-trigger NAME, for each",
                *(["let moss choose: without --isolation"] if said is not None else []),
            ],
        )

    def best_of(self, kinds: Sequence[Isolation]) -> tuple[Isolation | None, list[str]]:
        """The first of them that the machine has, or the one that the person said; and why not those before it. Their
        places are made in the triggers' directory."""
        said = self._system.isolation
        failures: list[str] = []
        for isolation in kinds if said is None else (said,):
            failure = self._failure(isolation)
            if failure is None and isolation in kinds:
                return isolation, failures
            failures.append(f"{isolation.value}: {failure or 'it is for triggers only'}")
        return None, failures

    @property
    def side_by_side(self) -> int:
        """How many may run at once: a copy is one trigger's at a time."""
        return len(os.sched_getaffinity(0)) if self._copy is None else 1

    def job(self, name: str, handlers: tuple[Handler, ...], before: Sequence[str]) -> Job:
        """For a trigger that sees what others wrote, the latest first."""
        uppers = [self._sandboxes[one].upper for one in before if one in self._sandboxes]
        sandbox = self._sandboxes[name] = self._sandbox(name, self.isolation, uppers)
        if self._copy is not None:
            self._copy.begin([os.path.join(self._base, one) for one in reversed(uppers)])
        return _job(name, handlers, sandbox, TIMEOUT_SECONDS)

    def captured(self, name: str) -> Captured:
        """What the trigger wrote, when it has ended."""
        place = self._sandboxes[name]
        upper, *below = (os.path.join(place.base, one) for one in (place.upper, *place.seen_before, place.tree))
        if self._copy is not None:
            self._copy.end(upper)
        owner = None if self._system.effects.apply_owners else os.geteuid()
        found = capture(upper, below, name, owner=owner, gone=None if self._copy is None else self._copy.gone)
        self._refuse_directories_for_links(name, found)
        return found

    def _refuse_directories_for_links(self, name: str, found: Captured) -> None:
        """Paths below a package's link move to where it leads (`moss.merge`), those of a directory in its place too."""
        for entry in found.entries:
            if entry.kind is EntryKind.DIRECTORY and os.path.islink(os.path.join(self._tree, entry.path)):
                raise TriggerFailed(
                    f"the trigger {name} made a directory of /usr/{entry.path}, which is a link in the new generation",
                    because=["what is below a link belongs where that leads"],
                    remedies=[f"moss … --ignore-trigger {name}", "ask who made the trigger"],
                )

    def clear(self) -> None:
        self._system.effects.remove_tree(self._system.root.triggers)

    def _take(self, isolation: Isolation, failures: Sequence[str]) -> None:
        self.isolation = isolation
        if isolation is Isolation.OVERLAY:
            return
        if failures:
            self._system.reporter.warning("; ".join((_SAID[isolation], *failures)))
        self._system.reporter.stage("copying the new tree for triggers")
        self._system.effects.mkdir(os.path.dirname(self._place_of_copy), 0o700)
        self._copy = PrivateCopy(self._tree, self._place_of_copy)

    @property
    def _place_of_copy(self) -> str:
        return os.path.join(self._system.root.triggers, ".copy", "usr")

    def _failure(self, isolation: Isolation) -> str | None:
        """Why it cannot be had: an empty place of this kind is made, and gone to."""
        if isolation is Isolation.CHROOT and os.geteuid() != 0:
            return "only root can change the root of a process"
        name = f".probe-{isolation.value}"
        sandbox = self._sandbox(name, isolation, (), copy=os.path.join(self._system.root.triggers, name, "copy", "usr"))
        if isolation is not Isolation.OVERLAY:
            usr = os.path.join(self._base, sandbox.copy)
            for directory in (os.path.dirname(usr), usr):
                self._system.effects.mkdir(directory, 0o755)
        ends: list[Ended] = []
        run_all([name], {name: frozenset()}, lambda _: _job(name, (), sandbox, _PROBE_SECONDS), ends.append, 1)
        return ends[0].failure

    def _sandbox(self, name: str, isolation: Isolation, before: Sequence[str], copy: str | None = None) -> Sandbox:
        scratch = os.path.join(self._system.root.triggers, name)
        self._system.effects.mkdir(scratch, 0o700)
        for part in PARTS:
            self._system.effects.mkdir(os.path.join(scratch, part), 0o755)
        tree, scratch, copy = (
            os.path.relpath(one, self._base) for one in (self._tree, scratch, copy or self._place_of_copy)
        )
        return Sandbox(self._base, tree, tuple(before), scratch, isolation, copy)


def _job(name: str, handlers: tuple[Handler, ...], sandbox: Sandbox, timeout: float) -> Job:
    return Job(name, handlers, partial(enter, sandbox), timeout)
