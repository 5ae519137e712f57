"""What a path filter leaves out of a package, said once more and plainly: shares no code with moss."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


def matches(pattern: str, path: str, *, at_a_part: bool = True) -> bool:
    """Character by character, trying every way."""
    if not pattern:
        return not path
    if at_a_part and pattern == "**":
        return bool(path)
    if at_a_part and pattern.startswith("**/"):
        starts = [0, *(at + 1 for at, character in enumerate(path) if character == "/")]
        return any(matches(pattern[3:], path[start:]) for start in starts)
    if pattern.startswith("**"):
        return any(matches(pattern[2:], path[end:], at_a_part=False) for end in range(len(path) + 1))
    if pattern[0] == "*":
        first = path.partition("/")[0]
        return any(matches(pattern[1:], path[end:], at_a_part=False) for end in range(len(first) + 1))
    if not path or (pattern[0] == "?" and path[0] == "/") or pattern[0] not in ("?", path[0]):
        return False
    return matches(pattern[1:], path[1:], at_a_part=pattern[0] == "/")


def omitted(paths: Mapping[str, bool], omissions: Iterable[Mapping[str, Any]]) -> set[str]:
    """Which of a package's paths go; `paths` says of each whether it is a directory."""
    filters = list(omissions)

    def goes(path: str) -> bool:
        return any(
            any(matches(pattern, path) for pattern in one["patterns"])
            and not any(matches(pattern, path) for pattern in one["kept"])
            for one in filters
        )

    def below(directory: str) -> list[str]:
        return [path for path in paths if path.startswith(f"{directory}/")]

    leaves = [path for path, is_directory in paths.items() if not is_directory or not below(path)]
    staying = {path for path in leaves if not goes(path)}
    return {
        path for path in paths
        if path not in staying and (path in leaves or not any(one in staying for one in below(path)))
    }  # fmt: skip


def omissions_in(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)
    return found
