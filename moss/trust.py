"""Keys and signatures: the only module that knows `cryptography`, imported where a key is used.

A key is an Ed25519 key (RFC 8032). Its public half is written as one word, which is also how a person
recognises it:

    moss-key-1:3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a62ea6d3a7d5c1e8a0

The secret half is 32 bytes, kept by `moss.operations.keys` in a file of its own.
"""

import re

from moss.errors import UsageError
from solver.values import ordered_value, value

SIGNATURE_SIZE = 64
PUBLIC_SIZE = 32
_PREFIX = "moss-key-1:"
_TEXT = re.compile(re.escape(_PREFIX) + r"([0-9a-f]{64})\Z")


@ordered_value
class PublicKey:
    """The half of a key that everybody may know. Its text is its name."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read a key as `moss key show` prints it; UsageError on other text."""
        found = _TEXT.match(text.strip())
        if found is None:
            raise UsageError(
                f"{text.strip()[:100]!r} is not a public key",
                because=[f"a public key is {_PREFIX} and 64 hexadecimal digits"],
                remedies=["moss key show NAME, on the machine that has the key, prints it"],
            )
        return cls(bytes.fromhex(found[1]))

    def __str__(self) -> str:
        return _PREFIX + self.raw.hex()


@value
class SecretKey:
    """The half that signs. It has no text, so that none can be shown by mistake."""

    raw: bytes

    def __repr__(self) -> str:
        return "SecretKey(…)"

    @property
    def public(self) -> PublicKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return PublicKey(Ed25519PrivateKey.from_private_bytes(self.raw).public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.raw).sign(message)


def new_key() -> SecretKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return SecretKey(Ed25519PrivateKey.generate().private_bytes_raw())


def is_signed_by(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether the owner of this key signed exactly this message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
