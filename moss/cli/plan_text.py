"""A plan as a person reads it: what comes, changes and goes, each with its reason; the cost; the result.

Install   inkscape 1.4.2-31                      you asked for it
          libgsl 2.8-4, potrace 1.16-3 (+9)      needed by inkscape
Change    glib2 2.86.1-62 → 2.86.2-63            inkscape needs …
Remove    foo 1.2-3                              nothing needs it any more
Download  41.2 MiB      Disk +118 MiB      free after 21.4 GiB
Result    generation 42 → 43, live at once; optimal (proven, 24 ms)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from moss.cli.text import (
    Page,
    count,
    duration,
    listed,
    moment,
    packed,
    padded,
    plain,
    size,
    size_change,
    width_of,
    wrapped,
)
from moss.subscription import Setting
from solver.values import value

if TYPE_CHECKING:
    from moss.generation import Generation, Reason
    from moss.package import Metadata
    from moss.plan import Change, Chosen, Difference, Held, Plan, Proof, Source
    from moss.root import GenerationId

_LABEL_COLUMNS = 10
_MOST_LINES = 10
"""A row of packages is cut here; `-v` shows all of it."""


@value
class Row:
    """Things to which the same happens for the same reason."""

    label: str
    items: tuple[str, ...]
    reason: str = ""


def plan_text(plan: Plan, page: Page, *, at_boot: bool = False) -> str:
    """The whole plan, in lines that end. `at_boot`: the switch is left to the next boot."""
    rows = [*_edited(plan), *_coming(plan, page), *_wishes(plan), *_restrictions(plan)]
    rows += _held(plan.held, page)
    rows += grouped("Remove", ((removal.metadata.label, removal.because) for removal in plan.removals))
    rows += _filtered(plan)
    lines = rows_text(rows, page)
    lines += _cost(plan, page)
    for source in plan.sources:
        lines += _source(source, page)
    if plan.origin:
        lines += _line("From", plain(plan.origin), page)
    steps = _steps(plan.base, plan.result, at_boot)
    lines += _line("Result", steps if plan.proof is None else f"{steps}; {proof_text(plan.proof)}", page)
    lines += _proof(plan.proof, page)
    return "".join(line + "\n" for line in lines)


def changes_text(plan: Plan, page: Page) -> str:
    """Which packages come, change and go, and why; in lines that end."""
    removals = grouped("Remove", ((removal.metadata.label, removal.because) for removal in plan.removals))
    return "".join(line + "\n" for line in rows_text([*_coming(plan, page), *removals], page))


def _source(source: Source, page: Page) -> list[str]:
    """Who vouches is said where it is nobody, or where it was long ago."""
    what = f"{plain(source.repository)}, for {count(source.packages, 'package')}"
    if source.vouched_by.value == "nobody":
        return _line("Unsigned", f"{what}: nobody vouches for what it offers", page)
    if source.stale_days:
        return _line("Stale", f"{what}: what it signed expired {count(source.stale_days, 'day')} ago", page)
    return []


def nothing_text(plan: Plan, already: str, page: Page) -> str:
    """A plan that changes nothing, which may still have something to tell."""
    why = f"{count(len(plan.held), 'newer version')} held back" if plan.held else already
    unsure = f" This is {proof_text(plan.proof)}." if plan.proof is not None and not plan.proof.proven else ""
    lines = [f"Nothing to do: {why}.{unsure}", *rows_text(_held(plan.held, page), page), *_proof(plan.proof, page)]
    return "".join(line + "\n" for line in lines)


def activation_text(
    base: GenerationId, target: Generation, difference: Difference, page: Page, *, at_boot: bool = False
) -> str:
    """What going to another generation changes."""
    lines = rows_text(difference_rows(difference), page)
    made = f"made {moment(target.created_at)}" + (f" by {plain(target.command)!r}" if target.command else "")
    lines += _line("Result", f"{_steps(base, target.id, at_boot)} ({made})", page)
    return "".join(line + "\n" for line in lines)


def difference_rows(difference: Difference) -> list[Row]:
    """Without reasons: what one generation has and another has not."""
    rows = [
        Row("Install", tuple(plain(install.package.metadata.label) for install in difference.installs)),
        Row("Change", tuple(change_text(change) for change in difference.changes)),
        Row("Remove", tuple(plain(metadata.label) for metadata in difference.removals)),
    ]
    return [row for row in rows if row.items]


def rows_text(rows: Iterable[Row], page: Page) -> list[str]:
    """Lines of label, things and reason; a label that repeats is left blank."""
    shown = [row for row in rows if row.items]
    with_reasons = [row for row in shown if row.reason]
    room = max(page.columns - _LABEL_COLUMNS, 30)
    widest = max((width_of(", ".join(row.items)) for row in with_reasons), default=0)
    what = min(widest, room * 55 // 100)
    lines: list[str] = []
    label_before = ""
    for row in shown:
        label = "" if row.label == label_before else row.label
        label_before = row.label
        items = _cut(row.items, what if row.reason else room, page)
        reasons = wrapped(row.reason, max(room - what - 2, 16)) if row.reason else []
        for number in range(max(len(items), len(reasons))):
            item = items[number] if number < len(items) else ""
            reason = reasons[number] if number < len(reasons) else ""
            lines.append(_row_line(label if number == 0 else "", item, reason, what, page))
    return lines


def grouped(label: str, things: Iterable[tuple[str, str]]) -> list[Row]:
    """One row for each reason, in the order in which reasons first appear."""
    by_reason: dict[str, list[str]] = {}
    rows: dict[str, list[str]] = {}  # by a reason as it was told, of which there are few
    for thing, reason in things:
        row = rows.get(reason)
        if row is None:
            row = rows[reason] = by_reason.setdefault(plain(reason), [])
        row.append(plain(thing))
    return [Row(label, tuple(found), reason) for reason, found in by_reason.items()]


def change_text(change: Change) -> str:
    before, after = change.before, change.package.metadata
    return plain(f"{before.name} {before.ordered_version} → {_version_beside(before, after)}")


def held_text(held: Held) -> str:
    return plain(f"{held.name} {held.current} (newest {held.newest})")


def proof_text(proof: Proof) -> str:
    if proof.proven:
        return f"optimal (proven, {duration(proof.seconds)})"
    return f"the best found in {duration(proof.seconds)}, not proven optimal"


def reason_text(reason: Reason, name: str) -> str:
    """Why a package is there: `you asked for it`, `inkscape needs soname(libgsl.so.28)`."""
    if reason.wish is not None:
        return "you asked for it" if reason.wish == name else f"you asked for {reason.wish}"
    if reason.subscription is not None:
        return f"the subscription {reason.subscription} wants it"
    if reason.package is None:
        return ""
    return f"{reason.package} needs {reason.needs}" if reason.needs else f"needed by {reason.package}"


def _coming(plan: Plan, page: Page) -> list[Row]:
    reasons = {chosen.name: chosen.reason for chosen in plan.chosen}
    asked = [install.package for install in plan.installs if install.package.reason.is_wish]
    needed = [install.package for install in plan.installs if not install.package.reason.is_wish]
    rows = grouped("Install", ((one.metadata.label, reason_text(one.reason, one.name)) for one in asked))
    rows += grouped("Install", ((one.metadata.label, _why_needed(one, reasons, page)) for one in needed))
    rows += grouped("Change", ((change_text(change), _why_changed(change, plan)) for change in plan.changes))
    return rows


def _why_needed(chosen: Chosen, reasons: Mapping[str, Reason], page: Page) -> str:
    """In short by which wished package, in the end; at length (`-v`) what needs it directly, and why."""
    if page.verbose:
        return reason_text(chosen.reason, chosen.name)
    seen = {chosen.name}
    needer = chosen.reason.package
    while needer is not None and needer not in seen and needer in reasons and reasons[needer].package is not None:
        seen.add(needer)
        needer = reasons[needer].package
    if needer is None:
        return reason_text(chosen.reason, chosen.name) if chosen.reason.subscription is not None else ""
    if needer in reasons and (subscription := reasons[needer].subscription) is not None:
        return f"needed by {needer}, for the subscription {subscription}"
    return f"needed by {needer}"


def _why_changed(change: Change, plan: Plan) -> str:
    before, after, reason = change.before, change.package.metadata, change.package.reason
    pins = {pin.wanted.name: str(pin) for pin in plan.model.pins}
    if plan.operation == "pin" and after.name in pins:
        return f"pinned: {pins[after.name]}"
    if change.is_downgrade:
        return f"older: {reason_text(reason, after.name)}"
    if plan.operation in ("update", "sync"):
        return "newer version" if before.ordered_version != after.ordered_version else "built anew"
    return reason_text(reason, after.name)


def _edited(plan: Plan) -> list[Row]:
    """What a person has edited in the file of the system model, before this command."""
    if plan.edited is None:
        return []
    from moss.model import changes_between

    items = tuple(map(plain, changes_between(plan.model_before, plan.edited)))
    return [Row("Edited", items, "in the system model, by hand")]


def _wishes(plan: Plan) -> list[Row]:
    """Only where nothing else shows what is changed: a package that is there already is asked for."""
    if plan.has_changes:
        return []
    before = {str(wish): wish for wish in (plan.edited or plan.model_before).wishes}
    after = {str(wish): wish for wish in plan.model.wishes}
    added = tuple(plain(text) for text in after if text not in before)
    dropped = tuple(plain(text) for text in before if text not in after)
    return [
        Row("Ask for", added, "is there already, and stays"),
        Row("Let go", dropped, "stays while others need it"),
    ]


def _restrictions(plan: Plan) -> list[Row]:
    """What may be and what must stay, where this plan changes that."""
    rows = []
    began = plan.edited or plan.model_before
    for before, after, more, fewer, why in (
        (began.pins, plan.model.pins, "Pin", "Unpin", "through every update, until unpin"),
        (began.holds, plan.model.holds, "Hold", "Unhold", "stays as it is, until unhold"),
    ):
        old, new = (tuple(plain(str(one)) for one in some) for some in (before, after))
        rows.append(Row(more, tuple(text for text in new if text not in old), why))
        gone = tuple(text for text in old if text not in new)
        rows.append(Row(fewer, gone, "" if any(text not in old for text in new) else "free to change again"))
    return [*rows, *_switches(plan)]


def _switches(plan: Plan) -> list[Row]:
    """Which subscriptions this plan sets otherwise, and how."""
    before = {one.name: one for one in plan.model_before.switches}
    after = {one.name: one for one in plan.model.switches}
    changed = [one for name, one in after.items() if before.get(name) != one]
    automatic = tuple(plain(name) for name in before if name not in after and "(" not in name)
    let_go = tuple(plain(name) for name in before if name not in after and "(" in name)
    by_setting = {
        setting: tuple(plain(" ".join((one.name, *one.values))) for one in changed if one.setting is setting)
        for setting in Setting
    }
    return [
        Row("Turn on", by_setting[Setting.ON], "until unsubscribe"),
        Row("Turn off", by_setting[Setting.OFF], "until subscribe"),
        Row("Leave to", by_setting[Setting.AUTO] + automatic, "its definition decides again"),
        Row("Let go", let_go, "nobody need provide it any more"),
    ]


def _filtered(plan: Plan) -> list[Row]:
    """What is left out of /usr from now on, and what comes back; of what is fetched for it, the packages."""
    changes = [(one.subscription, one.after - one.before) for one in plan.savings]
    more = tuple(f"{plain(name)} {size(by)}" for name, by in changes if by > 0)
    less = tuple(f"{plain(name)} {size(-by)}" for name, by in changes if by < 0)
    again = tuple(plain(one.package.metadata.label) for one in plan.refetched)
    return [
        Row("Leave out", more, "not in /usr from now on"),
        Row("Restore", less, "back in /usr"),
        Row("Refetch", again, "some of their files are not here any more"),
    ]


def _held(held: Sequence[Held], page: Page) -> list[Row]:
    """Those with a reason each, those nobody asked about together."""
    told = [one for one in held if one.because is not None]
    rest = tuple(held_text(one) for one in held if one.because is None)
    how = "update -n NAME tells why, update -n -v of many" if told else "update -n NAME tells why"
    return [
        *(Row("Held", (held_text(one),), page.at(_why_held(one))) for one in told),
        Row("Held", rest, f"moss {how}"),
    ]


def _why_held(held: Held) -> str:
    because = list(held.because or ())
    if not because:
        return "something that matters more comes first: -v tells the order"
    if held.behind:
        because.append(f"{_some(held.behind)} would stay behind")
    if held.gone:
        because.append(f"{_some(held.gone)} would go")
    frees = f": {held.command}" if held.command and (held.gone or held.behind) else ""
    frees = f"; {held.command} frees it" if held.command and not frees else frees
    return plain("; ".join(because) + frees)


def _some(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"


def _proof(proof: Proof | None, page: Page) -> list[str]:
    return _line("Proof", _levels(proof), page) if page.verbose and proof is not None and proof.levels else []


def _levels(proof: Proof) -> str:
    """Every level with its cost, the most important first."""
    costs = " › ".join(f"{name} {cost}" for name, cost in proof.levels)
    how = "each the least there is, given those before it" if proof.proven else "reached, not proven the least"
    return f"{costs} ({proof.order}; {how})" if proof.order else f"{costs} ({how})"


def _version_beside(before: Metadata, after: Metadata) -> str:
    """The new version; with what else tells the two apart where it looks the same."""
    if before.ordered_version != after.ordered_version:
        return after.ordered_version
    if before.build_release != after.build_release:
        return f"{after.ordered_version} (build {after.build_release})"
    if before.architecture != after.architecture:
        return f"{after.ordered_version} ({after.architecture})"
    return f"{after.ordered_version} (another build)"


def _cost(plan: Plan, page: Page) -> list[str]:
    space = plan.space
    parts = [
        f"{size(space.download) if space.download else 'nothing'}",
        f"Disk {size_change(space.store)}",
        f"free after {size(max(space.free - space.store, 0))}",
    ]
    return [page.bold(padded("Download", _LABEL_COLUMNS)) + (" " * 6).join(parts)]


def _steps(base: GenerationId | None, result: GenerationId, at_boot: bool) -> str:
    when = "at the next boot" if at_boot else "live at once"
    if base is None:
        return f"generation {result}, the first, {when}"
    return f"generation {base} → {result}, {when}"


def _line(label: str, text: str, page: Page) -> list[str]:
    first, *more = wrapped(text, max(page.columns - _LABEL_COLUMNS, 30))
    return [page.bold(padded(label, _LABEL_COLUMNS)) + first, *(" " * _LABEL_COLUMNS + line for line in more)]


def _row_line(label: str, item: str, reason: str, what: int, page: Page) -> str:
    start = {"Install": page.green, "Change": page.yellow, "Remove": page.red}.get(label, page.bold)(label)
    start += " " * (_LABEL_COLUMNS - len(label))
    return f"{start}{padded(item, what)}  {page.dim(reason)}" if reason else f"{start}{item}".rstrip()


def _cut(items: tuple[str, ...], width: int, page: Page) -> list[str]:
    if page.verbose or len(items) <= _most_items(width):
        lines = packed(items, width)
        if page.verbose or len(lines) <= _MOST_LINES:
            return lines
    # What does not fit whole fits no better with the count behind it: begin there.
    kept = max(_most_that_fit(items, width), 1)
    while True:
        shown = [*items[: kept - 1], f"{items[kept - 1]} (+{len(items) - kept})"]
        lines = packed(shown, width)
        if len(lines) <= _MOST_LINES or kept == 1:
            return lines
        kept -= 1


def _most_items(width: int) -> int:
    """More than these never go into the lines that a row may have, however short they are."""
    return _MOST_LINES * (width // 3 + 1)


def _most_that_fit(items: tuple[str, ...], width: int) -> int:
    """How many of the first items go into the lines that a row may have, without a count behind."""
    lines = packed(items[: _most_items(width)], width)
    return min(sum(line.count(", ") for line in lines[:_MOST_LINES]) + _MOST_LINES, len(items) - 1)
