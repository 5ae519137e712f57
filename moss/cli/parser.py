"""typer's parser of a command: help, and what to say of a command line that is wrong.

Typer reads the signature that is made here: the function's own parameters, then the global options.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from moss.cli.parameters import GLOBAL_NAMES, GLOBAL_OPTIONS, REQUIRED, Argument, Parameter, parameters_of
from moss.cli.verbs import Verb
from moss.errors import UsageError

EPILOG = "Global options, explained by moss --help: -D ROOT -y -n -v -q --json --offline --facts --wait --color"


def read_with_typer(verb: Verb, function: Callable[..., object], arguments: list[str]) -> dict[str, Any] | None:
    """The value of every parameter, by its name; None when help was asked for, which has then been printed.

    UsageError for arguments that the command does not take.
    """
    read: dict[str, Any] = {}
    parser = parser_of(verb, function, read.update)
    try:
        with parser.make_context(f"moss {verb.spelling}", list(arguments)) as context:
            parser.invoke(context)
    except typer.Exit:
        return None
    except typer.TyperException as fault:
        raise _as_usage_error(verb, fault) from fault
    return read


def parser_of(verb: Verb, function: Callable[..., object], take: Callable[..., None]) -> Any:
    """Typer's parser of a verb, which calls `take` with the values it read."""
    own = parameters_of(function)
    for parameter in own:
        assert parameter.name not in GLOBAL_NAMES, (
            f"{verb.spelling} declares the global option {parameter.name}"
        )

    def called(**values: Any) -> None:
        take(**values)

    called.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_for_typer(parameter) for parameter in (*own, *GLOBAL_OPTIONS)]
    )
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(
        name=verb.spelling,
        help=f"{verb.summary}.\n\n{inspect.getdoc(function) or ''}",
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"]},
    )(called)
    return typer.main.get_command(app)


def _for_typer(parameter: Parameter) -> inspect.Parameter:
    says = parameter.says
    said: Any
    if isinstance(says, Argument):
        said = typer.Argument(metavar=says.metavar, help=says.help, min=says.min)
    else:
        said = typer.Option(
            *says.spellings,
            metavar=says.metavar,
            help=says.help,
            min=says.min,
            count=says.count,
            envvar=says.envvar,
            hidden=says.hidden,
        )
    # Python wants parameters without a default first; typer does not mind the order.
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if parameter.default is REQUIRED else parameter.default,
        annotation=Annotated[parameter.annotation, said],
    )


def _as_usage_error(verb: Verb, fault: typer.TyperException) -> UsageError:
    message = fault.format_message().strip().rstrip(".")
    return UsageError(message[:1].lower() + message[1:], remedies=[f"moss {verb.spelling} --help"])
