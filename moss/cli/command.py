"""From a function to a command: typer parses what its signature says, and the global options.

A command is a function of a `Session` and its own arguments that returns an `Answer`. Typer reads
the signature that is made here of both: the function's own parameters, then the global options.
"""

import importlib
import inspect
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeAlias

import typer

from moss.cli.session import Answer, Session
from moss.cli.settings import Colour, Settings
from moss.cli.verbs import Verb
from moss.errors import UsageError

CommandFunction: TypeAlias = Callable[..., Answer]

EPILOG = "Global options, explained by moss --help: -D ROOT -y -n -v -q --json --offline --wait --color"


def global_options(
    directory: Annotated[
        str, typer.Option("--directory", "-D", envvar="MOSS_ROOT", metavar="ROOT", hidden=True)
    ] = "/",
    yes: Annotated[bool, typer.Option("--yes", "-y", hidden=True)] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", hidden=True)] = False,
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
    offline: Annotated[bool, typer.Option("--offline", hidden=True)] = False,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=0.0, hidden=True)] = 0.0,
    colour: Annotated[Colour, typer.Option("--color", hidden=True)] = Colour.AUTO,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, hidden=True)] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", hidden=True)] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", hidden=True)] = False,
    progress_fd: Annotated[int | None, typer.Option("--progress-fd", metavar="N", min=0, hidden=True)] = None,
) -> Settings:
    """The options of every command, before and after its name; overview.py says what they mean."""
    return Settings(
        directory, yes, dry_run, as_json, offline, wait, colour, verbose, quiet, not no_progress, progress_fd
    )


class Parsed(NamedTuple):
    """A command line that can be run."""

    settings: Settings
    run: Callable[[Session], Answer]


def parse(verb: Verb, arguments: list[str]) -> Parsed | None:
    """Read the arguments; None when they asked for help, which has then been printed.

    UsageError for arguments that the command does not take.
    """
    read: dict[str, Any] = {}
    function = function_of(verb)
    parser = parser_of(verb, function, read.update)
    try:
        with parser.make_context(f"moss {verb.spelling}", list(arguments)) as context:
            parser.invoke(context)
    except typer.Exit:
        return None
    except typer.TyperException as fault:
        raise _as_usage_error(verb, fault) from fault
    settings = global_options(**{name: read.pop(name) for name in _GLOBAL_NAMES})
    return Parsed(settings, lambda session: function(session, **read))


def function_of(verb: Verb) -> CommandFunction:
    module, name = verb.place.split(":")
    function: CommandFunction = getattr(importlib.import_module(f"moss.cli.{module}"), name)
    return function


def parser_of(verb: Verb, function: CommandFunction, take: Callable[..., None]) -> Any:
    """Typer's parser of a verb, which calls `take` with the values it read."""
    _, *own = inspect.signature(function, eval_str=True).parameters.values()
    for parameter in own:
        assert parameter.name not in _GLOBAL_NAMES, (
            f"{verb.spelling} declares the global option {parameter.name}"
        )
    options = inspect.signature(global_options).parameters.values()

    def called(**values: Any) -> None:
        take(**values)

    # Python wants parameters without a default first; typer does not mind the order.
    named = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *options)]
    called.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(
        name=verb.spelling,
        help=f"{verb.summary}.\n\n{inspect.getdoc(function) or ''}",
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"]},
    )(called)
    return typer.main.get_command(app)


_GLOBAL_NAMES = frozenset(inspect.signature(global_options).parameters)


def _as_usage_error(verb: Verb, fault: typer.TyperException) -> UsageError:
    message = fault.format_message().strip().rstrip(".")
    return UsageError(message[:1].lower() + message[1:], remedies=[f"moss {verb.spelling} --help"])
