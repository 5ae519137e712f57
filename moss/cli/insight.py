"""why, why-not, rdepends, check: the solver's reasons."""

from typing import Annotated

from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, plain, table, wrapped
from moss.operations import insight
from moss.operations.insight import Barred, Broken, Kept
from solver import Dependent

UNINSTALLABLE = 4
"""The exit code where a package, or one of those checked, cannot be installed; see docs/exit-codes.md."""


def why(
    session: Session,
    name: Annotated[str, Argument(metavar="PACKAGE", help="An installed package's name.")],
) -> Answer:
    """The chain of needs from the package up to what you asked for."""
    with session.reading() as system:
        found = insight.why(system, name)
    return Answer(
        lambda _: "".join(chain_text(kept) for kept in found),
        lambda: [{"label": kept.label, "reasons": list(kept.reasons)} for kept in found],
    )


def why_not(
    session: Session,
    wish: Annotated[
        str, Argument(metavar="PACKAGE", help="A name, a version ('vim < 9'), or a path ('/usr/share/doc/vim').")
    ],
) -> Answer:
    """Beside everything you asked for already; of a path, which subscription leaves it out. Exits with 4 where it
    cannot be had, or is left out."""
    with session.reading() as system:
        found = insight.path_bars(system, wish) if wish.startswith("/") else insight.bars(system, wish)
    return Answer(
        lambda page: barred_text(found, page),
        lambda: {
            "wanted": found.wanted,
            "installable": not found.because,
            "because": list(found.because),
            "outcome": found.outcome,
            "subscriptions": list(found.notes),
        },
        UNINSTALLABLE if found.because else 0,
    )


def rdepends(
    session: Session,
    wish: Annotated[str, Argument(metavar="PACKAGE", help="A name, a version, or 'binary(git)'.")],
    installed: Annotated[bool, Option("--installed", help="Only among what is installed.")] = False,
) -> Answer:
    """Who needs it or recommends it, installed and on offer."""
    with session.reading() as system:
        found = insight.dependents(system, wish, installed_only=installed)
    return Answer(
        lambda page: dependents_text(found, page) or f"Nothing needs {plain(wish)}.\n",
        lambda: [
            {
                "name": one.package.name,
                "version": one.package.version,
                "repository": one.package.repository,
                "formula": str(one.formula),
                "recommends": one.recommends,
            }
            for one in found
        ],
    )


def check(session: Session) -> Answer:
    """Every package that the enabled repositories offer, each alone. Exits with 4 where one cannot be."""
    with session.reading() as system:
        session.stage("checking every package")
        total, broken = insight.check(system)
    return Answer(
        lambda page: broken_text(total, broken, page),
        lambda: {
            "checked": total,
            "broken": [
                {"label": one.label, "repository": one.repository, "because": list(one.because)} for one in broken
            ],
        },
        UNINSTALLABLE if broken else 0,
    )


def chain_text(kept: Kept) -> str:
    lines = [plain(kept.label)]
    lines += [f"{'   ' * depth}└─ {plain(reason)}" for depth, reason in enumerate(kept.reasons)]
    return "".join(line + "\n" for line in lines)


def barred_text(barred: Barred, page: Page) -> str:
    if not barred.because:
        told = f"Nothing stands against {plain(barred.wanted)}: {plain(barred.outcome)}."
        return "".join(line + "\n" for text in (told, *_notes(barred)) for line in wrapped(text, page.columns))
    lines = [page.bold(plain(barred.headline))]
    lines += [f"  {'because' if number == 0 else 'and':<9}{plain(text)}" for number, text in enumerate(barred.because)]
    lines += [f"{plain(barred.closing)}."] if barred.closing else []
    lines += [line for note in _notes(barred) for line in wrapped(note, page.columns)]
    return "".join(line + "\n" for line in lines)


def _notes(barred: Barred) -> list[str]:
    """As sentences."""
    return [f"{plain(note[:1].upper() + note[1:])}." for note in barred.notes]


def dependents_text(found: tuple[Dependent, ...], page: Page) -> str:
    rows = [
        (plain(str(one.package)), "recommends" if one.recommends else "needs", plain(str(one.formula)))
        for one in found
    ]
    return table(("Package", "", "What"), rows, page)


def broken_text(total: int, broken: list[Broken], page: Page) -> str:
    text = ""
    for one in broken:
        text += page.red(plain(one.label)) + f" ({plain(one.repository)})\n"
        for number, sentence in enumerate(one.because):
            text += f"  {'because' if number == 0 else 'and':<9}{plain(sentence)}\n"
    if not broken:
        return f"All of {count(total, 'package')} can be installed.\n"
    return text + f"{len(broken)} of {count(total, 'package')} cannot be installed.\n"
