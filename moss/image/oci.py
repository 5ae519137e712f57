"""A root directory as an image of the Open Container Initiative: an image layout with one layer.

    oci-layout                      the version of the layout
    index.json                      names the manifest
    blobs/sha256/<digest>           manifest, configuration, layer (tar, gzip)

Specification: opencontainers/image-spec 1.0, image-layout.md, manifest.md, config.md, layer.md.
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Collection, Mapping
from typing import IO, cast

from moss.image.tar import write_tar
from solver.values import value

_LEVEL = 6
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "386": "386", "riscv": "riscv64"}
"""moss's words, and those of Go, which the specification uses."""


@value
class OciConfig:
    """What the image says of itself."""

    architecture: str
    """The specification's word."""
    created: str
    """RFC 3339."""
    name: str
    """The reference's name in the index: `system:7`."""
    command: tuple[str, ...]
    environment: tuple[str, ...]
    labels: Mapping[str, str]


class _Digesting:
    """A stream that digests what passes."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target, self._hasher, self.size = target, hashlib.sha256(), 0

    def write(self, data: bytes, /) -> int:
        self._hasher.update(data)
        self.size += len(data)
        return self._target.write(data)

    def flush(self) -> None:
        self._target.flush()

    @property
    def digest(self) -> str:
        return self._hasher.hexdigest()


def write_oci(
    root: str,
    target: IO[bytes],
    spool: IO[bytes],
    config: OciConfig,
    *,
    mtime: int,
    left_out: Collection[str] = (),
    told: Callable[[int], None] | None = None,
) -> str:
    """Write the layout as a tar archive; `spool` is an empty file for the layer. The manifest's digest."""
    compressed = _Digesting(spool)
    with gzip.GzipFile("", "wb", _LEVEL, cast(IO[bytes], compressed), mtime=0) as packed:
        plain = _Digesting(cast(IO[bytes], packed))
        write_tar(root, plain, mtime=mtime, left_out=left_out, told=told)
    about = _json(_configuration(config, plain.digest))
    layer = {"mediaType": _LAYER, "digest": f"sha256:{compressed.digest}", "size": compressed.size}
    manifest = _json(
        {"schemaVersion": 2, "mediaType": _MANIFEST, "config": _described(_CONFIG, about), "layers": [layer]}
    )
    index = _described(_MANIFEST, manifest) | {"annotations": {"org.opencontainers.image.ref.name": config.name}}
    spool.seek(0)
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}), mtime)
        _add(archive, "index.json", _json({"schemaVersion": 2, "manifests": [index]}), mtime)
        for directory in ("blobs", "blobs/sha256"):
            made = tarfile.TarInfo(directory)
            made.type, made.mode, made.mtime = tarfile.DIRTYPE, 0o755, mtime
            archive.addfile(made)
        for content in (manifest, about):
            _add(archive, f"blobs/sha256/{hashlib.sha256(content).hexdigest()}", content, mtime)
        _add(archive, f"blobs/sha256/{compressed.digest}", spool, mtime, compressed.size)
    return hashlib.sha256(manifest).hexdigest()


def _configuration(config: OciConfig, layer: str) -> dict[str, object]:
    return {
        "created": config.created,
        "architecture": config.architecture,
        "os": "linux",
        "config": {
            "Cmd": list(config.command), "Env": list(config.environment), "Labels": dict(config.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": config.created, "created_by": "moss image oci"}],
    }  # fmt: skip


def _described(media_type: str, content: bytes) -> dict[str, object]:
    return {
        "mediaType": media_type, "digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content),
    }  # fmt: skip


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes | IO[bytes], mtime: int, size: int = 0) -> None:
    about = tarfile.TarInfo(name)
    about.size, about.mode, about.mtime = len(content) if isinstance(content, bytes) else size, 0o644, mtime
    archive.addfile(about, io.BytesIO(content) if isinstance(content, bytes) else content)


def extract_layout(archive: str, directory: str) -> None:
    """Take a layout that this module wrote out of its archive."""
    os.mkdir(directory)
    with tarfile.open(archive) as file:
        file.extractall(directory, filter="data")
