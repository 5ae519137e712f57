"""From a function to a command that can be run: what its signature takes, and the global options."""

import importlib
from collections.abc import Callable
from typing import TypeAlias

from moss.cli.arguments import read
from moss.cli.parameters import GLOBAL_NAMES, GLOBAL_OPTIONS, global_options, parameters_of
from moss.cli.session import Answer, Session
from moss.cli.settings import Settings
from moss.cli.verbs import Verb
from solver.values import value

CommandFunction: TypeAlias = Callable[..., Answer]


@value
class Parsed:
    """A command line that can be run."""

    settings: Settings
    run: Callable[[Session], Answer]


def parse(verb: Verb, arguments: list[str]) -> Parsed | None:
    """Read the arguments; None when they asked for help, which has then been printed.

    UsageError for arguments that the command does not take.
    """
    function = function_of(verb)
    values = read((*parameters_of(function), *GLOBAL_OPTIONS), arguments)
    if values is None:
        from moss.cli.parser import read_with_typer  # only for help, and for what is wrong

        values = read_with_typer(verb, function, arguments)
        if values is None:
            return None
    settings = global_options(**{name: values.pop(name) for name in GLOBAL_NAMES})
    return Parsed(settings, lambda session: function(session, **values))


def function_of(verb: Verb) -> CommandFunction:
    module, name = verb.place.split(":")
    function: CommandFunction = getattr(importlib.import_module(f"moss.cli.{module}"), name)
    return function
