"""state list, state show, state diff, history: looking at generations and how they came about."""

from collections.abc import Sequence
from typing import Annotated

from moss.cli.as_json import difference_data, fact_data, generation_data, journal_data, selected_data, trigger_data
from moss.cli.edits import edits
from moss.cli.package_text import selected_table
from moss.cli.parameters import Argument
from moss.cli.plan_text import difference_rows, rows_text
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, labelled, moment, plain, table
from moss.cli.trigger_words import changed_in_words
from moss.db.facts import facts_of
from moss.db.triggers import TriggerRun, runs_of, system_runs, with_changed
from moss.errors import NotFound
from moss.facts import Fact, FactKind
from moss.generation import Generation, JournalEntry, Selected
from moss.model_file import text_of
from moss.operations import queries
from moss.operations.queries import GenerationSummary
from moss.plan import Difference
from moss.root import GenerationId


def state_list(session: Session) -> Answer:
    """A generation is a complete /usr with a number; `state activate` goes to any that still has its
    tree, `rollback` to the one before the active one."""
    with session.reading() as system:
        summaries = queries.summaries(system)
    return Answer(
        lambda page: generations_text(summaries, page), lambda: [summary_data(one) for one in summaries]
    )


def state_show(
    session: Session,
    generation: Annotated[
        int | None,
        Argument(metavar="[GENERATION]", min=1, help="Its number; the active one when left out."),
    ] = None,
) -> Answer:
    """The packages it consists of, what you had asked for when it was made, and for what machine."""
    with session.reading() as system:
        number = GenerationId(generation) if generation is not None else system.active
        if number is None:
            raise NotFound("there is no generation yet", remedies=["moss install PACKAGE"])
        found, packages = queries.generation_packages(system, number)
        facts = facts_of(system.record, number)
        triggers = with_changed(system.record, number, runs_of(system.record, number).values())
        is_active = number == system.active
        edited = edits(session, system) if is_active else ()
        on_system = list(system_runs(system.record).values()) if is_active else []
    return Answer(
        lambda page: generation_text(found, packages, facts, triggers, on_system, edited, page),
        lambda: (
            generation_data(found)
            | {"packages": [selected_data(one) for one in packages], "facts": [fact_data(one) for one in facts]}
            | {"triggers": [trigger_data(one) for one in triggers], "edited": list(edited)}
            | {"system_triggers": [trigger_data(one) for one in on_system]}
        ),
    )


def state_export(
    session: Session,
    generation: Annotated[
        int | None, Argument(metavar="[GENERATION]", min=1, help="Its number; the active one when left out.")
    ] = None,
) -> Answer:
    """As it is in /etc/moss/system-model.kdl while that generation is active, with the repositories there are now.
    `sync --model FILE` makes a system so."""
    with session.reading() as system:
        number = GenerationId(generation) if generation is not None else system.active
        if number is None:
            raise NotFound("there is no generation yet", remedies=["moss install PACKAGE"])
        queries.generation_packages(system, number)
        text = text_of(system.record, number)
    return Answer(lambda _: text if text.endswith("\n") else f"{text}\n", lambda: {"generation": number, "text": text})


def state_diff(
    session: Session,
    old: Annotated[int, Argument(metavar="OLD", min=1, help="A generation's number.")],
    new: Annotated[
        int | None, Argument(metavar="[NEW]", min=1, help="Another; the active one when left out.")
    ] = None,
) -> Answer:
    """Which packages NEW has that OLD has not, which changed, and which are gone."""
    with session.reading() as system:
        number = GenerationId(new) if new is not None else system.active
        if number is None:
            raise NotFound("there is no generation yet", remedies=["moss install PACKAGE"])
        difference = queries.difference_between(system, GenerationId(old), number)
    return Answer(
        lambda page: difference_text(difference, page),
        lambda: {"from": old, "to": number, **difference_data(difference)},
    )


def history(session: Session) -> Answer:
    """Also those that were undone because they failed or were interrupted. `undo` takes one back."""
    with session.reading() as system:
        entries = list(reversed(queries.history(system)))
    return Answer(
        lambda page: history_text(entries, page), lambda: [journal_data(entry) for entry in entries]
    )


def summary_data(summary: GenerationSummary) -> dict[str, object]:
    return generation_data(summary.generation) | {
        "active": summary.active,
        "previous": summary.previous,
        "package_count": summary.package_count,
        "has_tree": summary.has_tree,
        "kept_as": summary.kept_as,
        "pending": summary.pending,
        "failed_boot": summary.failed_boot,
    }


def generations_text(summaries: list[GenerationSummary], page: Page) -> str:
    if not summaries:
        return "There is no generation yet.\n"
    rows = [
        (
            str(one.generation.id),
            moment(one.generation.created_at),
            str(one.package_count),
            _standing(one),
            plain(one.generation.command),
        )
        for one in summaries
    ]
    return table(("Generation", "Made", "Packages", "", "By"), rows, page)


def generation_text(
    generation: Generation, packages: list[Selected], facts: tuple[Fact, ...], triggers: list[TriggerRun],
    on_system: list[TriggerRun], edited: Sequence[str], page: Page,
) -> str:  # fmt: skip
    start = labelled(
        (
            ("Generation", str(generation.id)),
            ("Made", moment(generation.created_at)),
            ("By", plain(generation.command)),
            ("Asked for", ", ".join(plain(str(wish)) for wish in generation.model.wishes)),
            ("Pinned", ", ".join(plain(str(pin)) for pin in generation.model.pins)),
            ("Held", ", ".join(plain(hold.name) for hold in generation.model.holds)),
            ("Subscribed", ", ".join(plain(str(one)) for one in generation.model.switches)),
            ("Edited", f"{', '.join(map(plain, edited))}: moss sync follows it" if edited else ""),
            ("Planned for", _facts_in_short(facts)),
            ("Triggers", ", ".join(_trigger_in_short(one) for one in triggers)),
            *(("", text) for one in triggers for text in changed_in_words(one)),
            ("On the system", ", ".join(_trigger_in_short(one) for one in on_system)),
            ("Holds", count(len(packages), "package")),
        ),
        page,
    )
    return start + "\n" + selected_table(packages, page) if packages else start


def difference_text(difference: Difference, page: Page) -> str:
    lines = rows_text(difference_rows(difference), page)
    return "".join(line + "\n" for line in lines) or "They hold the same packages.\n"


def history_text(entries: list[JournalEntry], page: Page) -> str:
    if not entries:
        return "Nothing was done here yet.\n"
    rows = [
        (str(one.id), moment(one.started_at), _steps(one), _how_far(one), plain(one.command)) for one in entries
    ]
    return table(("Transaction", "When", "Generation", "", "Command"), rows, page)


def _trigger_in_short(run: TriggerRun) -> str:
    if run.outcome != "done":
        return plain(f"{run.name} ({run.outcome})")
    return plain(f"{run.name} (by {run.isolation})" if run.isolation not in ("", "overlay") else run.name)


def _facts_in_short(facts: tuple[Fact, ...]) -> str:
    """All but the devices, of the processors' levels the highest, and how many devices there were."""
    devices = sum(one.kind is FactKind.MODALIAS for one in facts)
    levels = [one for one in facts if one.kind is FactKind.CPU]
    told = [plain(one.capability) for one in facts if one.kind not in (FactKind.MODALIAS, FactKind.CPU)]
    told[1:1] = [plain(one.capability) for one in levels[-1:]]
    return ", ".join([*told, *([count(devices, "device")] if devices else [])])


def _standing(summary: GenerationSummary) -> str:
    if not summary.active and not summary.has_tree:
        return "given up"
    standing = [
        "active" if summary.active else "rollback goes here" if summary.previous else "",
        "at the next boot" if summary.pending else "",
        "did not come up" if summary.failed_boot else "",
        "" if summary.kept_as is None else f"kept as {plain(summary.kept_as)}",
    ]
    return ", ".join(filter(None, standing))


def _steps(entry: JournalEntry) -> str:
    before = "–" if entry.from_generation is None else str(entry.from_generation)
    after = "–" if entry.to_generation is None else str(entry.to_generation)
    return f"{before} → {after}"


def _how_far(entry: JournalEntry) -> str:
    return f"under way ({entry.phase})" if entry.under_way else entry.phase
