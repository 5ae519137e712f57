"""From triggers and the paths of a generation to the commands that must run.

Commands that are equal once captures are filled in are one. What a command is about, the entries that
call for it, has a digest: while that stays, what the command wrote before can be used again.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from moss.layout import Entry
from moss.triggers.pattern import Pattern, loose_pattern, parse_pattern, substituted
from moss.triggers.values import Delete, Handler, PathType, Run, Trigger
from solver.values import replace, value

_USR = "/usr/"


@value
class Command:
    """A handler with its captures filled in, and the entries that call for it."""

    trigger: str
    handler: Handler
    inputs: tuple[Entry, ...]
    """In the order of a tree, each once."""

    def digest(self) -> str:
        """Of what it does and what it is about: SHA-256, hexadecimal."""
        hasher = hashlib.sha256(str(self.handler).encode())
        for entry in self.inputs:
            hasher.update(repr(tuple(entry)).encode(errors="surrogateescape"))
        return hasher.hexdigest()


def digest_of(trigger: Trigger) -> str:
    """Of all that its file says, but where that is: SHA-256, hexadecimal."""
    return hashlib.sha256(repr(replace(trigger, file="", description="")).encode()).hexdigest()


@value
class _Wanted:
    pattern: Pattern
    type: PathType | None
    handlers: tuple[Handler, ...]


class Matcher:
    """The watches of one trigger, compiled."""

    def __init__(self, trigger: Trigger) -> None:
        self.trigger = trigger
        self._watches = tuple(
            _Wanted(parse_pattern(watch.pattern), watch.type, tuple(map(trigger.handler, watch.handlers)))
            for watch in trigger.watches
        )
        self._deletes = tuple(
            loose_pattern(path)
            for _, handler in trigger.handlers
            if isinstance(handler, Delete)
            for path in handler.paths
        )

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Below /usr, without it: every path that may match begins with one of these."""
        return _below_usr(watch.pattern for watch in self._watches)

    @property
    def delete_prefixes(self) -> tuple[str, ...]:
        """The same of what its handlers may delete."""
        return _below_usr(self._deletes)

    def calls(self, entry: Entry) -> Iterator[Handler]:
        """The handlers that an entry calls for, their captures filled in."""
        path = _USR + entry.path
        for watch in self._watches:
            if watch.type is not None and entry.kind is not watch.type.kind:
                continue
            captures = watch.pattern.captures(path)
            if captures is not None:
                yield from (_filled(handler, captures) for handler in watch.handlers)

    def is_about(self, entry: Entry) -> bool:
        return next(self.calls(entry), None) is not None

    def may_delete(self, entry: Entry) -> bool:
        return any(one.expression.fullmatch(_USR + entry.path) for one in self._deletes)


def commands_of(matcher: Matcher, entries: Iterable[Entry]) -> list[Command]:
    """What a trigger has to do for a generation with these entries, which come in the order of a tree."""
    called: dict[Handler, dict[str, Entry]] = {}
    for entry in entries:
        for handler in matcher.calls(entry):
            called.setdefault(handler, {})[entry.path] = entry
    return [Command(matcher.trigger.name, handler, tuple(inputs.values())) for handler, inputs in called.items()]


def _below_usr(patterns: Iterable[Pattern]) -> tuple[str, ...]:
    prefixes = [one.prefix for one in patterns]
    return tuple(
        prefix.removeprefix(_USR) if prefix.startswith(_USR) else ""
        for prefix in prefixes
        if prefix.startswith(_USR) or _USR.startswith(prefix)
    )


def _filled(handler: Handler, captures: Mapping[str, str]) -> Handler:
    match handler:
        case Run(program, arguments):
            return Run(substituted(program, captures), _each(arguments, captures))
        case Delete(paths):
            return Delete(paths, tuple(captures.items()))


def _each(texts: Sequence[str], captures: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(substituted(text, captures) for text in texts)
