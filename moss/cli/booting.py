"""boot status, sync, forget and hooks: the boot menu, which has an entry for every generation."""

from typing import Annotated

from moss.boot.keeping import Proposed
from moss.cli.changing import Proposal, agreed, answer_data, nothing_to_do, opened
from moss.cli.parameters import Argument, Option
from moss.cli.plan_text import Row, rows_text
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, labelled, plain, size, table
from moss.operations import booting
from moss.operations.booting import BootStatus, EntryState


def boot_status(session: Session) -> Answer:
    """Which entries there are, which one boots first, and what else is on the boot partition."""
    with session.reading() as system:
        status = booting.boot_status(system)
    return Answer(lambda page: status_text(status, page), lambda: status_data(status))


def boot_sync(
    session: Session,
    esp: Annotated[
        str | None,
        Option("--esp", metavar="DIRECTORY", help="Where the EFI system partition is; remembered."),
    ] = None,
    boot: Annotated[
        str | None,
        Option("--boot", metavar="DIRECTORY", help="Where entries and kernels go, if not there; remembered."),
    ] = None,
) -> Answer:
    """Every change does this by itself once it is known where. On the running system the partitions are found
    where they are mounted; for another root you say where they are. Entries of others are never touched."""
    words = ["boot", "sync", *(["--esp", esp] if esp else []), *(["--boot", boot] if boot else [])]
    with opened(session, *words) as system:
        proposed = booting.propose_boot_sync(system, esp, boot)
        is_due = proposed.is_due or esp is not None
        proposal = Proposal(
            text=lambda page: proposed_text(proposed, page),
            data=lambda: proposed_data(proposed),
            nothing_to_do=None if is_due else nothing_to_do("the boot entries are up to date"),
        )
        instead = agreed(session, proposal)
        if instead is not None:
            return instead
        booting.sync_boot(system, proposed, remember=esp is not None)
    entries = len(proposed.wanted.entries)
    return Answer(
        lambda _: f"{count(entries, 'entry')} in {plain(proposed.place.boot)}.\n",
        answer_data(proposal, {"entries": entries}),
    )


def boot_forget(session: Session) -> Answer:
    """What is on the boot partition stays as it is; `boot sync` begins anew."""
    with opened(session, "boot", "forget") as system:
        if session.settings.dry_run:
            return Answer(lambda _: "Dry run: nothing changed.\n", lambda: {"kept": None})
        were_kept = booting.forget_boot(system)
    told = "Boot entries are kept no more.\n" if were_kept else "No boot entries were kept.\n"
    return Answer(lambda _: told, lambda: {"kept": were_kept})


def boot_hooks(
    session: Session,
    target: Annotated[str, Argument(metavar="DIRECTORY", help="A new one, to be packed or copied to /usr.")],
) -> Answer:
    """For dracut, initramfs-tools and initrds made of systemd units: `moss pack` makes a package of it. With a C
    compiler here, the helper that exchanges two directories in one step is among it."""
    if session.settings.dry_run:
        return Answer(lambda _: f"{plain(target)} would be written.\n", lambda: {"files": [], "helper": None})
    files, compiled = booting.write_hooks(target)
    told = f"{count(len(files), 'file')} written to {plain(target)}.\n"
    if not compiled:
        told += "There is no C compiler: two renames are used where nothing can exchange in one step.\n"
    return Answer(lambda _: told, lambda: {"files": files, "helper": compiled})


def status_text(status: BootStatus, page: Page) -> str:
    if status.place is None:
        return page.at("No boot entries are kept here: moss boot sync --esp DIRECTORY begins it.\n")
    programs = [
        f"{path}: {'not systemd-boot' if version is None else f'systemd-boot {version}'}"
        for path, version in status.loaders
    ]
    start = labelled(
        (
            ("Entries in", f"{plain(status.place.boot)} ({size(status.free)} free)"),
            ("Loader", plain(", ".join(programs)) or "none"),
            ("Default", _default(status)),
            ("Others", plain(", ".join(status.others))),
        ),
        page,
    )
    rows = [(_number(one), plain(one.kernel), _standing(one), plain(one.file_name)) for one in status.entries]
    entries = table(("Generation", "Kernel", "", "File"), rows, page) or "No generation has a kernel.\n"
    return f"{start}\n{entries}"


def status_data(status: BootStatus) -> dict[str, object]:
    place = status.place
    return {
        "place": None if place is None else {"esp": place.esp, "boot": place.boot},
        "entries": [
            {
                "file": one.file_name,
                "generation": one.generation,
                "kernel": one.kernel,
                "first": one.is_first,
                "tries": one.tries,
                "standing": one.standing,
            }
            for one in status.entries
        ],
        "others": list(status.others),
        "free_bytes": status.free,
        "loaders": [{"path": path, "systemd_boot": version} for path, version in status.loaders],
        "fixed_default": status.fixed_default,
    }


def proposed_text(proposed: Proposed, page: Page) -> str:
    plan, where = proposed.plan, plain(proposed.place.boot)
    rows = [
        Row("Write", tuple(name for name, _ in plan.write_entries), "entries"),
        Row("Write", tuple(path.rpartition("/")[2] for path in plan.write_files), "kernels and initrds"),
        Row("Write", tuple(file.path for file in proposed.loader), "the boot loader"),
        Row("Remove", plan.delete_entries, "their generations are gone"),
        Row("Remove", (*plan.delete_files, *plan.leftovers), "nothing needs them any more"),
    ]
    lines = rows_text([Row(row.label, tuple(map(plain, row.items)), row.reason) for row in rows if row.items], page)
    lines.append(f"Space     {size(plan.needed)} of {size(plan.available)} that are free in {where}")
    return "".join(line + "\n" for line in lines)


def proposed_data(proposed: Proposed) -> dict[str, object]:
    plan = proposed.plan
    return {
        "place": {"esp": proposed.place.esp, "boot": proposed.place.boot},
        "write_entries": [name for name, _ in plan.write_entries],
        "write_files": [*plan.write_files, *(file.path for file in proposed.loader)],
        "delete_entries": list(plan.delete_entries),
        "delete_files": [*plan.delete_files, *plan.leftovers],
        "needed_bytes": plan.needed,
        "available_bytes": plan.available,
    }


def _default(status: BootStatus) -> str:
    if status.fixed_default is None:
        return ""
    return f"loader.conf insists on {plain(status.fixed_default)}, which beats the menu's order: take that line out"


def _number(entry: EntryState) -> str:
    return "–" if entry.generation is None else str(entry.generation)


def _standing(entry: EntryState) -> str:
    tries = f"tries {entry.tries[1:]}" if entry.tries else ""
    return ", ".join(
        filter(None, ("boots first" if entry.is_first else "", tries, "" if entry.standing == "ok" else entry.standing))
    )
