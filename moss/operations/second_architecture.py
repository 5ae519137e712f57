"""What to say of a package of a second architecture, `libgl1:i386`, where no repository has it."""

import shlex

from moss.architecture import stone_architecture
from moss.db import candidates
from moss.db.repositories import repositories
from moss.debian.companion import guests_of
from moss.debian.source import PREFIX, AptSource, asked_architectures, debian_architecture
from moss.operations.facts import machine_architecture
from moss.operations.system import System
from moss.repository import Repository, Voucher


def why_not_there(system: System, name: str) -> tuple[list[str], list[str]]:
    """Sentences, and what would help; nothing where the architecture is not what is missing."""
    plain, _, architecture = name.rpartition(":")
    offering = {one.repository for one in candidates.by_name(system.offers, plain)}
    if not offering:
        return [], []
    own = debian_architecture(machine_architecture(system))
    if architecture == own:
        return [f"what is for {own}, as this machine is, is called without it"], [f"say {plain}"]
    if architecture not in guests_of(own):
        return [f"{plain} is there, and this machine runs no programs for {architecture}"], []
    debian = [one for one in repositories(system.record) if one.enabled and one.uri.startswith(PREFIX)]
    if stone_architecture(architecture) in asked_architectures([one.uri for one in debian]):
        return [], []
    commands = [
        shlex.join(["moss", "repo", "add", f"{one.name}-{architecture}", *_words(one, architecture)])
        for one in debian
        if one.name in offering
    ]
    return [f"{plain} is there, and no repository is for {architecture}"], commands[:1]


def _words(one: Repository, architecture: str) -> list[str]:
    """The same place for the other architecture, as it was added."""
    vouching = one.vouching
    words = AptSource.parse(one.uri).said_to_add(architecture)
    words += ["--unsigned"] if vouching.by is Voucher.NOBODY else []
    for option, said in (
        ("--trust", [vouching.pinned] if vouching.by is Voucher.KEYRING else []),
        ("--max-staleness", [vouching.max_staleness]),
        ("--priority", [one.priority]),
        ("--mirror", one.mirrors),
    ):
        words += [word for value in said if value for word in (option, str(value))]
    return words
