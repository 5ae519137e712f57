"""From a trigger file to a trigger: upstream's YAML, or the same said in KDL.

    name: depmod                                     name "depmod"
    handlers:                                        handlers {
        depmod: {run: /sbin/depmod, args: [-a]}          depmod { run "/sbin/depmod"; args "-a" }
    paths:                                           }
        "/usr/lib/modules/(version:*)/kernel":       paths {
            handlers: [depmod]                           "/usr/lib/modules/(version:*)/kernel" type="directory" {
            type: directory                                  handlers "depmod"
                                                         }
                                                     }
"""

import re
from collections.abc import Iterable
from typing import TypeAlias

from moss.errors import CorruptData
from moss.triggers.pattern import PatternError, filled_pattern, names_in, parse_pattern
from moss.triggers.values import Delete, Handler, Inhibitors, PathType, Run, Scope, Trigger, Watch
from solver.values import value

MAX_BYTES = 1 << 20
"""Of a trigger file."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_FIELDS = ("name", "description", "before", "after", "needs", "inhibitors", "paths", "handlers")
_ENVIRONMENTS = ("chroot", "live", "container")


@value
class Said:
    """A part of a file: a text, a list of parts, or parts by name; and where it stands, counted from 1."""

    content: "Content"
    line: int
    column: int


Content: TypeAlias = str | tuple[Said, ...] | dict[str, Said]


def read_trigger(content: bytes, file: str, scope: Scope) -> Trigger:
    """CorruptData names file, line and column of what is wrong. Files end in .yaml, .yml or .kdl."""
    reader = _Reader(file, scope)
    if len(content) > MAX_BYTES:
        raise CorruptData(f"is larger than {MAX_BYTES >> 20} MiB", file=file, remedies=["a trigger is a short text"])
    try:
        text = content.decode()
    except UnicodeDecodeError as fault:
        raise CorruptData("is not UTF-8", file=file, offset=fault.start, remedies=["save it as UTF-8"]) from fault
    if file.endswith(".kdl"):
        from moss.triggers.from_kdl import said_in_kdl

        return reader.trigger(said_in_kdl(text, file))
    from moss.triggers.from_yaml import said_in_yaml  # PyYAML takes 10 ms to import

    return reader.trigger(said_in_yaml(text, file))


class _Reader:
    """Makes values of parts, and knows the file they are of."""

    def __init__(self, file: str, scope: Scope) -> None:
        self._file, self._scope = file, scope

    def trigger(self, whole: Said) -> Trigger:
        fields = self._fields(whole, _FIELDS, "a trigger")
        handlers = self._handlers(fields.get("handlers"))
        watches = self._watches(fields.get("paths"), dict(handlers))
        name = fields.get("name")
        if name is None:
            raise self._fault(whole, "it has no name", "write name: …")
        if not _NAME.fullmatch(self._text(name)):
            raise self._fault(name, f"{name.content!r} cannot be a trigger's name", "use letters, digits and . _ + -")
        return Trigger(
            name=self._text(name),
            scope=self._scope,
            description=self._text(fields["description"]).strip() if "description" in fields else "",
            before=self._texts(fields.get("before")),
            after=(*self._texts(fields.get("after")), *self._texts(fields.get("needs"))),
            inhibitors=self._inhibitors(fields.get("inhibitors")),
            watches=watches,
            handlers=handlers,
            file=self._file,
        )

    def _inhibitors(self, said: Said | None) -> Inhibitors:
        if said is None:
            return Inhibitors()
        fields = self._fields(said, ("paths", "environment"), "inhibitors")
        environment = fields.get("environment")
        for word in self._texts(environment):
            if word not in _ENVIRONMENTS:
                raise self._fault(environment, f"{word!r} is no environment", f"use {', '.join(_ENVIRONMENTS)}")
        return Inhibitors(self._texts(fields.get("paths")), self._texts(environment))

    def _handlers(self, said: Said | None) -> tuple[tuple[str, Handler], ...]:
        if said is None:
            return ()
        return tuple((name, self._handler(one)) for name, one in self._mapping(said).items())

    def _handler(self, said: Said) -> Handler:
        fields = self._fields(said, ("run", "args", "delete"), "a handler")
        if ("run" in fields) == ("delete" in fields):
            raise self._fault(said, "a handler says either run or delete", "write run: PROGRAM, or delete: [PATH]")
        if "delete" in fields:
            paths = self._texts(fields["delete"])
            for path in paths:
                self._check_pattern(fields["delete"], path)
            return Delete(paths)
        program, *more = self._texts(fields["run"]) or ("",)
        if not program.startswith("/"):
            raise self._fault(fields["run"], f"{program!r} is no absolute path of a program", "write it in full")
        return Run(program, (*more, *self._texts(fields.get("args"))))

    def _watches(self, said: Said | None, handlers: dict[str, Handler]) -> tuple[Watch, ...]:
        if said is None:
            return ()
        watches = []
        for pattern, one in self._mapping(said).items():
            fields = self._fields(one, ("handlers", "type"), "a path")
            names = self._texts(fields.get("handlers"))
            captures = self._pattern(one, pattern)
            for name in names:
                if name not in handlers:
                    raise self._fault(one, f"{name!r} is none of the handlers", f"there are: {', '.join(handlers)}")
                self._check_captures(one, handlers[name], captures, pattern)
            watches.append(Watch(pattern, names, self._type(fields.get("type"))))
        return tuple(watches)

    def _pattern(self, said: Said, text: str) -> tuple[str, ...]:
        """The names of its captures."""
        try:
            return parse_pattern(text).names
        except PatternError as fault:
            raise self._fault(said, f"{text!r} is no pattern: {fault}", "write /usr/lib/(name:*)/…") from fault

    def _check_pattern(self, said: Said, text: str) -> None:
        try:
            filled_pattern(text, dict.fromkeys(names_in(text), ""))
        except PatternError as fault:
            raise self._fault(said, f"{text!r} is no pattern: {fault}", "write /usr/lib/*/…") from fault

    def _check_captures(self, said: Said, handler: Handler, captures: tuple[str, ...], pattern: str) -> None:
        texts = (handler.program, *handler.arguments) if isinstance(handler, Run) else handler.paths
        missing = [name for text in texts for name in names_in(text) if name not in captures]
        if missing:
            raise self._fault(
                said, f"its handler wants $({missing[0]}), which {pattern} does not capture", f"write ({missing[0]}:*)"
            )

    def _type(self, said: Said | None) -> PathType | None:
        if said is None:
            return None
        text = self._text(said)
        try:
            return PathType(text)
        except ValueError:
            words = " or ".join(one.value for one in PathType)
            raise self._fault(said, f"{text!r} is no type of path", f"write {words}, or leave it out") from None

    def _fields(self, said: Said, known: Iterable[str], what: str) -> dict[str, Said]:
        fields = self._mapping(said)
        for name, one in fields.items():
            if name not in known:
                raise self._fault(one, f"{name!r} is nothing that {what} has", f"use {', '.join(known)}")
        return fields

    def _mapping(self, said: Said) -> dict[str, Said]:
        if not isinstance(said.content, dict):
            raise self._fault(said, "this must have parts with names", "look at docs/triggers.md")
        return said.content

    def _texts(self, said: Said | None) -> tuple[str, ...]:
        if said is None:
            return ()
        if isinstance(said.content, str):
            return (said.content,)
        if isinstance(said.content, dict):
            raise self._fault(said, "this must be a text or a list of texts", "look at docs/triggers.md")
        return tuple(map(self._text, said.content))

    def _text(self, said: Said) -> str:
        if isinstance(said.content, tuple) and len(said.content) == 1:
            return self._text(said.content[0])
        if not isinstance(said.content, str):
            raise self._fault(said, "this must be a text", "look at docs/triggers.md")
        return said.content

    def _fault(self, said: Said | None, message: str, remedy: str) -> CorruptData:
        place = "" if said is None else f"line {said.line}, column {said.column}: "
        return CorruptData(place + message, file=self._file, remedies=[remedy])
