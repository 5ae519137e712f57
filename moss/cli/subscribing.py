"""subscribe, unsubscribe, subscriptions: what the system is for."""

from collections.abc import Sized
from typing import Annotated

from moss.cli.changes import change
from moss.cli.changing import opened
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, plain, size, wrapped
from moss.operations.standing import Told, standings
from moss.operations.stated import stated_model
from moss.operations.subscriptions import checked_name, known_definitions
from moss.operations.verbs import subscribe_request, unsubscribe_request

Why = Annotated[str, Option("--why", metavar="TEXT", help="Why you do, in your words: `subscriptions` tells it.")]
_MOST_NAMED = 6


def subscribe(
    session: Session,
    name: Annotated[str, Argument(metavar="NAME", help="A subscription, or a capability: 'binary(git)'.")],
    values: Annotated[
        list[str] | None, Argument(metavar="[VALUE…]", help="For one that takes values; they replace the older ones.")
    ] = None,
    automatic: Annotated[
        bool, Option("--auto", help="Leave it to the definition again, whatever you said before.")
    ] = False,
    why: Why = "",
) -> Answer:
    """What a subscription that is on wants is installed, and goes again with the subscription. Of a capability
    somebody who provides it stays installed. `moss subscriptions` lists those there are."""
    said = [name, *(values or []), *(["--auto"] if automatic else []), *(["--why", why] if why else [])]
    with opened(session, "subscribe", *said) as system:
        model, known = stated_model(system), known_definitions(system)
        definitions = {one.name: one for one in known.definitions}
        if not (automatic and any(one.name == name for one in model.switches)):
            name = checked_name(system, name, known)
        request = subscribe_request(model, name, values or [], why, definitions, automatic=automatic)
        return change(session, system, request, "it is set so already")


def unsubscribe(
    session: Session,
    names: Annotated[list[str], Argument(metavar="NAME…", help="Subscriptions, or capabilities.")],
    why: Why = "",
) -> Answer:
    """Off whatever its definition says, until `subscribe`, or `subscribe --auto`."""
    with opened(session, "unsubscribe", *names, *(["--why", why] if why else [])) as system:
        definitions = {one.name: one for one in known_definitions(system).definitions}
        request = unsubscribe_request(stated_model(system), names, why, definitions)
        return change(session, system, request, "it is off already")


def subscriptions(
    session: Session,
    names: Annotated[
        list[str] | None, Argument(metavar="[NAME…]", help="Only these; all when none is named.")
    ] = None,
) -> Answer:
    """Whether each is on, by whose word, which packages it brings, and how many bytes it leaves out."""
    with session.reading() as system:
        known = known_definitions(system)
        asked = {checked_name(system, name, known) for name in names or []}
        told, notes = standings(system)
    for note in notes:
        session.warning(note)
    shown = [one for one in told if not asked or one.name in asked]
    return Answer(
        lambda page: "".join(standing_text(one, page) for one in shown) or "There are no subscriptions.\n",
        lambda: [standing_data(one) for one in shown],
    )


def standing_text(one: Told, page: Page) -> str:
    """A subscription in a few lines."""
    state = "on" if one.is_on else "off"
    auto = ", automatic" if one.setting.value == "auto" else ""
    values = f" {plain(' '.join(one.values))}" if one.values else ""
    why = plain(one.because)
    state = why if why.startswith(f"{state} ") else f"{state}{auto}, {why}"
    lines = [f"{page.bold(plain(one.name))}{values}: {state}"]
    if one.summary:
        lines.append(f"  {plain(one.summary)}")
    for verb, packages in (("brings", one.brings), ("would bring" if not one.is_on else "lacks", one.would_bring)):
        if packages:
            named = ", ".join(plain(package.label) for package in packages[:_MOST_NAMED])
            total = size(sum(package.size for package in packages))
            lines.append(f"  {verb} {count(len(packages), 'package')}, {total}: {named}{_more(packages)}")
    if one.nobody_offers:
        named = ", ".join(plain(name) for name in one.nobody_offers[:_MOST_NAMED])
        lines.append(f"  nobody offers {named}{_more(one.nobody_offers)}")
    if one.leaves_out:
        saves = "" if one.saves is None else f": saves {size(one.saves)}"
        lines.append(f"  leaves out paths of packages{saves}")
    if one.origin and page.verbose:
        lines.append(f"  defined in {plain(one.origin)}")
    width = max(page.columns, 40)
    return "".join(
        "\n".join([first, *(f"    {line}" for line in more)]) + "\n"
        for first, *more in (_wrapped(line, width) for line in lines)
    )


def _more(all_of_them: Sized) -> str:
    return f" and {len(all_of_them) - _MOST_NAMED} more" if len(all_of_them) > _MOST_NAMED else ""


def _wrapped(line: str, width: int) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    found = wrapped(line.strip(), width - len(indent) - 4) or [""]
    return [indent + found[0], *found[1:]]


def standing_data(one: Told) -> dict[str, object]:
    return {
        "name": one.name,
        "summary": one.summary,
        "setting": one.setting.value,
        "on": one.is_on,
        "because": one.because,
        "values": list(one.values),
        "origin": one.origin or None,
        "brings": [{"name": p.name, "label": p.label, "installed_bytes": p.size} for p in one.brings],
        "would_bring": [{"name": p.name, "label": p.label, "installed_bytes": p.size} for p in one.would_bring],
        "leaves_out": one.leaves_out,
        "saves_bytes": one.saves,
        "nobody_offers": list(one.nobody_offers),
    }
