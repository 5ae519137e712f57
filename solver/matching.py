"""What matches what within one universe, looked up while it is compiled and nobody waits.

Works on the arrays of a universe (see `solver.universe` for what they hold), packages already sorted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, chain, pairwise, repeat
from operator import sub
from typing import Protocol
from zlib import crc32

from solver.compile import EVERY_ARCH, NO_TEXT, OPERATORS, any_arch, version_matches, without_arch
from solver.numbering import picked
from solver.version import Scheme

Arrays = Mapping[str, "array[int]"]
_SCHEMES = tuple(Scheme)


class Texts(Protocol):
    """Texts by their numbers."""

    def __getitem__(self, number: int, /) -> bytes: ...


def hash_slots(texts: Sequence[bytes]) -> array[int]:
    """An open-addressed table of numbers + 1, at most half full."""
    size = 8
    while size < 2 * len(texts):
        size *= 2
    slots = array("i", bytes(4 * size))
    for number, slot in enumerate(map(crc32, texts), 1):
        slot &= size - 1
        while slots[slot]:
            slot = (slot + 1) & (size - 1)
        slots[slot] = number
    return slots


def grouped(count: int, groups: Sequence[int], order: Iterable[int] | None = None) -> tuple[array[int], list[int]]:
    """Things by the group each is in, of `count` groups: where each group starts, and all in its order; within a group
    in the order given, or that of their numbers."""
    sizes = [0] * count
    for group in groups:
        sizes[group] += 1
    placed = sorted(range(len(groups)) if order is None else order, key=groups.__getitem__)
    return array("i", accumulate(sizes, initial=0)), placed


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
    names, start = arrays["name"], arrays["provides_start"]
    packages = range(len(names))
    package = array("i", chain(packages, chain.from_iterable(map(repeat, packages, map(sub, start[1:], start)))))
    by_package = sorted(range(len(package)), key=package.__getitem__)
    provider_start, order = grouped(count, names + arrays["provides_capability"], by_package)
    made = {
        "provider": package,
        "provider_version": arrays["version"] + arrays["provides_version"],
        "provider_key": arrays["version_key"] + arrays["provides_key"],
    }
    return {name: picked(numbers, order) for name, numbers in made.items()} | {"provider_start": provider_start}


def _mentioned(
    count: int, arrays: Arrays, listed: str, capabilities_of: Callable[[int], Iterable[int]]
) -> tuple[array[int], array[int]]:
    """For each capability the packages that list something about it."""
    start, flat = arrays[f"{listed}_start"], arrays[listed]
    if not flat:
        return array("i", bytes(4 * (count + 1))), array("i")
    capabilities, packages = array("i"), array("i")
    for package in range(len(start) - 1):
        begin, end = start[package], start[package + 1]
        if begin != end:
            found = sorted({capability for number in flat[begin:end] for capability in capabilities_of(number)})
            capabilities.extend(found)
            packages.extend([package] * len(found))
    where, order = grouped(count, capabilities)
    return where, picked(packages, order)


def matched(arrays: Arrays, texts: Texts) -> dict[str, array[int]]:
    """The packages that each relation and each plain formula matches, the preferred ones first; and the capabilities
    that are of the form `name:ARCH`."""
    match_start, match, preferred = _relations_matched(arrays, texts)
    names = map(texts.__getitem__, arrays["capability_text"])
    plain = {number: name for number, said in enumerate(names) if b":" in said and (name := without_arch(said))}
    serving = _serving(arrays, texts, plain)
    choice_start, choice, first = array("i", (0,)), array("i"), array("i")
    part = arrays["part"]
    for text, (begin, end) in zip(arrays["formula_text"], pairwise(arrays["part_start"]), strict=True):
        if text != NO_TEXT:
            first.append(0)
        elif serving and not serving.keys().isdisjoint(part[begin:end]):
            chosen, count = _served(part[begin:end], match_start, match, preferred, serving)
            choice.extend(chosen)
            first.append(count)
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
        "qualified": array("i", plain),
    }


def _relations_matched(arrays: Arrays, texts: Texts) -> tuple[array[int], array[int], array[int]]:
    """Where each relation's packages begin, all of them, and how many of each are preferred."""
    match_start, match, preferred = array("i", (0,)), array("i"), array("i")
    starts, provider, satisfies = arrays["provider_start"], arrays["provider"], _limits(arrays, texts)
    limits = zip(arrays["relation_operator"], arrays["relation_arch"], strict=True)
    for relation, (capability, (operator, arch)) in enumerate(zip(arrays["relation_capability"], limits, strict=True)):
        begin, end = starts[capability], starts[capability + 1]
        if end - begin == 1 and not operator and arch == NO_TEXT:  # nothing to choose, nothing to compare
            match.append(provider[begin])
            preferred.append(1)
        elif begin != end:
            found = [provider[at] for at in range(begin, end) if satisfies(at, relation)]
            named, others = (found, []) if len(found) < 2 else _named_first(arrays, capability, found)
            match.extend(named)
            match.extend(others)
            preferred.append(len(named) or len(others))
        else:
            preferred.append(0)
        match_start.append(len(match))
    return match_start, match, preferred


def _serving(
    arrays: Arrays, texts: Texts, plain: Mapping[int, bytes]
) -> dict[int, tuple[list[int], list[int]]]:
    """For relations about `name:ARCH`, which are of the names `plain`, the packages that provide the name for every
    architecture, first those of it."""
    if not plain or not any(flags & EVERY_ARCH for flags in arrays["flags"]):
        return {}
    names = set(plain.values())
    every = enumerate(map(texts.__getitem__, arrays["capability_text"]))
    number_of = {name: number for number, name in every if name in names}
    starts, provider, flags = arrays["provider_start"], arrays["provider"], arrays["flags"]
    satisfies = _limits(arrays, texts)
    found = {}
    for relation, capability in enumerate(arrays["relation_capability"]):
        if capability in plain and plain[capability] in number_of:
            number = number_of[plain[capability]]
            places = range(starts[number], starts[number + 1])
            serving = (at for at in places if flags[provider[at]] & EVERY_ARCH)
            packages = [provider[at] for at in serving if satisfies(at, relation)]
            found[relation] = _named_first(arrays, number, packages)
    return found


def _served(
    parts: Sequence[int],
    match_start: Sequence[int],
    match: array[int],
    preferred: Sequence[int],
    serving: Mapping[int, tuple[list[int], list[int]]],
) -> tuple[dict[int, None], int]:
    """What the parts of a choice match, and how many of them come first; some are served for every architecture."""
    chosen, first = dict[int, None](), 0
    for part in parts:
        matches = match[match_start[part] : match_start[part + 1]].tolist()
        named, others = serving.get(part, ([], []))
        chosen.update(dict.fromkeys([*named, *matches, *others]))
        first = first or len(named) or preferred[part] or len(others)
    return chosen, first


def _limits(arrays: Arrays, texts: Texts) -> Callable[[int, int], bool]:
    """Asked with a place among those who provide, and a relation about the capability that is provided there, tells
    whether that is within the relation's limits."""
    provider, provider_key = arrays["provider"], arrays["provider_key"]
    operators = [OPERATORS[number] for number in arrays["relation_operator"]]
    schemes, keys, arches = arrays["relation_scheme"], arrays["relation_key"], arrays["relation_arch"]
    scheme_of, arch_of = arrays["scheme"], arrays["arch"]

    def satisfies(at: int, relation: int) -> bool:
        operator = operators[relation]
        if operator is not None:
            scheme, provided = schemes[relation], provider_key[at]
            key = None if provided == NO_TEXT else texts[provided]
            if scheme_of[provider[at]] != scheme or not version_matches(
                operator, _SCHEMES[scheme], key, texts[keys[relation]]
            ):
                return False
        arch = arches[relation]
        return arch == NO_TEXT or arch_of[provider[at]] == arch or any_arch(texts[arch].decode())

    return satisfies


def _named_first(arrays: Arrays, capability: int, packages: Iterable[int]) -> tuple[list[int], list[int]]:
    """The packages of the name itself, then the others that provide it, each once and in order."""
    first, last = arrays["capability_first"][capability], arrays["capability_end"][capability]
    every = dict.fromkeys(packages)
    named = [package for package in every if first <= package < last]
    return named, [package for package in every if not first <= package < last]
