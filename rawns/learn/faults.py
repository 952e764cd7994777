"""One network, and everything in it that can be broken: for `rawns learn break`, and for the tests of `rawns why`.

Each fault is made by one function of the library, noticed by a complaint in the words of a user, found by `rawns why`, and
removed by the command that it recommends, or by a repair that is noted here if there is none.
"""

from __future__ import annotations

from ..lab.faults import FaultTable
from ..nft.nat import Nat
from ..objects import prefix
from ..uapi import AF_INET
from .named_network import NamedNetwork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[[NamedNetwork], object]

PORT = 5432
HOSTS = ("sw", "web", "app", "r", "db", "inet")
PICTURE = """\
    web 10.1.0.2  eth0 === to-web +-----+
                                  | br0 | to-r === lan 10.1.0.1  r
    app 10.1.0.20 eth0 === to-app +-----+
                                     sw

    r   wan 10.2.0.1  === eth0 10.2.0.20 db    db listens on port 5432
        out 192.0.2.1 === eth0 192.0.2.2 inet  r translates (masquerade)"""


def build(network: NamedNetwork) -> None:
    """Build the network of `PICTURE`, whole.  The LAN also is fd01::/64, and db's network fd02::/64."""
    network.add(*HOSTS)
    network["sw"].net.add_bridge("br0", up=True)
    for port, host, link in (("to-web", "web", "eth0"), ("to-app", "app", "eth0"), ("to-r", "r", "lan")):
        network.cable("sw", port, host, link, master="br0")
    network.cable("r", "wan", "db", "eth0")
    network.cable("r", "out", "inet", "eth0")
    network.address("web", "eth0", "10.1.0.2/24", "fd01::2/64")
    network.address("app", "eth0", "10.1.0.20/24", "fd01::20/64")
    network.address("r", "lan", "10.1.0.1/24", "fd01::1/64")
    network.address("r", "wan", "10.2.0.1/24", "fd02::1/64")
    network.address("r", "out", "192.0.2.1/24")
    network.address("db", "eth0", "10.2.0.20/24", "fd02::20/64")
    network.address("inet", "eth0", "192.0.2.2/24")
    for host, gateways in (("web", "10.1.0.1 fd01::1"), ("app", "10.1.0.1 fd01::1"), ("db", "10.2.0.1 fd02::1")):
        for gateway in gateways.split():
            network.default(host, gateway)
    network["r"].settings({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
    network["r"].nft.set_nat("nat", [Nat("out", ["10.1.0.0/24"])])
    network.listen("db", PORT)
    network.settle()


class Complaint:
    """What a user says: ``origin`` cannot reach ``target``, or its TCP ``port``; ``large`` if only large packets are lost."""

    __slots__ = ("address", "large", "origin", "port", "target")

    def __init__(self, origin: str, target: str, address: str, port: int | None = None, large: bool = False) -> None:
        self.origin, self.target, self.address, self.port, self.large = origin, target, address, port, large

    def __str__(self) -> str:
        if self.large:
            return f"{self.origin} reaches {self.target}, but transfers of more than a few bytes stop"
        if self.port is not None:
            return f"{self.origin} cannot connect to port {self.port} of {self.target}"
        return f"{self.origin} cannot reach {self.target}" + (" over IPv6" if ":" in self.address else "")


PING = Complaint("web", "db", "10.2.0.20")
PING6 = Complaint("web", "db", "fd02::20")
CONNECT = Complaint("web", "db", "10.2.0.20", PORT)
LARGE = Complaint("web", "db", "10.2.0.20", large=True)
LOCAL = Complaint("web", "app", "10.1.0.20")
OUTSIDE = Complaint("web", "inet", "192.0.2.2")
COMPLAINTS = (PING, PING6, CONNECT, LOCAL, OUTSIDE)  # of a network that is whole, none


class BrokenPart:
    """One thing that is broken.

    ``level`` is 1 (one look at one host shows it) or 2.  ``make`` breaks it; ``says`` is a regular expression for what
    `rawns why` must say; ``area`` is what a first hint names; ``repair`` are the commands that remove it if `why` knows none.
    """

    __slots__ = ("area", "complaint", "level", "make", "repair", "says")

    def __init__(
        self, level: int, area: str, make: Make, says: str, complaint: Complaint = PING, repair: tuple[str, ...] = ()
    ) -> None:
        self.level, self.area, self.make, self.says, self.complaint, self.repair = level, area, make, says, complaint, repair


# -- what takes more than one step ----------------------------------------------------------------------------------------------


def _replace_address(network: NamedNetwork, host: str, link: str, old: str, new: str) -> None:
    net = network[host].net
    net.add_address(link, new)
    net.delete_address(link, old)


def _route_by(network: NamedNetwork, host: str, destination: str, gateway: str) -> None:
    network[host].net.add_route(destination, via=gateway)


def _new_default(network: NamedNetwork, host: str, old: str, new: str | None, **options: str) -> None:
    net = network[host].net
    net.delete_route("default", via=old)
    if new is not None:
        net.add_route("default", via=new, **options)  # type: ignore[arg-type]


def _wrong_source(network: NamedNetwork) -> None:
    network["web"].net.add_address("lo", "10.8.0.1/32")
    _new_default(network, "web", "10.1.0.1", "10.1.0.1", source="10.8.0.1")


def _default_on_link(network: NamedNetwork) -> None:
    net = network["web"].net
    net.delete_route("default", via="10.1.0.1")
    net.add_route("default", dev="eth0")


def _wrong_netns(network: NamedNetwork) -> None:
    network["app"].net.set_link("eth0", netns=network["inet"], new_name="lost")


def _strict_return(network: NamedNetwork) -> None:
    network["r"].net.add_route("10.1.0.2/32", via="192.0.2.2")
    network["r"].setting("net.ipv4.conf.all.rp_filter", 1)


def _wrong_link(network: NamedNetwork) -> None:
    net = network["r"].net
    net.delete_address("wan", "10.2.0.1/24")
    net.add_address("out", "10.2.0.1/24")


def _black_hole(network: NamedNetwork) -> None:
    network["r"].net.set_link("wan", mtu=800)
    from ..nft import build as nft

    table = FaultTable("learn", "silent", "", ["lan"])
    table.drop("egress", *nft.ethertype(AF_INET), *nft.in_network(nft.SOURCE, prefix.parse("10.1.0.1/32")))
    network["r"].nft.transact(*table.requests())


def _table(network: NamedNetwork, host: str, table: int, destination: str) -> None:
    net = network[host].net
    net.add_route(destination, type="blackhole", table=table)
    net.add_rule(source="10.1.0.0/24", table=table)


def _isolate(network: NamedNetwork) -> None:
    for port in ("to-web", "to-app"):
        network["sw"].net.set_port(port, isolated=True)


def _disable_port(network: NamedNetwork) -> None:
    from ..nlmsg import Request
    from ..rtnl import SETLINK
    from ..uapi import AF_BRIDGE

    net = network["sw"].net
    body = {"ifi_family": AF_BRIDGE, "ifi_index": net.index("to-app"), "IFLA_PROTINFO": {"IFLA_BRPORT_STATE": 0}}
    net.do(Request(SETLINK, body, 0, "port to-app"))


def _second_bridge(network: NamedNetwork) -> None:
    net = network["sw"].net
    net.add_bridge("br1", up=True)
    net.set_link("to-app", master="br1")


def _short_queue(host: str, link: str, size: int) -> Make:
    """Return what lets a link drop packets of more than ``size`` bytes: ``tc qdisc replace dev LINK root bfifo limit SIZE``."""

    def make(network: NamedNetwork) -> None:
        from ..objects import qdisc

        net = network[host].net
        net.do(qdisc.replace(net.index(link), "bfifo", {"limit": size}))

    return make


def restart(network: NamedNetwork) -> None:
    """Start the service of db again, as it was."""
    _close(network)
    network.listen("db", PORT)


def _close(network: NamedNetwork) -> None:
    for service in network.services:
        service.close()
    network.services.clear()


def _loopback_only(network: NamedNetwork) -> None:
    _close(network)
    network.listen("db", PORT, "127.0.0.1")


def _firewall(host: str, *rules: str) -> Make:
    return lambda network: network[host].nft.set_firewall("filter", list(rules))


def _down(host: str, link: str) -> Make:
    return lambda network: network[host].net.set_link(link, up=False)


def _setting(host: str, name: str, value: int) -> Make:
    return lambda network: network[host].setting(name, value)


def _arp_off(network: NamedNetwork, host: str, link: str) -> None:
    from ..nlmsg import Request
    from ..objects import link as links
    from ..uapi import IFF_NOARP

    net = network[host].net
    request = links.change(net.index(link))
    body = {**request.body, "ifi_flags": IFF_NOARP, "ifi_change": IFF_NOARP}
    net.do(Request(request.message, body, request.flags, request.context))


def _neighbour(network: NamedNetwork, host: str, link: str, address: str) -> None:
    net = network[host].net
    for one in net.neighbours(link):
        if one.address == address:
            net.delete_neighbour(link, address)
    net.add_neighbour(link, address, "02:00:00:00:00:01")


def _same_mac(network: NamedNetwork) -> None:
    network["app"].net.set_link("eth0", address=network["web"].net.link("eth0").address)


SERVE = ("ip netns exec db python3 -m http.server 5432 &",)
LINKS, ADDRESSES, ROUTES, NEIGHBOURS = "the links", "the addresses", "the routes", "the neighbour tables (ARP)"
BRIDGE, FILTER, SETTINGS, SERVICE = "the bridge", "the firewalls", "the settings (sysctl)", "the service"
RULES, TRANSLATION, MTUS = "the policy rules", "the address translation", "the MTUs"
QUEUES = "the queueing disciplines (tc)"

FAULTS: dict[str, BrokenPart] = {
    # links
    "link down": BrokenPart(1, LINKS, _down("web", "eth0"), "eth0 in web"),
    "far end down": BrokenPart(1, LINKS, _down("sw", "to-web"), "to-web in sw"),
    "router's link down": BrokenPart(1, LINKS, _down("r", "wan"), "wan in r"),
    "db's link down": BrokenPart(1, LINKS, _down("db", "eth0"), "eth0 in db"),
    "interface in another namespace": BrokenPart(
        2,
        LINKS,
        _wrong_netns,
        "no host that eth0 in web leads to has the address 10.1.0.20",
        LOCAL,
        (
            "ip -n inet link set lost down",
            "ip -n inet link set lost netns app name eth0",
            "ip -n app addr add 10.1.0.20/24 dev eth0",
            "ip -n app -6 addr add fd01::20/64 dev eth0 nodad",
            "ip -n app link set eth0 up",
            "ip -n app route add default via 10.1.0.1",
            "ip -n app -6 route add default via fd01::1",
        ),
    ),
    # the bridge
    "bridge down": BrokenPart(1, BRIDGE, _down("sw", "br0"), "br0 in sw is down"),
    "port not attached": BrokenPart(1, BRIDGE, lambda n: n["sw"].net.set_link("to-app", master=0), "to-app in sw", LOCAL),
    "port in another bridge": BrokenPart(2, BRIDGE, _second_bridge, "two bridges", LOCAL),
    "isolated ports": BrokenPart(2, BRIDGE, _isolate, "both isolated", LOCAL),
    "port disabled": BrokenPart(2, BRIDGE, _disable_port, "to-app in sw is disabled", LOCAL),
    "port that floods nothing": BrokenPart(
        2, BRIDGE, lambda n: n["sw"].net.set_port("to-app", flood=False, bcast_flood=False), "to-app in sw", LOCAL
    ),
    # addresses
    "prefix too short": BrokenPart(
        2, ADDRESSES, lambda n: _replace_address(n, "db", "eth0", "10.2.0.20/24", "10.2.0.20/8"), "10.2.0.20/8|10.0.0.0/8"
    ),
    "prefix too long": BrokenPart(
        2, ADDRESSES, lambda n: _replace_address(n, "r", "wan", "10.2.0.1/24", "10.2.0.1/28"), "10.2.0.1/28"
    ),
    "no address on the router": BrokenPart(
        1, ADDRESSES, lambda n: n["r"].net.delete_address("lan", "10.1.0.1/24"), "10.1.0.1, the gateway|lan in r"
    ),
    "address on the wrong link": BrokenPart(2, ADDRESSES, _wrong_link, "10.2.0|wan in r"),
    "duplicate address": BrokenPart(2, ADDRESSES, lambda n: n["app"].net.add_address("eth0", "10.1.0.1/24"), "10.1.0.1"),
    "IPv6 switched off": BrokenPart(
        2,
        SETTINGS,
        _setting("db", "net.ipv6.conf.eth0.disable_ipv6", 1),
        "fd02::20",
        PING6,
        (
            "ip netns exec db sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0",
            "ip -n db -6 addr add fd02::20/64 dev eth0 nodad",
            "ip -n db -6 route add default via fd02::1",
        ),
    ),
    # routes
    "no default route": BrokenPart(1, ROUTES, lambda n: _new_default(n, "web", "10.1.0.1", None), "web has no route"),
    "no way back": BrokenPart(1, ROUTES, lambda n: _new_default(n, "db", "10.2.0.1", None), "db has no route"),
    "gateway that does not exist": BrokenPart(1, ROUTES, lambda n: _new_default(n, "web", "10.1.0.1", "10.1.0.99"), "10.1.0.99"),
    "gateway that is no router": BrokenPart(1, ROUTES, lambda n: _new_default(n, "web", "10.1.0.1", "10.1.0.20"), "app"),
    "default route without gateway": BrokenPart(2, ROUTES, _default_on_link, "10.2.0.20"),
    "wrong source address": BrokenPart(2, ROUTES, _wrong_source, "10.8.0.1"),
    "better route to no host": BrokenPart(1, ROUTES, lambda n: _route_by(n, "web", "10.2.0.20/32", "10.1.0.50"), "10.1.0.50"),
    "better route to the wrong host": BrokenPart(2, ROUTES, lambda n: _route_by(n, "r", "10.2.0.20/32", "10.1.0.20"), "app"),
    "better route to the outside": BrokenPart(
        2, ROUTES, lambda n: _route_by(n, "r", "10.2.0.20/32", "192.0.2.2"), "inet is on the way to 10.2.0.20"
    ),
    "blackhole": BrokenPart(1, ROUTES, lambda n: n["r"].net.add_route("10.2.0.20/32", type="blackhole"), "blackhole"),
    "prohibit": BrokenPart(1, ROUTES, lambda n: n["web"].net.add_route("10.2.0.0/24", type="prohibit"), "prohibit"),
    "unreachable, for the answer": BrokenPart(
        2, ROUTES, lambda n: n["r"].net.add_route("10.1.0.2/32", type="unreachable"), "unreachable"
    ),
    "throw": BrokenPart(2, ROUTES, lambda n: n["web"].net.add_route("10.2.0.0/24", type="throw"), "throw"),
    "rp_filter": BrokenPart(2, SETTINGS, _strict_return, "rp_filter|10.1.0.2/32"),
    # policy rules
    "rule that prohibits": BrokenPart(
        1, RULES, lambda n: n["web"].net.add_rule(destination="10.2.0.0/24", action="prohibit"), "prohibit"
    ),
    "table for one source": BrokenPart(2, RULES, lambda n: _table(n, "r", 66, "10.2.0.0/24"), "blackhole 10.2.0.0/24"),
    "no rule for the main table": BrokenPart(
        2, RULES, lambda n: n["web"].net.delete_rule(priority=32766), "no policy rule leads"
    ),
    # neighbours
    "ARP off": BrokenPart(1, NEIGHBOURS, lambda n: _arp_off(n, "db", "eth0"), "ARP"),
    "ARP requests ignored": BrokenPart(2, SETTINGS, _setting("db", "net.ipv4.conf.eth0.arp_ignore", 8), "arp_ignore is 8"),
    "wrong neighbour": BrokenPart(
        1, NEIGHBOURS, lambda n: _neighbour(n, "web", "eth0", "10.1.0.1"), "^web has a permanent neighbour entry"
    ),
    "wrong neighbour, for the answer": BrokenPart(
        2, NEIGHBOURS, lambda n: _neighbour(n, "db", "eth0", "10.2.0.1"), "^db has a permanent neighbour entry"
    ),
    "duplicate MAC": BrokenPart(2, NEIGHBOURS, _same_mac, "the same link-layer address", LOCAL),
    # settings
    "forwarding off": BrokenPart(1, SETTINGS, _setting("r", "net.ipv4.ip_forward", 0), "r is on the way to 10.2.0.20"),
    "forwarding off, IPv6": BrokenPart(
        1, SETTINGS, _setting("r", "net.ipv6.conf.all.forwarding", 0), "r is on the way to fd02::20", PING6
    ),
    "time to live": BrokenPart(2, SETTINGS, _setting("web", "net.ipv4.ip_default_ttl", 1), "time to live"),
    "echo ignored": BrokenPart(1, SETTINGS, _setting("db", "net.ipv4.icmp_echo_ignore_all", 1), "answers no echo requests"),
    # filters
    "firewall, input": BrokenPart(1, FILTER, _firewall("db", f"deny in tcp port {PORT}"), "filter.* in db drops", CONNECT),
    "firewall, forward": BrokenPart(1, FILTER, _firewall("r", "deny forward to 10.2.0.0/24"), "filter.* in r drops"),
    "firewall, output": BrokenPart(1, FILTER, _firewall("web", "deny out to 10.2.0.0/24"), "filter.* in web drops"),
    "firewall, by source": BrokenPart(2, FILTER, _firewall("r", "deny forward tcp from 10.1.0.0/24"), "filter.* in r", CONNECT),
    # translation
    "no translation": BrokenPart(
        1, TRANSLATION, lambda n: n["r"].nft.delete_table("nat"), "inet has no route to 10.1.0.2", OUTSIDE
    ),
    "translation of others": BrokenPart(
        2, TRANSLATION, lambda n: n["r"].nft.set_nat("nat", [Nat("out", ["10.9.0.0/24"])]), "inet has no route", OUTSIDE
    ),
    "translation on the wrong link": BrokenPart(
        2, TRANSLATION, lambda n: n["r"].nft.set_nat("nat", [Nat("wan", ["10.1.0.0/24"])]), "inet has no route", OUTSIDE
    ),
    # MTU
    "MTU of a port too small": BrokenPart(
        2, MTUS, lambda n: n["sw"].net.set_link("to-web", mtu=800), "MTU of to-web in sw", LARGE
    ),
    "MTU black hole": BrokenPart(2, MTUS, _black_hole, "MTU of wan in r is 800", LARGE),
    # traffic control: nothing is wrong but that packets do not leave a link, which `why` says, with the discipline there
    "queue for small packets only": BrokenPart(
        2, QUEUES, _short_queue("r", "wan", 600), "qdisc bfifo on wan in r", LARGE, ("tc -n r qdisc del dev wan root",)
    ),
    "queue for no packet": BrokenPart(
        2, QUEUES, _short_queue("sw", "to-app", 20), "qdisc bfifo on to-app in sw", LOCAL, ("tc -n sw qdisc del dev to-app root",)
    ),
    # the service
    "service not running": BrokenPart(1, SERVICE, _close, f"nothing listens on TCP port {PORT} in db", CONNECT, SERVE),
    "service on loopback only": BrokenPart(1, SERVICE, _loopback_only, "is bound to 127.0.0.1", CONNECT, SERVE),
}
