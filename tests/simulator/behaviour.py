"""What servers do that they should not, and what honest ones do on bad days."""

import threading

from tests.simulator.server import Behaviour, Exchange


def status(code: int, **headers: str) -> Behaviour:
    """No content, and a reason."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda exchange: exchange.answer(code, b"no", named)


def redirect(target: str, code: int = 302) -> Behaviour:
    return lambda exchange: exchange.answer(code, b"", {"Location": target})


def cut(after: int) -> Behaviour:
    """The answer that is due, of which only so many bytes come before the line is cut."""

    def behave(exchange: Exchange) -> None:
        whole = exchange.body

        def some(content: bytes) -> None:
            whole(content[:after])
            exchange.hang_up()

        exchange.body = some  # type: ignore[method-assign]
        exchange.honest()

    return behave


def stall(after: int) -> Behaviour:
    """So many bytes, and then nothing, on a line that stays open."""

    def behave(exchange: Exchange) -> None:
        whole = exchange.body

        def some(content: bytes) -> None:
            whole(content[:after])
            exchange.server_of.ended.wait(20)
            exchange.close_connection = True

        exchange.body = some  # type: ignore[method-assign]
        exchange.honest()

    return behave


def drip(pause: float, piece: int = 1) -> Behaviour:
    """The right content, a few bytes at a time."""

    def behave(exchange: Exchange) -> None:
        whole = exchange.body

        def slowly(content: bytes) -> None:
            for at in range(0, len(content), piece):
                whole(content[at : at + piece])
                if exchange.server_of.ended.wait(pause):
                    return

        exchange.body = slowly  # type: ignore[method-assign]
        exchange.honest()

    return behave


def drip_head(pause: float) -> Behaviour:
    """A first line, and then headers without end, a byte at a time."""

    def behave(exchange: Exchange) -> None:
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not exchange.server_of.ended.wait(pause):
            exchange.wfile.write(b"x")

    return behave


def wrong_bytes(exchange: Exchange) -> None:
    """Something else of the same length."""
    content = exchange.content or b""
    exchange.give(bytes(byte ^ 1 for byte in content))


def other(content: bytes) -> Behaviour:
    """Something else."""
    return lambda exchange: exchange.give(content)


def says_length(change: int) -> Behaviour:
    """The right content under a wrong Content-Length; then the line ends."""

    def behave(exchange: Exchange) -> None:
        content = exchange.content or b""
        exchange.head(200, {"Content-Length": str(len(content) + change)})
        exchange.body(content)
        exchange.hang_up()

    return behave


def ignoring_ranges(exchange: Exchange) -> None:
    """All of it, whatever was asked for."""
    exchange.answer(200, exchange.content or b"")


def wrong_range(exchange: Exchange) -> None:
    """Another part than was asked for."""
    content = exchange.content or b""
    exchange.answer(206, content[1:], {"Content-Range": f"bytes 1-{len(content) - 1}/{len(content)}"})


def endless(exchange: Exchange) -> None:
    """Right at first, without a length, and then on and on."""
    exchange.head(200, {"Connection": "close"})
    exchange.body(exchange.content or b"")
    while not exchange.server_of.ended.is_set():
        exchange.body(b"more" * 4096)


def unmeasured(exchange: Exchange) -> None:
    """The right content without a length, in chunks."""
    exchange.head(200, {"Transfer-Encoding": "chunked"})
    content = exchange.content or b""
    for at in range(0, len(content), 1000):
        piece = content[at : at + 1000]
        exchange.sends(len(piece))
        exchange.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    exchange.wfile.write(b"0\r\n\r\n")


def together(count: int, seconds: float = 5.0) -> Behaviour:
    """Honest, once so many are being answered at one time (or time is up)."""
    barrier = threading.Barrier(count)

    def behave(exchange: Exchange) -> None:
        try:
            barrier.wait(seconds)
        except threading.BrokenBarrierError:
            pass
        exchange.honest()

    return behave
