"""The machine that moss runs on, as facts: read from /sys, /proc and /etc, each at most once.

What the kernel and devices say is taken as it comes: what cannot be read says nothing, what cannot be a line
of text is left out and told, and no machine makes this read without end.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice

from moss.architecture import stone_architecture
from moss.cpu_level import common_flags, x86_levels
from moss.facts import Fact, FactKind, fact, in_order
from moss.virtualisation import CLOCKS, FIRMWARE, FIRMWARE_TEXTS, Hints, container_of, machine_of
from solver.values import value

_PAGE = 4096
"""The most that a file of /sys holds."""
_CPUINFO = 16 << 20
"""A thousand processors say 2 MiB."""
_MOST_DEVICES = 50_000
"""Places where a device may be; a large server has a few thousand."""
_LOCALE_FILES = ("etc/locale.conf", "etc/default/locale")
_CPU_DEVICES = "sys/devices/system"


@value
class Reading:
    """What a machine says of itself."""

    facts: tuple[Fact, ...]
    """All but kernels, in order."""
    left_out: tuple[str, ...] = ()
    """Sentences: what was there and could not be told."""
    is_whole: bool = True
    """False where /proc or /sys is not mounted: then what is missing says nothing about the machine."""


def read_machine(top: str = "/", machine: str | None = None) -> Reading:
    """The facts of the machine whose /sys, /proc and /etc are below `top`; `machine` is what the kernel calls
    its architecture, that of the running one by default."""
    architecture = stone_architecture(machine or os.uname().machine)
    cpuinfo = _text(top, "proc/cpuinfo", _CPUINFO)
    flags = common_flags(cpuinfo)
    found: list[Fact | None] = [fact(FactKind.ARCH, architecture, "uname")]
    if architecture == "x86_64":
        found += [fact(FactKind.CPU, level, "/proc/cpuinfo") for level in x86_levels(flags)]
    found += [fact(FactKind.VIRT, name, source) for name, source in _virtualisation(top, cpuinfo, flags)]
    found += [fact(FactKind.LOCALE, name, source) for name, source in _locales(top)]
    devices, left_out = _devices(top)
    is_whole = bool(cpuinfo) and os.path.isdir(f"{top}/sys/bus")
    return Reading(in_order([one for one in found if one is not None] + devices), tuple(left_out), is_whole)


def _virtualisation(top: str, cpuinfo: str, flags: frozenset[str]) -> list[tuple[str, str]]:
    """The container and the virtual machine, or `none`, with the place that says so."""
    found = []
    container = _container(top)
    if container is not None:
        found.append((container, "how this container was begun"))
    machine = machine_of(_hints(top, cpuinfo, flags))
    if machine is not None:
        found.append(machine)
    return found or [("none", "no sign of a virtual machine or container")]


def _hints(top: str, cpuinfo: str, flags: frozenset[str]) -> Hints:
    said = dict(_pairs(cpuinfo.partition("\n\n")[0], ":"))
    return Hints(
        firmware={name: _text(top, f"{FIRMWARE}/{name}").strip() for name in FIRMWARE_TEXTS},
        has_hypervisor="hypervisor" in flags if flags else None,
        clocks=_text(top, CLOCKS),
        hypervisor=_text(top, "sys/hypervisor/type").strip(),
        xen_capabilities=_text(top, "proc/xen/capabilities"),
        device_tree=_text(top, "proc/device-tree/hypervisor/compatible").split("\0")[0].strip(),
        is_qemu_tree=any("fw-cfg" in name for name in _names(f"{top}/proc/device-tree")),
        vendor=said.get("vendor_id", ""),
    )


def _container(top: str) -> str | None:
    # systemd leaves there what its first process was told; who is not root cannot ask that process itself.
    said = _text(top, "run/systemd/container").strip()
    if not said:
        environment = _text(top, "proc/1/environ", _PAGE * 32).split("\0")
        said = next((one.removeprefix("container=") for one in environment if one.startswith("container=")), "")
    return container_of(
        said,
        release=_text(top, "proc/sys/kernel/osrelease"),
        marks={
            "openvz": os.path.exists(f"{top}/proc/vz") and not os.path.exists(f"{top}/proc/bc"),
            "podman": os.path.exists(f"{top}/run/.containerenv"),
            "docker": os.path.exists(f"{top}/.dockerenv"),
        },
    )


def _locales(top: str) -> Iterator[tuple[str, str]]:
    """Every language that the system's settings ask for, of messages, times or anything else."""
    for place in _LOCALE_FILES:
        for name, value_text in _pairs(_text(top, place, _PAGE * 16), "="):
            if name == "LANG" or name.startswith("LC_"):
                yield from ((one, f"/{place}") for one in _language(value_text))
            elif name == "LANGUAGE":
                yield from ((one, f"/{place}") for part in value_text.split(":") for one in _language(part))


def _language(text: str) -> list[str]:
    """`de_DE` of `de_DE.UTF-8`, `sr_RS@latin` of `sr_RS.UTF-8@latin`; C and POSIX are no language."""
    start, at, modifier = text.strip().strip("\"'").partition("@")
    name = start.partition(".")[0]
    return [] if name in ("", "C", "POSIX") else [f"{name}{at}{modifier}"]


def _pairs(text: str, sign: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        name, found, said = line.partition(sign)
        if found and not name.lstrip().startswith("#"):
            yield name.strip(), said.strip()


def _devices(top: str) -> tuple[list[Fact], list[str]]:
    """A fact for each device that says what it is, and what was left out."""
    facts: dict[str, Fact] = {}
    odd: list[str] = []
    places = _places(top)
    for place in islice(places, _MOST_DEVICES):
        content = _read(f"{top}/{place}/modalias", _PAGE + 1)
        if not content:
            continue
        source = f"/{place}".encode(errors="surrogateescape").decode(errors="replace")
        found = _modalias(content, source)
        if found is None:
            odd.append(f"{source}/modalias holds what is no line of text")
        else:
            facts.setdefault(found.capability, found)
    if next(places, None) is not None:
        odd.append(f"there are more than {_MOST_DEVICES} devices: the rest was not looked at")
    return list(facts.values()), odd


def _modalias(content: bytes, source: str) -> Fact | None:
    if len(content) > _PAGE:
        return None
    try:
        text = content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        return None
    return fact(FactKind.MODALIAS, text, source)


def _places(top: str) -> Iterator[str]:
    """Where devices are: all that are on a bus, of a class, or of the system itself. Each has `modalias` or not.

    Not the tree below /sys/devices itself: it holds the same, and some twenty times as many directories.
    """
    for bus in _names(f"{top}/sys/bus"):
        yield from (f"sys/bus/{bus}/devices/{name}" for name in _names(f"{top}/sys/bus/{bus}/devices"))
    for kind in _names(f"{top}/sys/class"):
        yield from (f"sys/class/{kind}/{name}" for name in _names(f"{top}/sys/class/{kind}"))
    yield from (f"{_CPU_DEVICES}/{name}" for name in _names(f"{top}/{_CPU_DEVICES}"))


def _names(directory: str) -> Iterable[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return ()


def _text(top: str, path: str, most: int = _PAGE) -> str:
    return _read(f"{top}/{path}", most).decode("utf-8", "replace")


def _read(path: str, most: int) -> bytes:
    """A file's beginning; nothing where it is not there, is gone meanwhile, or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        parts = []
        while most > 0 and (part := os.read(descriptor, most)):
            parts.append(part)
            most -= len(part)
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
