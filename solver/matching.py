"""What matches what within one universe, looked up while it is compiled and nobody waits.

Works on the arrays of a universe (see `solver.universe` for what they hold), packages already sorted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Protocol
from zlib import crc32

from solver.compile import NO_TEXT, OPERATORS, any_arch, version_matches
from solver.version import Scheme

Arrays = Mapping[str, "array[int]"]


class Texts(Protocol):
    """Texts by their numbers."""

    def __getitem__(self, number: int, /) -> bytes: ...


def hash_slots(texts: Sequence[bytes]) -> array[int]:
    """An open-addressed table of numbers + 1, at most half full."""
    size = 8
    while size < 2 * len(texts):
        size *= 2
    slots = array("i", bytes(4 * size))
    for number, text in enumerate(texts, 1):
        slot = crc32(text) & (size - 1)
        while slots[slot]:
            slot = (slot + 1) & (size - 1)
        slots[slot] = number
    return slots


def grouped(count: int, groups: Sequence[int]) -> tuple[array[int], list[int]]:
    """Things by the group each is in, of `count` groups: where each group starts, and their order."""
    sizes = [0] * count
    for group in groups:
        sizes[group] += 1
    order = sorted(range(len(groups)), key=groups.__getitem__)
    return array("i", accumulate(sizes, initial=0)), order


def capability_arrays(count: int, arrays: Arrays) -> dict[str, array[int]]:
    """Who is named so, who provides it, and whose supplements and replaces mention it."""
    names = arrays["name"]
    first, end = array("i", bytes(4 * count)), array("i", bytes(4 * count))
    for package, name in enumerate(names, 1):
        end[name] = package
    for package in range(len(names) - 1, -1, -1):
        first[names[package]] = package
    made = {"capability_first": first, "capability_end": end} | _providers(count, arrays)
    part_start, part, of_relation = arrays["part_start"], arrays["part"], arrays["relation_capability"]

    def of_formula(formula: int) -> Iterable[int]:
        return (of_relation[relation] for relation in part[part_start[formula] : part_start[formula + 1]])

    made["supplementer_start"], made["supplementer"] = _mentioned(count, arrays, "supplements", of_formula)
    made["replacer_start"], made["replacer"] = _mentioned(count, arrays, "replaces", lambda r: (of_relation[r],))
    return made


def _providers(count: int, arrays: Arrays) -> dict[str, array[int]]:
    """Every package provides its own name, then what it says it does."""
    capability, package, version, key = array("i"), array("i"), array("i"), array("i")
    start, provided = arrays["provides_start"], arrays["provides_capability"]
    for number, name in enumerate(arrays["name"]):
        capability.append(name)
        package.append(number)
        version.append(arrays["version"][number])
        key.append(arrays["version_key"][number])
        begin, end = start[number], start[number + 1]
        if begin != end:
            capability.extend(provided[begin:end])
            package.extend([number] * (end - begin))
            version.extend(arrays["provides_version"][begin:end])
            key.extend(arrays["provides_key"][begin:end])
    provider_start, order = grouped(count, capability)
    made = {"provider": package, "provider_version": version, "provider_key": key}
    return {name: array("i", map(numbers.__getitem__, order)) for name, numbers in made.items()} | {
        "provider_start": provider_start
    }


def _mentioned(
    count: int, arrays: Arrays, listed: str, capabilities_of: Callable[[int], Iterable[int]]
) -> tuple[array[int], array[int]]:
    """For each capability the packages that list something about it."""
    start, flat = arrays[f"{listed}_start"], arrays[listed]
    capabilities, packages = array("i"), array("i")
    for package in range(len(start) - 1):
        begin, end = start[package], start[package + 1]
        if begin != end:
            found = sorted({capability for number in flat[begin:end] for capability in capabilities_of(number)})
            capabilities.extend(found)
            packages.extend([package] * len(found))
    where, order = grouped(count, capabilities)
    return where, array("i", map(packages.__getitem__, order))


def matched(arrays: Arrays, texts: Texts) -> dict[str, array[int]]:
    """The packages that each relation and each plain formula matches, the preferred ones first."""
    match_start, match, preferred = _relations_matched(arrays, texts)
    choice_start, choice, first = array("i", (0,)), array("i"), array("i")
    part_start, part = arrays["part_start"], arrays["part"]
    for formula, text in enumerate(arrays["formula_text"]):
        begin, end = part_start[formula], part_start[formula + 1]
        if text != NO_TEXT:
            first.append(0)
        elif end - begin == 1:
            one = part[begin]
            choice.extend(match[match_start[one] : match_start[one + 1]])
            first.append(preferred[one])
        else:
            parts = part[begin:end]
            every = (match[match_start[one] : match_start[one + 1]] for one in parts)
            choice.extend(dict.fromkeys(chain.from_iterable(every)))
            first.append(next((preferred[one] for one in parts if preferred[one]), 0))
        choice_start.append(len(choice))
    return {
        "match_start": match_start,
        "match": match,
        "choice_start": choice_start,
        "choice": choice,
        "preferred": first,
    }


def _relations_matched(arrays: Arrays, texts: Texts) -> tuple[array[int], array[int], array[int]]:
    """Where each relation's packages begin, all of them, and how many of each are preferred."""
    match_start, match, preferred = array("i", (0,)), array("i"), array("i")
    starts, provider = arrays["provider_start"], arrays["provider"]
    limits = zip(arrays["relation_operator"], arrays["relation_arch"], strict=True)
    for relation, (capability, (operator, arch)) in enumerate(zip(arrays["relation_capability"], limits, strict=True)):
        begin, end = starts[capability], starts[capability + 1]
        if end - begin == 1 and not operator and arch == NO_TEXT:  # nothing to choose, nothing to compare
            match.append(provider[begin])
            preferred.append(1)
        elif begin != end:
            found = [provider[at] for at in range(begin, end) if _satisfies(arrays, at, relation, texts)]
            named, others = (found, []) if len(found) < 2 else _named_first(arrays, capability, found)
            match.extend(named)
            match.extend(others)
            preferred.append(len(named) or len(others))
        else:
            preferred.append(0)
        match_start.append(len(match))
    return match_start, match, preferred


def _satisfies(arrays: Arrays, at: int, relation: int, texts: Texts) -> bool:
    """Whether what is provided there, a capability that the relation is about, is within its limits."""
    package = arrays["provider"][at]
    operator = OPERATORS[arrays["relation_operator"][relation]]
    if operator is not None:
        scheme, provided = arrays["relation_scheme"][relation], arrays["provider_key"][at]
        key = None if provided == NO_TEXT else texts[provided]
        if arrays["scheme"][package] != scheme or not version_matches(
            operator, Scheme(scheme), key, texts[arrays["relation_key"][relation]]
        ):
            return False
    arch = arrays["relation_arch"][relation]
    return arch == NO_TEXT or arrays["arch"][package] == arch or any_arch(texts[arch].decode())


def _named_first(arrays: Arrays, capability: int, packages: Iterable[int]) -> tuple[list[int], list[int]]:
    """The packages of the name itself, then the others that provide it, each once and in order."""
    first, last = arrays["capability_first"][capability], arrays["capability_end"][capability]
    every = dict.fromkeys(packages)
    named = [package for package in every if first <= package < last]
    return named, [package for package in every if not first <= package < last]
