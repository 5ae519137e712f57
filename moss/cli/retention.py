"""state keep, unkeep, remove and prune, cache clean: what stays, and making room."""

from typing import Annotated

from moss.cli.as_json import generation_data
from moss.cli.changing import Proposal, agreed, answer_data, nothing_to_do, opened
from moss.cli.parameters import Argument, Option
from moss.cli.plan_text import Row, rows_text
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, listed, moment, plain, size
from moss.operations.cache import Cleaning, clean, propose_cleaning
from moss.operations.retention import (
    Retirement,
    keep_generation,
    propose_pruning,
    propose_removal,
    retire,
    unkeep_generation,
)
from moss.operations.system import System
from moss.root import GenerationId

_INTERRUPTED = "what had been begun is completed by the next command that changes the system"

Number = Annotated[int, Argument(metavar="GENERATION", min=1, help="A number that `state list` shows.")]


def state_keep(
    session: Session,
    generation: Number,
    name: Annotated[
        str | None, Argument(metavar="[NAME]", help="What you call it; no two have one name.")
    ] = None,
) -> Answer:
    """No upkeep gives it up, and `state prune` and `state remove` leave it, until `state unkeep`."""
    with opened(session, "state", "keep", str(generation)) as system:
        if session.settings.dry_run:
            return _kept(generation, name or f"generation {generation}", " (dry run: nothing changed)")
        return _kept(generation, keep_generation(system, GenerationId(generation), name), "")


def state_unkeep(session: Session, generation: Number) -> Answer:
    """It goes when its turn comes, like the others."""
    with opened(session, "state", "unkeep", str(generation)) as system:
        if session.settings.dry_run:
            return Answer(lambda _: "Dry run: nothing changed.\n", lambda: _kept_data(generation, None))
        name = unkeep_generation(system, GenerationId(generation))
    return Answer(
        lambda _: f"Generation {generation} is no longer kept as {plain(name)}.\n",
        lambda: _kept_data(generation, None),
    )


def state_remove(
    session: Session,
    numbers: Annotated[
        list[int], Argument(metavar="GENERATION…", min=1, help="Numbers that `state list` shows.")
    ],
) -> Answer:
    """Their trees go, and what only they have. The active one, and those kept by name, cannot go."""
    with opened(session, "state", "remove", *map(str, numbers)) as system:
        return _retire(session, system, propose_removal(system, [GenerationId(number) for number in numbers]))


def state_prune(
    session: Session,
    keep: Annotated[
        int | None,
        Option("--keep", metavar="N", min=1, help="How many stay; as many as upkeep keeps when left out."),
    ] = None,
    remember: Annotated[bool, Option("--remember", help="Let upkeep keep that many from now on.")] = False,
) -> Answer:
    """The newest stay, and always the active one, the one that `rollback` goes to, those kept by name,
    and those that something still uses. After every change upkeep does the same; unless you set another
    number, it keeps 5."""
    words = ["state", "prune", *(["--keep", str(keep)] if keep else []), *(["--remember"] if remember else [])]
    with opened(session, *words) as system:
        return _retire(session, system, propose_pruning(system, keep, remember=remember))


def cache_clean(session: Session) -> Answer:
    """What can be made or fetched again: compiled universes, fetched stones, the spare tree, and files in
    the store that belong to nothing."""
    with opened(session, "cache", "clean") as system:
        cleaning = propose_cleaning(system)
        proposal = Proposal(
            text=lambda page: _cleaning_text(cleaning, page),
            data=lambda: cleaning_data(cleaning),
            nothing_to_do=None if cleaning.is_due else nothing_to_do("there is nothing to clean"),
        )
        instead = agreed(session, proposal)
        if instead is not None:
            return instead
        session.when_interrupted(lambda: _INTERRUPTED)
        freed = clean(system, cleaning)
    return Answer(lambda _: f"{size(freed)} freed.\n", answer_data(proposal, {"freed_bytes": freed}))


def _retire(session: Session, system: System, retirement: Retirement) -> Answer:
    proposal = Proposal(
        text=lambda page: retirement_text(retirement, page),
        data=lambda: retirement_data(retirement),
        nothing_to_do=None
        if retirement.going or retirement.remember is not None
        else lambda page: _kept_text(retirement, page) + nothing_to_do("no generation is there to give up")(page),
    )
    instead = agreed(session, proposal)
    if instead is not None:
        return instead
    session.when_interrupted(lambda: _INTERRUPTED)
    done = retire(system, retirement)
    told = f"{count(len(done.given_up), 'generation')} removed, {size(done.freed_bytes)} freed.\n"
    outcome: dict[str, object] = {"removed": list(done.given_up), "freed_bytes": done.freed_bytes}
    return Answer(lambda _: told, answer_data(proposal, outcome))


def retirement_text(retirement: Retirement, page: Page) -> str:
    rows = [
        Row("Remove", (f"generation {one.id}",), plain(f"made {moment(one.created_at)} by {one.command!r}"))
        for one in retirement.going
    ]
    lines = rows_text([*rows, *_kept_rows(retirement)], page)
    freed = retirement.freed
    if freed.packages:
        lines += rows_text([Row("Packages", tuple(map(plain, freed.packages)), "only they have them")], page)
    lines.append(f"Frees     about {size(freed.size)} in {count(freed.files, 'file')}, and the trees themselves")
    if retirement.loses_rollback:
        lines.append("Note      rollback then has nowhere to go to")
    if retirement.remember is not None:
        lines.append(f"From now  upkeep keeps {count(retirement.remember, 'generation')}")
    return "".join(line + "\n" for line in lines)


def _kept_rows(retirement: Retirement) -> list[Row]:
    return [Row("Keep", (f"generation {number}",), plain(why)) for number, why in retirement.kept]


def _kept_text(retirement: Retirement, page: Page) -> str:
    return "".join(f"{line}\n" for line in rows_text(_kept_rows(retirement), page))


def retirement_data(retirement: Retirement) -> dict[str, object]:
    return {
        "generations": [generation_data(one) for one in retirement.going],
        "kept": [{"generation": number, "because": why} for number, why in retirement.kept],
        "packages": list(retirement.freed.packages),
        "files": retirement.freed.files,
        "bytes": retirement.freed.size,
        "loses_rollback": retirement.loses_rollback,
        "remember": retirement.remember,
    }


def cleaning_data(cleaning: Cleaning) -> dict[str, object]:
    return {
        "cached_files": len(cleaning.cached),
        "cached_bytes": cleaning.cached_bytes,
        "orphans": len(cleaning.orphans),
        "orphan_bytes": cleaning.orphan_bytes,
        "spare": cleaning.spare,
        "spare_bytes": cleaning.spare_bytes,
    }


def _cleaning_text(cleaning: Cleaning, page: Page) -> str:
    parts = [
        (len(cleaning.cached), "cached file", cleaning.cached_bytes),
        (len(cleaning.orphans), "file of nothing in the store", cleaning.orphan_bytes),
    ]
    items = [
        f"{number} {noun if number == 1 else noun.replace('file', 'files', 1)} ({size(room)})"
        for number, noun, room in parts
        if number
    ]
    if cleaning.spare is not None:
        items.append(f"the spare tree ({size(cleaning.spare_bytes)}; the next change makes its tree in full)")
    return "".join(line + "\n" for line in rows_text([Row("Remove", (listed(items),))], page))


def _kept(generation: int, name: str, more: str) -> Answer:
    return Answer(
        lambda _: f"Generation {generation} is kept as {plain(name)}{more}.\n",
        lambda: _kept_data(generation, name),
    )


def _kept_data(generation: int, name: str | None) -> dict[str, object]:
    return {"generation": generation, "kept_as": name}
