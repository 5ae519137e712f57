"""Plans: what a transaction would change, with the reason for each change.

A plan is a value: it is made by looking, shown to the person, and then carried out or dropped.
"""

from collections.abc import Iterable, Mapping, Sequence

from moss.generation import Reason, Selected
from moss.model import SystemModel, says_the_same
from moss.package import Metadata
from moss.path_filter import NOTHING_OMITTED, PathFilter
from moss.repository import Candidate, Voucher
from moss.root import GenerationId
from solver.values import field, value
from solver.version import compare


@value
class Chosen:
    """A package of the generation to come: already in the store, or to be fetched from a repository."""

    metadata: Metadata
    candidate_key: str
    reason: Reason
    present: Selected | None
    """As the active generation (or another on record) has it; None when none does."""
    candidate: Candidate | None
    """As a repository offers it; None when it comes from the store."""

    @property
    def name(self) -> str:
        return self.metadata.name


def as_chosen(selected: Selected) -> Chosen:
    """A recorded package, as a plan speaks of one."""
    return Chosen(selected.metadata, selected.candidate_key, selected.reason, selected, None)


@value
class Install:
    """A package that comes in."""

    package: Chosen


@value
class Change:
    """A package that takes the place of another of its name."""

    before: Metadata
    package: Chosen

    @property
    def is_downgrade(self) -> bool:
        before, after = self.before, self.package.metadata
        return (
            before.scheme is after.scheme
            and compare(before.scheme, after.ordered_version, before.ordered_version) < 0
        )


@value
class Removal:
    """A package that goes. `because` completes "…, " for the person: why it is not needed any more."""

    metadata: Metadata
    because: str


@value
class Held:
    """A newer version that an update does not take, and what would free it."""

    name: str
    current: str
    newest: str
    because: tuple[str, ...] | None = None
    """Sentences; None where nobody looked for the reason, none where another preference came first."""
    gone: tuple[str, ...] = ()
    """What would have to go for it."""
    behind: tuple[str, ...] = ()
    """What would have to stay older than it is after this plan."""
    command: str | None = None
    """What to type to get it all the same; None where nothing certain is known."""


@value
class Proof:
    """How good the answer is known to be."""

    proven: bool
    seconds: float
    levels: tuple[tuple[str, int], ...] = ()
    """Each preference by name with its cost, most important first."""
    order: str = ""
    """What the preferences are called, together."""


@value
class Source:
    """A repository that packages of a plan come from, and who vouches for them."""

    repository: str
    packages: int
    vouched_by: Voucher
    stale_days: int = 0
    """Begun days since what the repository signed has expired."""


@value
class Space:
    """Bytes. Estimates until the packages have been fetched."""

    download: int
    store: int
    free: int


@value
class Saving:
    """Bytes of files that a subscription leaves out of the tree, of packages that are on record."""

    subscription: str
    before: int
    after: int


@value
class Refetch:
    """A package that is on record and of whose files some, which were left out, are not in the store."""

    package: Chosen
    candidate: Candidate
    missing: int
    """Bytes of these files."""


@value
class BrokenLink:
    """A symlink that stays in the tree while what it points to is left out."""

    path: str
    target: str
    package: str
    subscription: str

    def __str__(self) -> str:
        return (
            f"/usr/{self.path} of {self.package} will lead nowhere: "
            f"the subscription {self.subscription} leaves out its target, {self.target}"
        )


@value
class Plan:
    """What would be done. `chosen` is the whole generation to come, by name."""

    operation: str
    base: GenerationId | None
    result: GenerationId
    model: SystemModel
    model_before: SystemModel
    chosen: tuple[Chosen, ...]
    installs: tuple[Install, ...]
    changes: tuple[Change, ...]
    removals: tuple[Removal, ...]
    space: Space
    proof: Proof | None
    """None where nothing was solved: the packages are those of another system's generation."""
    held: tuple[Held, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    origin: str = ""
    """Whose generation this one will be like, for the person; empty where it is the solver's answer."""
    sources: tuple[Source, ...] = ()
    """Where what comes is from, by name."""
    omissions: PathFilter = NOTHING_OMITTED
    """What the generation leaves out of its packages' paths."""
    omissions_before: PathFilter = NOTHING_OMITTED
    savings: tuple[Saving, ...] = ()
    """Of each subscription that leaves out something before or after; none where the filter stays the same."""
    refetched: tuple[Refetch, ...] = ()
    edited: SystemModel | None = None
    """What the file of the system model says, where a person has edited it; the plan starts from that."""
    model_text: str | None = None
    """A text that says what `model` does, where that came as one; None: the file's own, changed where it must be."""

    @property
    def is_empty(self) -> bool:
        """Whether carrying it out would change nothing, not even what is wished for."""
        return not self.has_changes and says_the_same(self.model, self.model_before) and not self.filters_otherwise

    @property
    def filters_otherwise(self) -> bool:
        """Whether other paths are left out than before, of whatever packages there are."""
        return self.omissions != self.omissions_before

    @property
    def has_changes(self) -> bool:
        """Whether any package comes, goes or changes."""
        return bool(self.installs or self.changes or self.removals)


@value
class Difference:
    """How one set of packages differs from another."""

    installs: tuple[Install, ...]
    changes: tuple[Change, ...]
    removals: tuple[Metadata, ...]


def difference(before: Sequence[Selected], after: Iterable[Chosen]) -> Difference:
    """Compare by name and architecture; the same candidate is no change."""
    old: Mapping[tuple[str, str], Selected] = {
        (selected.metadata.name, selected.metadata.architecture): selected for selected in before
    }
    left = dict(old)
    installs: list[Install] = []
    changes: list[Change] = []
    for chosen in after:
        key = _counterpart(left, chosen.metadata)
        selected = left.pop(key) if key is not None else None
        if selected is None:
            installs.append(Install(chosen))
        elif selected.candidate_key != chosen.candidate_key:
            changes.append(Change(selected.metadata, chosen))
    return Difference(
        tuple(sorted(installs, key=lambda install: install.package.name)),
        tuple(sorted(changes, key=lambda change: change.package.name)),
        tuple(left[key].metadata for key in sorted(left)),
    )


def _counterpart(left: Mapping[tuple[str, str], Selected], metadata: Metadata) -> tuple[str, str] | None:
    """The old package that this one replaces: the same architecture, or one of them without any."""
    if not left:
        return None
    exact = (metadata.name, metadata.architecture)
    if exact in left:
        return exact
    others = [key for key in left if key[0] == metadata.name]
    if "noarch" in (metadata.architecture, *(architecture for _, architecture in others)):
        return min(others, default=None)
    return None
