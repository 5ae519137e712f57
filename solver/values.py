"""Frozen values: `@value` makes of a class what `@dataclass(frozen=True, slots=True)` would.

The standard library compiles six functions for each class when it is declared, 0.3 ms; a command
declares a hundred classes and makes values of thirty. Here the functions are shared, and the only
one that must be compiled, `__init__`, is compiled where many values of a class are made.

Such values print, compare, match, pickle and copy as dataclasses do; `dataclasses.replace`, `fields`
and `is_dataclass` take them too. Mutable classes are the standard library's affair.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

_T = TypeVar("_T")
_MISSING: Any = object()
_FEW = 20  # values of a class; compiling its `__init__` takes as long as making fifty without


class Field:
    """What is said of a field beside its type."""

    __slots__ = ("compare", "default", "default_factory")

    def __init__(self, default: Any, default_factory: Any, compare: bool) -> None:
        self.default, self.default_factory, self.compare = default, default_factory, compare


def field(*, default: Any = _MISSING, default_factory: Any = _MISSING, compare: bool = True) -> Any:
    """A field whose default is made anew for each value, or that does not count in comparisons."""
    return Field(default, default_factory, compare)


class FrozenError(AttributeError):
    """An attempt to change a value."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    """The class with slots and everything a value has. Its fields are what it annotates, after those
    of the values it derives from."""
    return _made(cls, ordered=False)


@dataclass_transform(frozen_default=True, order_default=True, field_specifiers=(field,))
def ordered_value(cls: type[_T]) -> type[_T]:
    """A value that sorts by its fields, the first before the second."""
    return _made(cls, ordered=True)


def replace(old: _T, /, **changes: Any) -> _T:
    """The value with some fields changed."""
    of: Any = old
    changed: _T = of._class(**({name: getattr(old, name) for name in of._fields} | changes))
    return changed


def later(cls: type[_T], make: Callable[[], _T], /, **known: Any) -> _T:
    """A value of which some fields are known already. The others are taken from what `make` gives, when
    one of them is first asked for; of a thousand such values hardly one is."""
    return promise(cls, *known)(make, *known.values())


def promise(cls: type[_T], *known: str) -> Callable[..., _T]:
    """What makes such values by the thousand: a function of `make` and of the fields named here, in this order."""
    found = _PROMISES.get((cls, known))
    if found is None:
        found = _PROMISES[cls, known] = _compiled_promise(cls, known)
    return found


def _compiled_promise(cls: Any, known: tuple[str, ...]) -> Callable[..., Any]:
    if cls not in _LATER:
        # The fields are set while it is of a class like it that can be changed: quicker than past the `__setattr__`
        # that refuses.
        like_it = {"__slots__": ("_make",), "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
        _LATER[cls] = (type(cls)(cls.__name__, (cls,), dict(_LATER_BODY)), type(cls)(cls.__name__, (cls,), like_it))
    kind, open_kind = _LATER[cls]
    lines = [" self = new(open_kind)", " self._make = make", *(f" self.{name} = {name}" for name in known)]
    lines += [" self.__class__ = kind", " return self"]
    names: dict[str, Any] = {"new": object.__new__, "open_kind": open_kind, "kind": kind}
    exec(f"def promised({', '.join(('make', *known))}):\n" + "\n".join(lines), names)
    promised: Callable[..., Any] = names["promised"]
    return promised


def _fill_in(self: Any, name: str) -> Any:
    """Called for an attribute that is not there: a field that is not known yet, or nothing at all."""
    if name not in self._fields:
        raise AttributeError(f"{self._class.__qualname__} has no {name}")
    whole = self._make()
    for field_name in self._fields:
        object.__setattr__(self, field_name, getattr(whole, field_name))
    return getattr(whole, name)


_PROMISES: dict[tuple[type, tuple[str, ...]], Callable[..., Any]] = {}
_LATER: dict[type, tuple[Any, Any]] = {}
_LATER_BODY = {
    "__slots__": ("_make",),
    "__getattr__": _fill_in,
    "__reduce__": lambda self: (self._class, tuple(getattr(self, name) for name in self._fields)),
}


def _made(cls: type[_T], *, ordered: bool) -> type[_T]:
    inherited = getattr(cls, "_described", {})
    own = {name: _described(cls.__dict__.get(name, _MISSING)) for name in cls.__annotations__}
    described: dict[str, Field] = {**inherited, **own}
    compared = tuple(name for name, one in described.items() if one.compare)
    body = {name: item for name, item in cls.__dict__.items() if name not in (*own, "__dict__", "__weakref__")}
    body |= {
        "__slots__": tuple(own),
        "__match_args__": tuple(described),
        "_fields": tuple(described),
        "_described": described,
        "__dataclass_fields__": _DataclassFields(),
        "__init__": _init_at_first,
        "_made_so_far": 0,
        **_comparing(_key_of(compared), ordered=ordered),
        "__repr__": body.get("__repr__", _repr),
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__getstate__": _state,
        "__setstate__": _restore,
        "__replace__": replace,
    }
    made: Any = type(cls)(cls.__name__, cls.__bases__, body)  # type: ignore[misc]
    made._class = made  # of values that are completed later too
    finished: type[_T] = made
    return finished


def _described(default: Any) -> Field:
    return default if isinstance(default, Field) else Field(default, _MISSING, True)


def _key_of(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """What a value is compared by."""
    return attrgetter(*names) if names else lambda _: ()


def _comparing(key: Callable[[Any], Any], *, ordered: bool) -> dict[str, Callable[..., Any]]:
    """The methods that compare; values of different classes are neither equal nor ordered."""
    methods: dict[str, Callable[..., Any]] = {
        "__eq__": lambda a, b: key(a) == key(b) if a._class is getattr(b, "_class", None) else NotImplemented,
        "__hash__": lambda a: hash(key(a)),
    }
    if ordered:
        methods |= {
            "__lt__": lambda a, b: key(a) < key(b) if a._class is getattr(b, "_class", None) else NotImplemented,
            "__le__": lambda a, b: key(a) <= key(b) if a._class is getattr(b, "_class", None) else NotImplemented,
            "__gt__": lambda a, b: key(a) > key(b) if a._class is getattr(b, "_class", None) else NotImplemented,
            "__ge__": lambda a, b: key(a) >= key(b) if a._class is getattr(b, "_class", None) else NotImplemented,
        }
    return methods


def _init_at_first(self: Any, *args: Any, **named: Any) -> None:
    """Stands for `__init__` while there are few values of a class, and it is not worth being compiled."""
    cls: Any = next(base for base in type(self).__mro__ if base.__dict__.get("__init__") is _init_at_first)
    cls._made_so_far += 1
    given = dict(zip(cls._fields, args, strict=False)) | named
    if cls._made_so_far > _FEW or len(given) != len(args) + len(named) or not _filled(self, cls, given):
        cls.__init__ = _compiled_init(cls)
        cls.__init__(self, *args, **named)  # which says what is wrong with the arguments, if something is
    elif hasattr(cls, "__post_init__"):
        self.__post_init__()


def _filled(self: Any, cls: Any, given: dict[str, Any]) -> bool:
    """Sets the fields; whether there was something for each, and nothing else."""
    put, used = object.__setattr__, 0
    for name, described in cls._described.items():
        if name in given:
            put(self, name, given[name])
            used += 1
        elif described.default_factory is not _MISSING:
            put(self, name, described.default_factory())
        elif described.default is not _MISSING:
            put(self, name, described.default)
        else:
            return False
    return used == len(given)


def _compiled_init(cls: Any) -> Callable[..., None]:
    # As the standard library's: the slots are set past the `__setattr__` that refuses.
    parameters, lines = [], []
    names: dict[str, Any] = {"_set": object.__setattr__, "_missing": _MISSING}
    for name, described in cls._described.items():
        given = name
        if described.default_factory is not _MISSING:
            names[f"_make_{name}"] = described.default_factory
            parameters.append(f"{name}=_missing")
            given = f"_make_{name}() if {name} is _missing else {name}"
        elif described.default is not _MISSING:
            names[f"_default_{name}"] = described.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f" _set(self, {name!r}, {given})")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    text = f"def __init__({', '.join(['self', *parameters])}):\n" + ("\n".join(lines) or " pass")
    exec(text, names)
    init: Callable[..., None] = names["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _repr(self: Any) -> str:
    said = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
    return f"{self._class.__qualname__}({said})"


def _refuse(self: Any, name: str, *_: object) -> None:
    raise FrozenError(f"{self.__class__.__qualname__} is a value: its field {name} cannot be changed")


def _state(self: Any) -> list[object]:
    return [getattr(self, name) for name in self._fields]


def _restore(self: Any, state: list[object]) -> None:
    for name, item in zip(self._fields, state, strict=True):
        object.__setattr__(self, name, item)


class _DataclassFields:
    """`__dataclass_fields__`, for those functions of `dataclasses` that look there."""

    def __get__(self, _: object, cls: Any) -> dict[str, Any]:
        import dataclasses  # 5 ms, and hardly ever asked for

        twin: Any = dataclasses.make_dataclass(cls.__name__, [(name, object) for name in cls._fields])
        return dict(twin.__dataclass_fields__)
