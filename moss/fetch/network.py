"""The transport that a system uses: it chooses by scheme, and keeps away from the network when told to."""


from contextlib import AbstractContextManager
from functools import cached_property

from moss.errors import NetworkFailure
from moss.fetch.manners import Manners, manners_of_environment
from moss.fetch.transport import Response, Transport, Validators


class Network:
    """All schemes. `offline`: files of this machine only; what is asked of a server is a NetworkFailure.

    A system's `transport`. `manners` are the environment's where none are given.
    """

    def __init__(self, *, offline: bool = False, manners: Manners | None = None) -> None:
        self.is_offline = offline
        self._given = manners
        self._opened: list[Transport] = []

    @cached_property
    def manners(self) -> Manners:
        return self._given or manners_of_environment()

    def open(
        self, uri: str, *, offset: int = 0, known: Validators | None = None
    ) -> AbstractContextManager[Response]:
        return self._for(uri).open(uri, offset=offset, known=known)

    def interrupt(self) -> None:
        for transport in self._opened:
            transport.interrupt()

    def _for(self, uri: str) -> Transport:
        from moss.fetch.uris import NETWORK, scheme_of, shown

        if scheme_of(uri) not in NETWORK:
            return self._local
        if self.is_offline:
            raise NetworkFailure(
                f"{shown(uri)} is on a server, and --offline was said", remedies=["say it without --offline"]
            )
        return self._http

    @cached_property
    def _local(self) -> Transport:
        from moss.fetch.local import LocalFiles

        return LocalFiles(self.manners)

    @cached_property
    def _http(self) -> Transport:
        from moss.fetch.http import Http  # urllib3: 60 ms

        made = Http(self.manners)
        self._opened.append(made)
        return made
