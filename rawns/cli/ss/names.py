"""Names that `ss` shows for numbers: services, hosts, interfaces, protocols.  Each is looked up once."""

from __future__ import annotations

import _socket

from .columns import clean

RAW = 255  # the protocol of raw sockets
PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
ETHERTYPES = {  # the names of iproute2 (<linux/if_ether.h>)
    int(number, 16): name
    for number, _, name in (
        word.partition("=")
        for word in (
            "1=802_3 2=ax25 4=802_2 5=snap 6=ddcmp 7=wan_ppp 8=ppp_mp 9=localtalk c=can 10=ppptalk 11=tr_802_2 15=mobitex "
            "16=control 17=irda 18=econet 60=loop 200=pup 201=pupat 800=ip 805=x25 806=arp 8ff=bpq a00=ieeepup a01=ieeepupat "
            "6000=dec 6001=dna_dl 6002=dna_rc 6003=dna_rt 6004=lat 6005=diag 6006=cust 6007=sca 6558=teb 8035=rarp 809b=atalk "
            "80f3=aarp 8100=802.1Q 8137=ipx 86dd=ipv6 8847=mpls_uc 8848=mpls_mc 884c=atmmpoa 8863=ppp_disc 8864=ppp_ses "
            "8884=atmfate 8892=profinet 88a2=aoe 88a4=ethercat 88a8=802.1ad 88ca=tipc 88cc=LLDP"
        ).split()
    )
}


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
        known = "" if self.numeric else ETHERTYPES.get(number, "")
        return known or f"[{number}]"


def port_number(text: str, tcp: bool, udp: bool) -> int:
    """Return a port by number (any notation of C) or by the name of a service.  Raises ValueError with a sentence."""
    try:
        return int(text, 8 if text.lstrip("+-")[:1] == "0" and text.lstrip("+-").isdigit() else 0)
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
