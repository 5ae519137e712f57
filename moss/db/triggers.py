"""What triggers did for a generation, and what they wrote."""

from collections.abc import Iterable, Mapping, Sequence

from moss.db.connection import Database
from moss.db.cuts import not_omitted
from moss.db.packages import record_package
from moss.digest import ContentDigest, PackageDigest
from moss.generation import PackageId
from moss.layout import Entry
from moss.merge import name_of_made
from moss.package import Metadata, Relations
from moss.root import GenerationId
from solver.model import Relation
from solver.values import replace, value


@value
class Changed:
    """A file or symlink of a package that a generation has not as the package has it, because of a trigger."""

    path: str
    """Below /usr."""
    package: str
    removed: bool
    """Not there; otherwise what the trigger wrote is there instead."""


@value
class TriggerRun:
    """What became of one trigger."""

    name: str
    inputs: str
    """SHA-256 of all that the outcome depends on; empty where that was not looked at."""
    outcome: str
    """done, failed, ignored or inhibited."""
    output: str = ""
    seconds: float = 0.0
    package: PackageId | None = None
    """What it wrote; None: nothing below /usr."""
    reused: bool = False
    """It did not run: what it wrote for the generation before is as good. Known only to who decided so."""
    isolation: str = ""
    """What kept it from the rest of the system, see moss.triggers.values.Isolation; empty where it did not run."""
    changed: tuple[Changed, ...] = ()
    """What packages have and this trigger removed or wrote over; told by `with_changed`."""


def runs_of(database: Database, generation: GenerationId | None) -> dict[str, TriggerRun]:
    """Of those over a generation's tree: by name, in its order."""
    rows = database.connection.execute(
        "SELECT name, inputs, outcome, output, seconds, package, isolation FROM trigger_run"
        " WHERE generation = ? ORDER BY name",
        (generation,),
    )
    return {
        name: TriggerRun(
            name, inputs, outcome, output, seconds, None if package is None else PackageId(package), isolation=isolation
        )
        for name, inputs, outcome, output, seconds, package, isolation in rows
    }


def with_changed(database: Database, generation: GenerationId, runs: Iterable[TriggerRun]) -> list[TriggerRun]:
    """The same, each with what it changed of the generation's packages."""
    rows = database.connection.execute(
        "SELECT package.made_by, mine.path, other.name, mine.kind = 8 FROM selection"
        " JOIN package ON package.id = selection.package AND package.made_by IS NOT NULL"
        " CROSS JOIN layout AS mine ON mine.package = package.id"
        " CROSS JOIN layout AS theirs ON theirs.path = mine.path AND theirs.kind <> 3"
        " JOIN selection AS beside ON beside.package = theirs.package AND beside.generation = ?1"
        " JOIN package AS other ON other.id = theirs.package AND other.made_by IS NULL"
        " WHERE selection.generation = ?1"
        f" AND {not_omitted('(SELECT path_filter FROM generation WHERE id = ?1)', 'theirs')}"
        " ORDER BY mine.path, other.name",
        (generation,),
    )
    changed: dict[str, list[Changed]] = {}
    for name, path, package, removed in rows:
        changed.setdefault(name, []).append(Changed(path, package, bool(removed)))
    return [replace(run, changed=tuple(changed.get(run.name, ()))) for run in runs]


def has_runs(database: Database, generation: GenerationId | None) -> bool:
    """Whether any trigger had to do with a generation."""
    found = database.connection.execute("SELECT 1 FROM trigger_run WHERE generation = ? LIMIT 1", (generation,))
    return found.fetchone() is not None


def carried_over(database: Database, base: GenerationId | None) -> list[PackageId]:
    """What triggers wrote for a generation: most of it will do for the next one."""
    rows = database.connection.execute(
        "SELECT package FROM trigger_run WHERE generation = ? AND package IS NOT NULL ORDER BY package", (base,)
    )
    return [PackageId(package) for (package,) in rows]


def record_runs(database: Database, generation: GenerationId, runs: Iterable[TriggerRun]) -> None:
    """In the place of what was written down of the generation's triggers before."""
    with database.transaction():
        database.connection.execute("DELETE FROM trigger_run WHERE generation = ?", (generation,))
        database.connection.executemany(
            "INSERT INTO trigger_run (generation, name, inputs, outcome, output, seconds, package, isolation)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (generation, one.name, one.inputs, one.outcome, one.output, one.seconds, one.package, one.isolation)
                for one in runs
            ),
        )


def system_runs(database: Database) -> dict[str, TriggerRun]:
    """Of those on the system itself, as each ran last: by name, in its order."""
    rows = database.connection.execute(
        "SELECT name, inputs, outcome, output, seconds FROM system_trigger ORDER BY name"
    )
    return {row[0]: TriggerRun(*row) for row in rows}


def record_system_runs(database: Database, runs: Iterable[TriggerRun], names: Iterable[str], now: int) -> None:
    """What ran now; what was known of triggers that are none of `names` is forgotten."""
    with database.transaction():
        there = set(names)
        gone = [(name,) for name in system_runs(database) if name not in there]
        database.connection.executemany("DELETE FROM system_trigger WHERE name = ?", gone)
        database.connection.executemany(
            "INSERT OR REPLACE INTO system_trigger (name, inputs, outcome, output, seconds, run_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            ((one.name, one.inputs, one.outcome, one.output, one.seconds, now) for one in runs),
        )


def digest_of_made(trigger: str, wins_over: Iterable[str], layout: Iterable[Entry]) -> PackageDigest:
    """Of all that is recorded of what a trigger wrote: the same is one row, however often it is written."""
    said = (trigger, sorted(wins_over), [tuple(entry) for entry in layout])
    import hashlib  # who only looks needs none of it

    return PackageDigest(hashlib.sha256(repr(said).encode(errors="surrogateescape")).hexdigest())


def record_made(
    database: Database,
    trigger: str,
    digest: PackageDigest,
    wins_over: Iterable[str],
    layout: Sequence[Entry],
    sizes: Mapping[ContentDigest, int],
) -> PackageId:
    """Write down what a trigger wrote, and whose paths it wrote over."""
    name = name_of_made(trigger)
    replaces = tuple(Relation(name_of_made(other)) for other in sorted(wins_over))
    metadata = Metadata(name, "1", 1, 1, "noarch", rich_relations=Relations(replaces=replaces))
    package = record_package(
        database, metadata, digest, candidate_key=digest, repository="", stone_size=0, layout=layout, sizes=sizes
    )
    database.connection.execute("UPDATE package SET made_by = ? WHERE id = ?", (trigger, package))
    return package


def made_in(database: Database, packages: Iterable[PackageId]) -> dict[PackageId, str]:
    """Which of these a trigger wrote, and which one."""
    made = dict(database.connection.execute("SELECT id, made_by FROM package WHERE made_by IS NOT NULL"))
    return {package: made[package] for package in packages if package in made}


def set_made(database: Database, generation: GenerationId, made: Iterable[PackageId]) -> None:
    """What triggers wrote for a generation is this, and nothing else."""
    with database.transaction():
        database.connection.execute(
            "DELETE FROM selection WHERE generation = ?"
            " AND package IN (SELECT id FROM package WHERE made_by IS NOT NULL)",
            (generation,),
        )
        database.connection.executemany(
            "INSERT INTO selection (generation, package, reason) VALUES (?, ?, '{}')",
            ((generation, package) for package in made),
        )
