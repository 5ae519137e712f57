"""OpenPGP signatures, verified by gpgv or sqv: programs that others keep, and that every Debian has or can have.

Only what was signed is given back: what stands around a clear-signed text is nobody's word.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from moss.errors import MossError, NotFound, TrustFailure

_SECONDS = 60
_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"


def signed_text(content: bytes, keyrings: Sequence[str], name: str) -> bytes:
    """The text of a clear-signed file that a key of these keyrings has signed. TrustFailure where none has."""
    missing = [path for path in keyrings if not os.path.isfile(path)]
    if missing or not keyrings:
        raise NotFound(
            f"the keyring {missing[0]} is not there" if missing else "there is no keyring to verify with",
            remedies=["apt install debian-archive-keyring", "name one: --trust FILE"],
        )
    if not content.startswith(_BEGIN):
        raise TrustFailure(
            f"{name} is not signed",
            remedies=["ask the mirror's maker", "accept that nobody vouches for it: --unsigned"],
        )
    program = shutil.which("gpgv") or shutil.which("sqv")
    if program is None:
        raise MossError(
            "neither gpgv nor sqv is here, and signatures cannot be verified without one",
            remedies=["apt install gpgv", "accept that nobody vouches for it: --unsigned"],
        )
    with tempfile.TemporaryDirectory(prefix="moss-signature-") as folder:
        signed, plain = os.path.join(folder, "signed"), os.path.join(folder, "plain")
        with open(signed, "wb") as file:
            file.write(content)
        rings = [word for path in keyrings for word in ("--keyring", os.path.abspath(path))]
        if os.path.basename(program) == "gpgv":
            command = [program, "--quiet", "--homedir", folder, *rings, "--output", plain, signed]
        else:
            command = [program, *rings, "--cleartext", "--output", plain, signed]
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
        if done.returncode != 0 or not os.path.isfile(plain):
            said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
            raise TrustFailure(
                f"{name} is signed by nobody whom {' or '.join(keyrings)} knows, or was changed since",
                because=[line.removeprefix("gpgv: ") for line in said[-4:]],
                remedies=["use the mirror's own keyring: --trust FILE", "look whether the keyring is up to date"],
            )
        with open(plain, "rb") as file:
            return file.read()
