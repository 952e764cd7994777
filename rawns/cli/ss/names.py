"""Names that `ss` shows for numbers: services, hosts, interfaces, protocols.  Each is looked up once."""

from __future__ import annotations

import _socket

from .columns import clean

RAW = 255  # the protocol of raw sockets
PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"


class Names:
    """Names for numbers, unless they are unwanted: ``numeric`` is ``-n``, ``hosts`` is ``-r``."""

    def __init__(self, numeric: bool, hosts: bool) -> None:
        self.numeric, self.hosts = numeric, hosts
        self._ports: dict[tuple[int, str], str] = {}
        self._interfaces: dict[int, str] = {}
        self._hosts: dict[str, str] = {}
        self._range: tuple[int, int] | None = None

    def port(self, number: int, protocol: str) -> str:
        """Return the service of a port of tcp or udp, or the protocol of a raw socket; ``*`` for 0."""
        found = self._ports.get((number, protocol))
        if found is None:
            found = self._ports[number, protocol] = self._port(number, protocol)
        return found

    def _port(self, number: int, protocol: str) -> str:
        if not number:
            return "*"
        if self.numeric:
            return str(number)
        if protocol == "raw":
            from ..ip.protocols import name_of

            return name_of(number)
        if self.ephemeral(number):
            return str(number)
        try:
            return clean(_socket.getservbyport(number, protocol).encode("utf-8", "surrogateescape"))
        except (OSError, OverflowError):
            return str(number)

    def ephemeral(self, port: int) -> bool:
        """Return whether the kernel chooses such ports itself."""
        if self._range is None:
            try:
                with open(PORT_RANGE, encoding="ascii") as file:
                    low, high = file.read().split()
                self._range = int(low), int(high)
            except (OSError, ValueError):
                self._range = 1024, 4999
        return self._range[0] <= port <= self._range[1]

    def host(self, address: str) -> str:
        """Return the name of a host, if names are wanted and it has one."""
        if not self.hosts:
            return address
        if address not in self._hosts:
            try:
                self._hosts[address] = clean(
                    _socket.gethostbyaddr(address.removeprefix("::ffff:"))[0].encode("utf-8", "surrogateescape")
                )
            except OSError:
                self._hosts[address] = address
        return self._hosts[address]

    def interface(self, index: int) -> str:
        """Return the name of an interface."""
        if index not in self._interfaces:
            try:
                self._interfaces[index] = clean(_socket.if_indextoname(index).encode("utf-8", "surrogateescape"))
            except (OSError, OverflowError):
                self._interfaces[index] = f"if{index}"
        return self._interfaces[index]

    def ethertype(self, number: int) -> str:
        """Return the protocol of a packet socket."""
        if number == 3:  # ETH_P_ALL
            return "*"
        from ..ip.ethertypes import name_of

        return f"[{number}]" if self.numeric else name_of(number)


def port_number(text: str, tcp: bool, udp: bool) -> int:
    """Return a port by number (any notation of C) or by the name of a service.  Raises ValueError with a sentence."""
    from ..ip.arguments import signed

    try:
        return signed(text)
    except ValueError:
        pass
    found = set()
    for protocol, wanted in (("udp", udp), ("tcp", tcp)):
        try:
            if wanted:
                found.add(_socket.getservbyname(text, protocol))
        except (OSError, ValueError):
            pass  # no such service
    if len(found) > 1:
        raise ValueError(f'Error: ambiguous port "{text}".')
    if not found:
        raise ValueError(f'Error: "{text}" does not look like a port.')
    return found.pop()
