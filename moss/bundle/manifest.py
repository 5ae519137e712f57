"""What a bundle says of itself: the first payload, and what the signature is about.

Canonical JSON (keys sorted, no spaces, UTF-8); schema/json/bundle-manifest.schema.json describes it.
Every other payload but the signature is listed with its SHA-256, so whoever trusts these bytes can
trust the whole file.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from moss.digest import PackageDigest
from moss.errors import MossError
from moss.generation import Reason
from moss.model import Hold, Pin, SystemModel, Wish
from moss.path_filter import NOTHING_OMITTED, PathFilter, as_plain, from_plain
from moss.root import GenerationId
from moss.stone.container import Compression, PayloadKind, Place
from moss.stone.objects import json_object
from moss.subscription import Setting, Switch
from solver.values import value

FORMAT = 1
SIGNED_PREFIX = b"moss.bundle/1\n"
"""What stands before the manifest in the message that is signed, so that the signature means nothing else."""

_SUBSCRIPTION = re.compile(r"[!-.0-~]{1,200}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SYSTEM = re.compile(r"[0-9a-f]{32}\Z")
_NAME = re.compile(r"[^\s/\x00-\x1f\x7f.\-][^\s/\x00-\x1f\x7f]{0,254}\Z")
_VERSION = re.compile(r"[^\s\x00-\x1f\x7f]{1,255}\Z")
_MOST = (1 << 63) - 1
_LARGEST_DEFINITIONS = 1 << 20
"""Characters of one file of definitions: what is read of any."""
LARGEST_MODEL_TEXT = 1 << 20
"""Characters."""

T = TypeVar("T")


class Part(NamedTuple):
    """A payload that follows: its header's figures, and the SHA-256 of its stored bytes."""

    kind: PayloadKind
    compression: Compression
    records: int
    stored_size: int
    plain_size: int
    sha256: str


@value
class BundledPackage:
    """A package of the generation, as the exporter's record has it."""

    digest: PackageDigest
    candidate_key: str
    name: str
    version: str
    """Ordered: with its release, where the scheme has one."""
    repository: str
    reason: Reason
    stone_size: int
    installed_size: int
    carried: bool
    """Whether its statement and layout are in the bundle; if not, the receiver has them already."""

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


@value
class Origin:
    """Who made a bundle, of what, and when."""

    system: str
    """The exporting system's own number, 32 hexadecimal digits."""
    counter: int
    """Grows from bundle to bundle of one exporter; a receiver takes none that is lower than one it has taken."""
    generation: GenerationId
    created_at: int
    """Of the bundle, seconds since 1970, UTC."""


@value
class Base:
    """What a bundle that does not hold everything builds on."""

    system: str | None
    """Whose receipt it was made for; None when it was made since a generation of the exporter's."""
    generation: GenerationId | None
    """The generation that system was at."""


@value
class Manifest:
    origin: Origin
    base: Base | None
    model: SystemModel
    packages: tuple[BundledPackage, ...]
    parts: tuple[Part, ...]
    omissions: PathFilter = NOTHING_OMITTED
    definitions: tuple[tuple[str, str], ...] = ()
    """What subscriptions mean there: files and their texts, by precedence."""
    model_text: str | None = None
    """The model as it is written there, comments and all, without repositories; None: nobody wrote one."""

    def encode(self) -> bytes:
        return json.dumps(self._plain(), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()

    def _plain(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "origin": {
                "system": self.origin.system,
                "counter": self.origin.counter,
                "generation": self.origin.generation,
                "created_at": self.origin.created_at,
            },
            "base": None
            if self.base is None
            else {"system": self.base.system, "generation": self.base.generation},
            "wishes": [{"wanted": str(wish), "why": wish.why} for wish in self.model.wishes],
            "pins": [{"wanted": str(pin), "said_at": pin.said_at} for pin in self.model.pins],
            "holds": [{"name": hold.name, "said_at": hold.said_at} for hold in self.model.holds],
            "subscriptions": [
                {"name": one.name, "setting": one.setting.value, "values": list(one.values), "why": one.why}
                for one in self.model.switches
            ],
            "omissions": as_plain(self.omissions),
            "definitions": [{"file": file, "text": text} for file, text in self.definitions],
            "model_text": self.model_text,
            "packages": [_package_plain(package) for package in self.packages],
            "parts": [
                {
                    "kind": int(part.kind),
                    "compression": int(part.compression),
                    "records": part.records,
                    "stored_size": part.stored_size,
                    "plain_size": part.plain_size,
                    "sha256": part.sha256,
                }
                for part in self.parts
            ],
        }


def _package_plain(package: BundledPackage) -> dict[str, object]:
    reason = package.reason
    parts = {
        "wish": reason.wish, "package": reason.package, "needs": reason.needs, "subscription": reason.subscription,
    }  # fmt: skip
    return {
        "digest": package.digest,
        "candidate_key": package.candidate_key,
        "name": package.name,
        "version": package.version,
        "repository": package.repository,
        "reason": {key: part for key, part in parts.items() if part is not None},
        "stone_size": package.stone_size,
        "installed_size": package.installed_size,
        "carried": package.carried,
    }


def decode_manifest(plain: bytes, place: Place) -> Manifest:
    """CorruptData unless it is exactly what `encode` would write; FormatTooNew for a later format."""
    found = json_object(plain, place, "it")
    number = found.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise place.too_new(f"the bundle is of format {number}, this moss reads {FORMAT}")
    try:
        manifest = _Taken(found).manifest()
        canonical = manifest.encode()
    except (_BadValueError, UnicodeEncodeError) as fault:
        raise place.fault(str(fault)) from fault
    except MossError as fault:
        raise place.fault(fault.message) from fault
    if canonical != plain:
        raise place.fault("it is not written canonically, or says what no bundle says")
    return manifest


class _BadValueError(Exception):
    """What is wrong with a value."""


class _Taken:
    """A JSON object that is taken apart key by key, each of the right type."""

    def __init__(self, found: object, where: str = "the manifest") -> None:
        if not isinstance(found, dict):
            raise _BadValueError(f"{where} is not an object")
        self._found: dict[str, Any] = found
        self._where = where

    def manifest(self) -> Manifest:
        base = self._found.get("base")
        packages = tuple(_Taken(one, "a package").package() for one in self._list("packages"))
        digests = {package.digest for package in packages}
        if len(digests) != len(packages):
            raise _BadValueError("a package is listed twice")
        return Manifest(
            _Taken(self._found.get("origin"), "origin").origin(),
            None if base is None else _Taken(base, "base").base(),
            SystemModel(
                tuple(_Taken(one, "a wish").wish() for one in self._list("wishes")),
                tuple(_Taken(one, "a pin").pin() for one in self._list("pins")),
                tuple(_Taken(one, "a hold").hold() for one in self._list("holds")),
                tuple(_Taken(one, "a subscription").switch() for one in self._list("subscriptions")),
            ),
            packages,
            tuple(_Taken(one, "a part").part() for one in self._list("parts")),
            self._omissions(),
            tuple(_Taken(one, "a definition").definition() for one in self._list("definitions")),
            None if self._found.get("model_text") is None else self._long_text("model_text", LARGEST_MODEL_TEXT),
        )

    def _omissions(self) -> PathFilter:
        try:
            return from_plain(self._found.get("omissions"))
        except ValueError as fault:
            raise _BadValueError(f"{self._where}: {fault}") from fault

    def origin(self) -> Origin:
        return Origin(
            self._matching("system", _SYSTEM),
            self._number("counter"),
            GenerationId(self._number("generation")),
            self._number("created_at"),
        )

    def base(self) -> Base:
        has_system, has_generation = self._found.get("system"), self._found.get("generation")
        return Base(
            None if has_system is None else self._matching("system", _SYSTEM),
            None if has_generation is None else GenerationId(self._number("generation")),
        )

    def wish(self) -> Wish:
        return Wish.parse(self._text("wanted"), self._text("why"))

    def pin(self) -> Pin:
        wanted = Wish.parse(self._text("wanted"))
        return Pin(wanted.wanted, wanted.repository, self._number("said_at"))

    def hold(self) -> Hold:
        return Hold(self._matching("name", _NAME), self._number("said_at"))

    def switch(self) -> Switch:
        try:
            setting = Setting(self._text("setting"))
        except ValueError as fault:
            raise _BadValueError(f"{self._where}: {fault}") from fault
        values = tuple(one for one in self._list("values") if isinstance(one, str) and one.isprintable())
        if len(values) != len(self._list("values")):
            raise _BadValueError(f"{self._where}: 'values' are not all texts")
        return Switch(self._matching("name", _SUBSCRIPTION), setting, values, self._text("why"))

    def definition(self) -> tuple[str, str]:
        return self._text("file"), self._long_text("text", _LARGEST_DEFINITIONS)

    def _long_text(self, key: str, most: int) -> str:
        text = self._found.get(key)
        if not isinstance(text, str) or len(text) > most:
            raise _BadValueError(f"{self._where}: {key!r} is no text of at most {most:,} characters")
        return text

    def package(self) -> BundledPackage:
        carried = self._found.get("carried")
        if not isinstance(carried, bool):
            raise _BadValueError(f"{self._where}: 'carried' is neither true nor false")
        return BundledPackage(
            PackageDigest(self._matching("digest", _SHA256)),
            self._matching("candidate_key", re.compile(r"[!-~]{1,200}\Z")),
            self._matching("name", _NAME),
            self._matching("version", _VERSION),
            self._text("repository"),
            _Taken(self._found.get("reason"), "a reason").reason(),
            self._number("stone_size"),
            self._number("installed_size"),
            carried,
        )

    def reason(self) -> Reason:
        keys = ("wish", "package", "needs", "subscription")
        return Reason(**{key: self._text(key) for key in keys if key in self._found})

    def part(self) -> Part:
        return Part(
            self._choice("kind", PayloadKind),
            self._choice("compression", Compression),
            self._number("records"),
            self._number("stored_size"),
            self._number("plain_size"),
            self._matching("sha256", _SHA256),
        )

    def _list(self, key: str) -> list[object]:
        found = self._found.get(key)
        if not isinstance(found, list):
            raise _BadValueError(f"{self._where}: '{key}' is not a list")
        return found

    def _text(self, key: str) -> str:
        found = self._found.get(key)
        if not isinstance(found, str) or not found.isprintable() or len(found) > 4096:
            raise _BadValueError(f"{self._where}: '{key}' is not a printable text of at most 4096 characters")
        return found

    def _matching(self, key: str, pattern: re.Pattern[str]) -> str:
        found = self._text(key)
        if not pattern.match(found):
            raise _BadValueError(f"{self._where}: {found[:80]!r} cannot be its '{key}'")
        return found

    def _number(self, key: str) -> int:
        found = self._found.get(key)
        if type(found) is not int or not 0 <= found <= _MOST:
            raise _BadValueError(f"{self._where}: '{key}' is not a number from 0 to {_MOST}")
        return found

    def _choice(self, key: str, choice: Callable[[int], T]) -> T:
        found = self._number(key)
        try:
            return choice(found)
        except ValueError as fault:
            raise _BadValueError(f"{self._where}: {found} is no '{key}'") from fault
