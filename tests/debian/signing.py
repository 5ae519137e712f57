"""Somebody who signs with OpenPGP, and what there is to sign of a mirror."""

import hashlib
import shutil
import subprocess
from email.utils import formatdate
from functools import cache
from pathlib import Path

SUITE = "dists/stable"


class Signer:
    """Somebody with a key."""

    def __init__(self, home: Path, name: str) -> None:
        self.home, self.keyring = home, home / f"{name}.gpg"
        self._program = shutil.which("gpg") or "gpg"
        home.mkdir(mode=0o700, parents=True)
        words = ("--quick-generate-key", f"{name} <{name}@example.org>", "ed25519", "sign", "never")
        self._gpg("--passphrase", "", *words)
        self.keyring.write_bytes(self._gpg("--export"))

    def _gpg(self, *words: str, given: bytes = b"") -> bytes:
        options = ("--homedir", str(self.home), "--batch", "--quiet", "--pinentry-mode", "loopback")
        return subprocess.run([self._program, *options, *words], input=given, capture_output=True, check=True).stdout

    def signed(self, text: str, *options: str) -> bytes:
        """As an InRelease."""
        return self.signed_bytes(text.encode(), *options)

    @cache  # noqa: B019 (there are two of them, for as long as tests run)
    def signed_bytes(self, text: bytes, *options: str) -> bytes:
        return self._gpg(*options, "--clearsign", given=text)

    def signature(self, text: str) -> bytes:
        """As a Release.gpg."""
        return self._gpg("--armor", "--detach-sign", given=text.encode())

    @property
    def armored(self) -> bytes:
        """The key, as mirrors give it to people."""
        return self._gpg("--armor", "--export")

    def end(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False)


def release(mirror: Path, *, date: int, valid: int | None = None, suite: str = "stable", more: str = "") -> str:
    """What there is to be signed of a mirror; `more` are fields, or lines of its list."""
    top = mirror / "dists" / suite
    top = top if top.is_dir() else mirror / SUITE
    listed = "".join(
        f" {hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size} {path.relative_to(top)}\n"
        for path in sorted(top.rglob("Packages*"))
    )
    until = "" if valid is None else f"Valid-Until: {formatdate(valid, usegmt=True)}\n"
    return f"Suite: {suite}\nCodename: {suite}\nDate: {formatdate(date, usegmt=True)}\n{until}SHA256:\n{listed}{more}"
