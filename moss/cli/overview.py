"""The help that needs no command: what moss can do, by section, or the commands of one group."""

from collections.abc import Iterable

from moss.cli.verbs import SECTIONS, VERBS, Verb

_OPENING = """\
Usage: moss [OPTIONS] COMMAND …

moss manages a system as numbered generations that it can go back to.
"""

GLOBAL_OPTIONS = (
    ("-D, --directory ROOT", "Work on the system in ROOT; also $MOSS_ROOT"),
    ("-y, --yes", "Carry plans out without asking"),
    ("-n, --dry-run", "Show what would be done, and change nothing"),
    ("--json", "Answer in JSON"),
    ("--offline", "Never use the network"),
    ("--facts FILE", "Plan for another machine, by its facts in FILE"),
    ("--ignore-trigger NAME", "Change the system without this trigger"),
    ("--isolation KIND", "Keep triggers apart by overlay, copy or chroot"),
    ("--wait SECONDS", "Wait this long for another moss to finish"),
    ("--color WHEN", "auto, always or never; NO_COLOR is honoured"),
    ("-v, --verbose", "Say more"),
    ("-q, --quiet", "Say only results, warnings and errors"),
    ("--no-progress", "Draw no bars"),
    ("--progress-fd N", "Write progress as JSON events to descriptor N"),
    ("-h, --help", "Show help, of a command after its name"),
    ("--version", "Show the version"),
)


def overview(group: str | None = None) -> str:
    """All of moss, or the commands that begin with one word."""
    if group is not None:
        of_group = [verb for verb in VERBS if verb.words[0] == group]
        return f"Usage: moss {group} COMMAND …\n\n" + _rows(_row(verb) for verb in of_group)
    parts = [_OPENING]
    for title, verbs in SECTIONS:
        parts.append(f"{title}:\n" + _rows(_row(verb) for verb in verbs))
    parts.append("Options, before or after the command:\n" + _rows(GLOBAL_OPTIONS))
    parts.append("moss COMMAND --help tells more; `moss tour` shows moss at work.\n")
    return "\n".join(parts)


def _row(verb: Verb) -> tuple[str, str]:
    return ", ".join((verb.spelling, *verb.aliases)), verb.summary


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(f"  {left:<22}{right}\n" for left, right in rows)
