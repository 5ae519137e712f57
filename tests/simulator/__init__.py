"""A repository's server on loopback that behaves as it is told, honestly or not.

    with Server(folder) as server:
        server.plan("stone.index", status(503), cut(100))   # the next answers; then it is honest again
        server.always("pool/a.stone", drip(0.1))

It keeps account of what it was asked, of the bytes that it sent, and of how many it served at once.
"""

from tests.simulator.server import Asked, Server

__all__ = ["Asked", "Server"]
