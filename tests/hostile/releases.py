"""Malicious InReleases: by who stands between a mirror and its users, or rightly signed by a maker who means harm."""

import atexit
import base64
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import cache
from pathlib import Path

from tests.debian import signing
from tests.debian.indexes import Packaged, mirror
from tests.debian.signing import Signer
from tests.hostile.world import Attack, Prepare, World

BEGIN, SIGNATURE, END = (
    f"-----{words}-----\n".encode()
    for words in ("BEGIN PGP SIGNED MESSAGE", "BEGIN PGP SIGNATURE", "END PGP SIGNATURE")
)
ZEROS = "0" * 64
NOW = int(time.time())
MEBIBYTE = 1 << 20


@cache
def maker() -> Signer:
    """Whom the attacked trust. One for all attacks: keys take their time."""
    home = Path("/tmp") / f"mh{os.getpid()}"  # short: the agent's socket lies in it
    made = Signer(home, "maker")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    atexit.register(made.end)
    return made


def honest(world: World, *, date: int = NOW, valid: int | None = None, more: str = "") -> str:
    mirror(world.files, [Packaged("tool")])
    return signing.release(world.files, date=date, valid=valid, more=more)


def asked(world: World, content: bytes, *words: str) -> tuple[str, ...]:
    """To be read as a mirror's."""
    world.write("dists/stable/InRelease", content)
    trust = ("--arch", "amd64", "--trust", str(maker().keyring))
    return ("repo", "add", "evil", f"apt+file:{world.files}", "--suite", "stable", *trust, *words)


def between(change: Callable[[bytes], bytes]) -> Prepare:
    """Signed rightly, and changed on its way."""
    return lambda world: asked(world, change(maker().signed(honest(world))), "--component", "main")


def signed(change: Callable[[str], str], *words: str) -> Prepare:
    """With another text, which its maker has signed."""
    return lambda world: asked(world, maker().signed(change(honest(world))), *words)


def saying(field: str) -> Prepare:
    return signed(lambda text: f"{field}\n{text}", "--component", "main")


def listing(line: str) -> Prepare:
    return signed(lambda text: f"{text} {line}\n", "--component", "main")


def at(date: int, valid: int | None = None) -> Prepare:
    return lambda world: asked(world, maker().signed(honest(world, date=date, valid=valid)), "--component", "main")


def with_packets(packets: Callable[[bytes], bytes]) -> Prepare:
    """With other packets in the armor of its signature."""

    def change(content: bytes) -> bytes:
        head, _, rest = content.partition(SIGNATURE)
        armor = rest.partition(b"\n=")[0].strip()
        return head + SIGNATURE + b"\n" + base64.encodebytes(packets(base64.b64decode(armor))) + END

    return between(change)


def swelling() -> bytes:
    """A compressed packet, of which more comes than may be held."""
    stream = zlib.compressobj(1, wbits=-15)
    content = b"\x01" + b"".join(stream.compress(bytes(MEBIBYTE)) for _ in range(8)) + stream.flush()
    return b"\xc8\xff" + len(content).to_bytes(4, "big") + content


RELEASES: list[tuple[str, Prepare, tuple[int, ...]]] = [
    ("fields before what is signed", between(lambda content: b"Suite: evil\n" + content), (6,)),
    ("fields behind what is signed", between(lambda content: content + b"Suite: evil\n"), (6,)),
    ("another signed text behind it", between(lambda content: content + content), (6,)),
    ("a signed text within a signed text", between(
        lambda content: content.replace(b"\nSuite", b"\n" + BEGIN + b"\nSuite")
    ), (6,)),
    ("fields among the headers", between(lambda content: content.replace(b"Hash:", b"Suite: evil\nHash:", 1)), (6,)),
    ("text that is said not to be escaped", between(
        lambda content: content.replace(b"Hash:", b"NotDashEscaped: x\nHash:", 1)
    ), (6,)),
    ("a line of blanks among the headers", between(lambda content: content.replace(b"Hash:", b" \t\nHash:", 1)), (6,)),
    ("fields that are cut off from what is signed", between(
        lambda content: content.replace(b"\n" + SIGNATURE, b"\n" + END + b"x: y\n" + SIGNATURE)
    ), (6,)),
    ("no signature", between(lambda content: content.partition(SIGNATURE)[0]), (6,)),
    ("a signature that does not end", between(lambda content: content.replace(END, b"")), (6,)),
    ("a signature of no bytes", with_packets(lambda _: b""), (6,)),
    ("twenty thousand signatures", with_packets(lambda packets: packets * 20_000), (6,)),
    ("four hundred signatures", with_packets(lambda packets: packets * 400), (0,)),
    ("a signature that swells", with_packets(lambda _: swelling()), (6,)),
    ("a signature of four gigabytes", with_packets(lambda _: b"\xc2\xff\xff\xff\xff\xff\x04"), (6,)),
    ("a signature nested without end", with_packets(lambda _: b"\xc8\x03\x00\xc8\x01" * 50_000), (6,)),
    ("a NUL byte", between(lambda content: content.replace(b"Suite: ", b"Suite: \0", 1)), (6,)),
    ("sixty megabytes", between(lambda content: content + b"\n" * (60 * MEBIBYTE)), (7,)),
    ("a line of fifteen megabytes", between(
        lambda content: content.replace(b"Suite:", b"x" * (15 * MEBIBYTE), 1)
    ), (6,)),
    ("eight million lines", between(lambda content: content.replace(b"Suite:", b"x\n" * (7 * MEBIBYTE), 1)), (6,)),
    ("dashes without end", between(lambda content: content.replace(b"Suite:", b"- " * (7 * MEBIBYTE), 1)), (6,)),
    ("a file that leads out", listing(f"{ZEROS} 1 ../../../outside/main/binary-amd64/Packages"), (7,)),
    ("a component that leads out", listing(f"{ZEROS} 1 ../../x/binary-amd64/Packages"), (7,)),
    ("an absolute file", listing(f"{ZEROS} 1 /etc/passwd"), (7,)),
    ("a file with an escape", listing(f"{ZEROS} 1 x\x1b[2J/binary-amd64/Packages"), (7,)),
    ("a file with a right-to-left mark", listing(f"{ZEROS} 1 x\u202ey"), (7,)),
    ("a digest that is too short", listing("00ff 1 x"), (7,)),
    ("a digest that leads out", listing("../" * 21 + "0 1 x"), (7,)),
    ("a size without end", listing(f"{ZEROS} {'9' * 5000} x"), (7,)),
    ("a negative size", listing(f"{ZEROS} -1 x"), (7,)),
    ("a file of two digests", listing(f"{ZEROS} 1 main/binary-amd64/Packages.gz"), (7,)),
    ("an index of petabytes", signed(lambda text: text.replace(" main/", "0000000000 main/")), (7,)),
    ("a list of two hundred thousand", signed(
        lambda text: text + "".join(f" {n:064x} 1 x/{n}\n" for n in range(200_000)), "--component", "main"
    ), (0,)),
    ("fifty thousand components", signed(
        lambda text: text + "".join(f" {n:064x} 1 c{n}/binary-amd64/Packages\n" for n in range(50_000))
    ), (3, 7)),
    ("components with marks", signed(lambda text: text.replace(" main/", " %1b[2J/")), (3, 7)),
    ("a suite with an escape", signed(lambda text: text.replace("stable", "\x1b[2J"), "--component", "main"), (7,)),
    ("another suite", signed(lambda text: text.replace("stable", "x" * 5000), "--component", "main"), (6,)),
    ("a field with an escape", saying("Origin: \x1b]0;owned\x07"), (7,)),
    ("a field twice", saying("SHA256: x"), (7,)),
    ("no field", saying("\tx"), (7,)),
    ("a paragraph before it", saying("Suite: stable\n"), (7,)),
    ("a signed NUL byte", saying("Origin: \0"), (6, 7)),
    ("no UTF-8", lambda world: asked(world, maker().signed_bytes(b"Origin: \xff\n" + honest(world).encode())), (7,)),
    ("expired", at(NOW, NOW - 86400), (6,)),
    ("of next year", at(NOW + 365 * 86400), (6,)),
    ("a date in ten thousand years", saying(f"Valid-Until: {formatdate(0)[:12]}99999 00:00:00 GMT"), (7,)),
    ("a date that is none", saying("Valid-Until: \u2028never"), (7,)),
]  # fmt: skip


def attacks() -> Iterator[Attack]:
    for name, prepare, codes in RELEASES:
        yield Attack("InRelease", name, prepare, codes)
