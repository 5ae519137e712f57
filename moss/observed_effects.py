"""Effects that tell of each primitive one before and after it happens, for crash tests and counting."""

from collections.abc import Callable
from typing import Any, Literal

from moss.effects import PRIMITIVES, Effects, absolute_name

Moment = Literal["before", "after"]

_TWO_NAMES = frozenset({"link", "rename", "rename_no_replace", "exchange"})


class ObservedEffects(Effects):
    """Override `observe`; the plain `Effects` knows nothing of it and pays nothing for it.

    Effects happen one after the other, whatever the caller lets happen side by side.
    """

    threads = 1

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        """`kind` is one of `PRIMITIVES`, `target` the absolute path or "path -> path" (or a commit's name).

        Whatever is raised here leaves the effect's caller.
        """


def _observed(kind: str) -> Callable[..., Any]:
    act = getattr(Effects, kind)

    def act_observed(self: ObservedEffects, *arguments: Any, **options: Any) -> Any:
        target = _target_of(kind, arguments, options)
        self.observe("before", kind, target)
        outcome = act(self, *arguments, **options)
        self.observe("after", kind, target)
        return outcome

    return act_observed


for _kind in PRIMITIVES:
    setattr(ObservedEffects, _kind, _observed(_kind))


def _target_of(kind: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> str:
    if kind in _TWO_NAMES:
        source = absolute_name(arguments[0], options.get("src_dir_fd"))
        return f"{source} -> {absolute_name(arguments[1], options.get('dst_dir_fd'))}"
    if kind == "commit_point":
        return str(arguments[0])
    named = arguments[1] if kind == "symlink" else arguments[0]
    return absolute_name("", named) if isinstance(named, int) else absolute_name(named, options.get("dir_fd"))
