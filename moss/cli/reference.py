"""The reference of all commands, made of their help: `python -m moss.cli.reference > docs/commands.md`."""

import sys
from typing import Any

from moss.cli.command import function_of
from moss.cli.overview import GLOBAL_OPTIONS
from moss.cli.parser import parser_of
from moss.cli.verbs import SECTIONS, Verb

_OPENING = """\
# The commands

Made by `python -m moss.cli.reference` from what `--help` says; do not edit.

Answers go to standard output, progress, questions and warnings to standard error. Without a terminal
nothing is asked: a command that needs a yes ends with 2 and says so. [Exit codes](exit-codes.md) are the
same everywhere.

With `--json` every command prints one line, `{"schema": "moss/COMMAND/1", "ok": true, "data": …,
"warnings": […]}`, or `{"ok": false, "error": {"code", "exit", "message", "because", "suggestions"}}`. What
`data` holds is in `schema/json/COMMAND.schema.json`; COMMAND is the command's words, joined by `-`.

## Options of every command

They may stand before and after the command.

"""


def reference() -> str:
    parts = [_OPENING, "```\n", *(f"{option:<22}  {text}\n" for option, text in GLOBAL_OPTIONS), "```\n"]
    for title, verbs in SECTIONS:
        parts.append(f"\n## {title}\n")
        parts += (_entry(verb) for verb in verbs)
    return "".join(parts)


def _entry(verb: Verb) -> str:
    also = f"\nAlso: {', '.join(f'`moss {alias}`' for alias in verb.aliases)}.\n" if verb.aliases else ""
    return f"\n### moss {verb.spelling}\n{also}\n```\n{help_of(verb)}```\n"


def help_of(verb: Verb) -> str:
    """What `moss VERB --help` prints at width 80, without the lines that are the same for all."""
    parser: Any = parser_of(verb, function_of(verb), lambda **_: None)
    parser.epilog = None
    context = parser.context_class(
        parser, info_name=f"moss {verb.spelling}", max_content_width=80, terminal_width=80
    )
    return str(parser.get_help(context)).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
