"""Names of architectures, as stones spell them."""

import os

_OTHER_NAMES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "386", "i686": "386", "riscv64": "riscv"}


def native_architecture() -> str:
    """The machine's own: `x86_64`, `aarch64`, `386`, `riscv`."""
    return stone_architecture(os.uname().machine)


def stone_architecture(name: str) -> str:
    """What a stone calls an architecture that the kernel or Debian calls otherwise."""
    return _OTHER_NAMES.get(name, name)
