"""OpenPGP signatures, verified by gpgv or sqv: programs that others keep, and that every Debian has or can have.

The text is taken apart here, and the program is asked about exactly that text, so that what was verified and what
is read cannot be two things.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from moss.debian.clear_signed import dearmored, take_apart
from moss.effects import as_moss_error
from moss.errors import MossError, NotFound, TrustFailure

_SECONDS = 60
_MOST_KEYS = 64 << 20
"""Bytes of a keyring."""
_STATUS = re.compile(rb"\[GNUPG:\] ([A-Z_]+)(?: ([0-9A-F]{8,}))?.*")
_WHY = {
    b"BADSIG": "was changed since it was signed, says the signature of key",
    b"NO_PUBKEY": "is signed by a key that the keyring does not have:",
    b"EXPKEYSIG": "is signed by a key that has expired:",
    b"REVKEYSIG": "is signed by a key that was revoked:",
    b"EXPSIG": "has a signature that has expired, of key",
}


def signed_text(content: bytes, keyrings: Sequence[str], name: str) -> bytes:
    """The text of a clear-signed file that a key of these keyrings has signed. TrustFailure where none has, where any
    signature is bad, or where there is more in the file than one signed text."""
    signed = take_apart(content, name)
    verify_signatures(signed.text, signed.signatures, keyrings, name)
    return signed.text


def verify_signatures(text: bytes, signatures: bytes, keyrings: Sequence[str], name: str) -> None:
    """TrustFailure unless a key of these keyrings has signed this text; signatures of further keys, which are not
    there, may stand beside it."""
    if not keyrings:
        raise NotFound(
            "there is no keyring to verify with",
            remedies=["apt install debian-archive-keyring", "name one: --trust FILE"],
        )
    program = shutil.which("gpgv") or shutil.which("sqv")
    if program is None:
        raise MossError(
            "neither gpgv nor sqv is here, and signatures cannot be verified without one",
            remedies=["apt install gpgv", "accept that nobody vouches for it: --unsigned"],
        )
    with tempfile.TemporaryDirectory(prefix="moss-signature-") as folder:
        rings = [_written(folder, f"keyring{n}.gpg", _keys(path)) for n, path in enumerate(keyrings)]
        asked = [word for ring in rings for word in ("--keyring", ring)]
        asked += [_written(folder, "signatures", signatures), _written(folder, "text", text)]
        is_gpgv = os.path.basename(program) == "gpgv"
        options = ["--quiet", "--status-fd", "1", "--weak-digest", "SHA1", "--homedir", folder] if is_gpgv else []
        try:
            done = subprocess.run([program, *options, *asked], capture_output=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired as fault:
            raise _refused(name, keyrings, [f"{program} did not come to an end in {_SECONDS} s"]) from fault
    reasons = _reasons(done.stdout) if is_gpgv else _stopped(done.returncode)
    if reasons is not None:
        said = done.stderr.decode(errors="replace").splitlines()
        raise _refused(name, keyrings, reasons or [line.removeprefix("gpgv: ") for line in said if line.strip()])


def _reasons(status: bytes) -> list[str] | None:
    """What speaks against it; None where a key of the keyring has signed it, and no signature is bad."""
    found = [(one[1], (one[2] or b"").decode()) for line in status.splitlines() if (one := _STATUS.fullmatch(line))]
    words = {word for word, _ in found}
    if {b"GOODSIG", b"VALIDSIG"} <= words and b"BADSIG" not in words:
        return None
    return [f"it {_WHY[word]} {key}" for word, key in found if word in _WHY]


def _stopped(code: int) -> list[str] | None:
    return None if code == 0 else []


def _keys(path: str) -> bytes:
    if not os.path.isfile(path):
        raise NotFound(
            f"the keyring {path} is not there",
            remedies=["apt install debian-archive-keyring", "name one: --trust FILE"],
        )
    with as_moss_error(f"read the keyring {path}"), open(path, "rb") as file:
        return dearmored(file.read(_MOST_KEYS), path)


def _written(folder: str, name: str, content: bytes) -> str:
    path = os.path.join(folder, name)
    with as_moss_error(f"write {path}"), open(path, "wb") as file:
        file.write(content)
    return path


def _refused(name: str, keyrings: Sequence[str], because: Sequence[str]) -> TrustFailure:
    return TrustFailure(
        f"{name} is signed by nobody whom {' or '.join(keyrings)} knows, or was changed since",
        because=list(because)[:6],
        remedies=["use the mirror's own keyring: --trust FILE", "look whether the keyring is up to date"],
    )
