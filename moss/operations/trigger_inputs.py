"""What triggers are about: which entries call for which commands, and a digest of all that an outcome depends on."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from moss.db import layouts
from moss.db.connection import Database
from moss.db.packages import replacements
from moss.db.paths import Holding
from moss.digest import content_digest_of_file
from moss.errors import TriggerFailed
from moss.layout import Entry, EntryKind, regular
from moss.merge import Replaces, better
from moss.triggers.order import waiting
from moss.triggers.running import Ended
from moss.triggers.values import Handler, Run, Trigger
from moss.triggers.work import Command, Matcher, commands_of, digest_of

_ALTERNATIVES = "etc/"
"""Links that lead there are made when a system is, or in a sandbox."""
_LINKS_FOLLOWED = 10
_LINES_TOLD = 12
_OWN = 16
"""Of a digest of inputs, so many digits are of what the trigger's file says."""


class TriggerInputs:
    """The triggers of one scope of a tree. `waiting` says of each which must have ended before it."""

    def __init__(
        self, record: Database, usr: str, chosen: Holding, triggers: Sequence[Trigger]
    ) -> None:
        """`chosen`: what the tree holds. CorruptData where triggers wait for one another."""
        self.record, self.usr = record, usr
        self._chosen = chosen
        self.triggers = {one.name: one for one in triggers}
        self.matchers = {one.name: Matcher(one) for one in triggers}
        self.waiting = waiting(triggers, self.triggers)
        self.made: dict[str, Sequence[Entry]] = {}
        """What triggers wrote beside what is `chosen`, of those that are done with."""

    def place(self, name: str) -> tuple[int, str]:
        """In this order each trigger comes after those that it waits for."""
        return len(self.waiting[name]), name

    def commands(self, name: str) -> list[Command]:
        """What the trigger has to do, now that those before it are done."""
        matcher = self.matchers[name]
        return commands_of(matcher, self._entries(name, matcher.prefixes))

    def _entries(self, name: str, prefixes: Iterable[str]) -> list[Entry]:
        """What is there for the trigger, as far as its path begins with one of these; in the order of a tree."""
        entries = {entry.path: entry for prefix in set(prefixes) for entry in self._below(prefix)}
        entries |= {entry.path: entry for other in self._in_order(name) for entry in self.made.get(other, ())}
        there = (entries[path] for path in sorted(entries))
        return [entry for entry in there if entry.kind is not EntryKind.NOTHING]

    def _in_order(self, name: str) -> list[str]:
        """What the trigger waits for, each after what it waits for itself."""
        return sorted(self.waiting[name], key=self.place)

    def inputs(self, name: str, commands: Iterable[Command]) -> str:
        """The digest of all that the trigger's outcome depends on."""
        trigger = self.triggers[name]
        hasher = hashlib.sha256()
        for path in self.programs(trigger):
            file = os.path.join(self.usr, path)
            if os.path.isfile(file) and not os.path.islink(file):
                hasher.update(repr(regular(path, content_digest_of_file(file))).encode())
        for command in commands:
            hasher.update(command.digest().encode())
        matcher = self.matchers[name]
        for entry in filter(matcher.may_delete, self._entries(name, matcher.delete_prefixes)):
            hasher.update(repr(tuple(entry)).encode(errors="surrogateescape"))
        return digest_of(trigger)[:_OWN] + hasher.hexdigest()[_OWN:]

    def says_the_same(self, name: str, inputs: str) -> bool:
        """Whether the trigger's file says what it said when this digest of its inputs was made."""
        return inputs.startswith(digest_of(self.triggers[name])[:_OWN])

    def programs(self, trigger: Trigger) -> list[str]:
        """Its programs' paths below /usr, those behind symlinks too."""
        found: list[str] = []
        for handler in trigger.called:
            if isinstance(handler, Run) and "$(" not in handler.program:
                found += self._way_to(_below_usr(handler.program))
        return list(dict.fromkeys(found))

    def missing_program(self, handlers: Iterable[Handler]) -> str | None:
        """The first of their programs that the tree does not have, as they name it."""
        for handler in handlers:
            if isinstance(handler, Run) and "$(" not in handler.program:
                *_, last = self._way_to(_below_usr(handler.program))
                if not last.startswith(_ALTERNATIVES) and not os.path.lexists(os.path.join(self.usr, last)):
                    return handler.program
        return None

    def _way_to(self, path: str) -> Iterator[str]:
        for _ in range(_LINKS_FOLLOWED):
            yield path
            link = os.path.join(self.usr, path)
            if not os.path.islink(link):
                return
            path = _below_usr(os.path.join("/usr", os.path.dirname(path), os.readlink(link)))

    def _below(self, prefix: str) -> Iterator[Entry]:
        directory = prefix.rpartition("/")[0]
        rows = (
            layouts.rows_below(self.record, self._chosen.packages, directory, self._chosen.path_filter)
            if directory
            else layouts.rows_of(self.record, *self._chosen)
        )
        return (entry for _, entry in self._winners(rows))

    def _winners(self, rows: Iterable[tuple[str, Entry]]) -> Iterable[tuple[str, Entry]]:
        """What a tree has at each path, where packages and triggers have something there."""
        found: dict[str, tuple[str, Entry]] = {}
        for row in rows:
            known = found.get(row[1].path)
            found[row[1].path] = row if known is None else better(known, row, self._replaces) or known
        return found.values()

    @cached_property
    def _replaces(self) -> Replaces:
        return replacements(self.record, self._chosen.packages)


def _below_usr(path: str) -> str:
    return os.path.normpath(path).lstrip("/").removeprefix("usr/")


def failed(trigger: Trigger, end: Ended) -> TriggerFailed:
    """What a person should know of a trigger that failed."""
    lines = [line for line in end.output.splitlines() if line.strip()][-_LINES_TOLD:]
    return TriggerFailed(
        f"the trigger {trigger.name} failed: {end.failure}",
        because=[f"it is {trigger.file}", *(f"it printed: {line}" for line in lines)],
        remedies=[f"do without it this time: --ignore-trigger {trigger.name}"],
    )
