"""Small repositories cut from real ones at run time: what some packages can reach, as their index says it."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from moss.capability import Capability, CapabilityKind
from moss.digest import PackageDigest
from moss.package import Metadata, Published
from moss.stone import write_index_file
from tests.debian.indexes import write_index

AERYNOS = Path(__file__).parents[3] / "shared" / "data" / "aerynos-packages.json.gz"
LISTS = Path("/var/lib/apt/lists")
HELPER = "/usr/lib/apt/apt-helper"
_NAME = re.compile(r"^Package: (\S+)", re.MULTILINE)
_PROVIDES = re.compile(r"^Provides: (.*)", re.MULTILINE)
_NEEDS = re.compile(r"^(?:Pre-)?Depends: (.*)", re.MULTILINE)
_WORD = re.compile(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.\-]+)")
_DROPPED = re.compile(r"^(?:Recommends|Suggests|Enhances): .*\n", re.MULTILINE)


def debian_index() -> Path | None:
    """The machine's own index of bookworm, as apt keeps it."""
    found = sorted(LISTS.glob("*_dists_bookworm_main_binary-amd64_Packages*"))
    return found[0] if found and shutil.which(HELPER) else None


def debian(folder: Path, names: Iterable[str]) -> str:
    """A mirror with all that these packages can need, recommendations left out; its URI."""
    index = debian_index()
    assert index is not None
    text = subprocess.run([HELPER, "cat-file", str(index)], capture_output=True, check=True, text=True).stdout
    stanzas: dict[str, list[str]] = {}
    for stanza in text.split("\n\n"):
        name = _NAME.search(stanza)
        if name is not None:
            provides = _PROVIDES.search(stanza)
            for one in {name[1], *(_WORD.findall(provides[1]) if provides else ())}:
                stanzas.setdefault(one, []).append(stanza)
    kept: dict[str, None] = {}
    todo = list(names)
    seen = set(todo)
    for name_wanted in todo:
        for stanza in stanzas.get(name_wanted, ()):
            if stanza not in kept:
                kept[stanza] = None
                more = {word for line in _NEEDS.findall(stanza) for word in _WORD.findall(line)} - seen
                seen |= more
                todo += sorted(more)
    write_index(folder, "\n\n".join(_DROPPED.sub("", stanza) for stanza in kept) + "\n")
    return f"apt+file:{folder}"


def aerynos(folder: Path, names: Iterable[str]) -> str:
    """An index with all that these packages can need; its path."""
    with gzip.open(AERYNOS, "rt", encoding="utf-8") as file:
        packages: list[dict[str, Any]] = json.load(file)
    providers: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for one in packages:
        for kind, capability in [*one["prov"], [0, one["name"]]]:
            providers.setdefault((kind, capability), []).append(one)
    todo = [(0, name) for name in names]
    seen, kept = set(todo), {}
    for wanted in todo:
        for one in providers.get(wanted, ()):
            if one["name"] not in kept:
                kept[one["name"]] = one
                more = {(kind, capability) for kind, capability in one["deps"]} - seen
                seen |= more
                todo += sorted(more)
    folder.mkdir()
    write_index_file(str(folder / "stone.index"), [_published(one) for one in kept.values()])
    return str(folder / "stone.index")


def _published(one: dict[str, Any]) -> Published:
    def capabilities(key: str) -> tuple[Capability, ...]:
        return tuple(sorted({Capability(CapabilityKind(kind), name) for kind, name in one[key]}))

    metadata = Metadata(
        name=one["name"],
        version=one["version"],
        release=one["release"],
        build_release=1,
        architecture="x86_64",
        summary=one["name"],
        description=one["name"],
        homepage="https://example.org",
        source_id=one["name"],
        licenses=("MIT",),
        depends=capabilities("deps"),
        provides=capabilities("prov"),
        conflicts=capabilities("conf"),
    )
    label = f"{one['name']}-{one['version']}-{one['release']}"
    return Published(metadata, f"{label}.stone", PackageDigest(hashlib.sha256(label.encode()).hexdigest()), 1000)
