"""What commands take, read off the signatures of their functions.

A command is a function of a `Session` and its own parameters; each of these is annotated with its type
and an `Argument` or an `Option`. The quick reader (arguments.py) and typer's parser (parser.py) are both
made from what is found here.
"""

from collections.abc import Callable
from enum import Enum
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from moss.cli.settings import Colour, IsolationSaid, Settings
from solver.values import value


@value
class Argument:
    """A value that is known by its place. The lowest number allowed is `min`."""

    metavar: str
    help: str | None = None
    min: int | None = None


class Option:
    """A value that is known by one of its spellings, such as `--wait` and `-w`."""

    def __init__(
        self,
        *spellings: str,
        metavar: str | None = None,
        help: str | None = None,
        min: float | None = None,
        count: bool = False,
        envvar: str | None = None,
        hidden: bool = False,
    ) -> None:
        self.spellings, self.metavar, self.help, self.min = spellings, metavar, help, min
        self.count, self.envvar, self.hidden = count, envvar, hidden


REQUIRED: Any = object()


@value
class Parameter:
    """A parameter of a command: its name in Python, what one value of it is, whether it takes many."""

    name: str
    annotation: object
    says: Argument | Option
    type: type[bool] | type[int] | type[float] | type[str] | type[Enum]
    many: bool
    default: Any
    """REQUIRED where the function has none."""


def parameters_of(function: Callable[..., object]) -> list[Parameter]:
    """In the order of the signature, without the session."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    given: dict[str, Any] = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    hints = get_type_hints(function, include_extras=True)
    found = []
    for name in names:
        if get_origin(hints[name]) is Annotated:
            declared, says = get_args(hints[name])
            one, many = _single(declared)
            found.append(Parameter(name, declared, says, one, many, given.get(name, REQUIRED)))
    return found


def _single(declared: Any) -> tuple[Any, bool]:
    """The type of one value, and whether there may be several: of `list[str] | None`, (str, True)."""
    if isinstance(declared, UnionType):
        declared = next(part for part in get_args(declared) if part is not type(None))
    if get_origin(declared) is list:
        return get_args(declared)[0], True
    return declared, False


def global_options(
    directory: Annotated[
        str, Option("--directory", "-D", envvar="MOSS_ROOT", metavar="ROOT", hidden=True)
    ] = "/",
    yes: Annotated[bool, Option("--yes", "-y", hidden=True)] = False,
    dry_run: Annotated[bool, Option("--dry-run", "-n", hidden=True)] = False,
    as_json: Annotated[bool, Option("--json", hidden=True)] = False,
    offline: Annotated[bool, Option("--offline", hidden=True)] = False,
    wait: Annotated[float, Option("--wait", metavar="SECONDS", min=0.0, hidden=True)] = 0.0,
    colour: Annotated[Colour, Option("--color", hidden=True)] = Colour.AUTO,
    verbose: Annotated[int, Option("--verbose", "-v", count=True, hidden=True)] = 0,
    quiet: Annotated[bool, Option("--quiet", "-q", hidden=True)] = False,
    no_progress: Annotated[bool, Option("--no-progress", hidden=True)] = False,
    progress_fd: Annotated[int | None, Option("--progress-fd", metavar="N", min=0, hidden=True)] = None,
    facts_file: Annotated[str | None, Option("--facts", metavar="FILE", hidden=True)] = None,
    ignored_triggers: Annotated[list[str] | None, Option("--ignore-trigger", metavar="NAME", hidden=True)] = None,
    isolation: Annotated[IsolationSaid | None, Option("--isolation", hidden=True)] = None,
) -> Settings:
    """The options of every command, before and after its name; overview.py says what they mean."""
    return Settings(
        directory, yes, dry_run, as_json, offline, wait, colour, verbose, quiet, not no_progress, progress_fd,
        facts_file, frozenset(ignored_triggers or ()), isolation,
    )  # fmt: skip


GLOBAL_OPTIONS = tuple(parameters_of(global_options))
GLOBAL_NAMES = frozenset(parameter.name for parameter in GLOBAL_OPTIONS)
