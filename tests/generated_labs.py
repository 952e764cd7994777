"""Labs by chance: descriptions that use every key, each valid by construction; the same for the same seed."""

from __future__ import annotations

from random import Random
from typing import Any

from rawns.privileges import in_initial_user_namespace

Data = dict[str, Any]

OTHER_USER = 1234 if in_initial_user_namespace() else 0  # the only one that a user namespace of `rawns rootless` has


class Generator:
    """Builds one description.  ``features`` are what the kernel has; the pure tests use all of them."""

    ALL = frozenset(["vlan_filtering", "netem", "tun", "nft", "vxlan", "macvlan"])

    def __init__(self, seed: int, features: frozenset[str] = ALL) -> None:
        self.random, self.features = Random(seed), features
        self.data: Data = {"name": f"g{seed}", "hosts": {}, "bridges": {}, "wires": []}
        self._network = 0
        self._mac = 0

    def chance(self, share: float = 0.3) -> bool:
        return self.random.random() < share

    def network(self) -> int:
        """The number of a /24 and a /64 that no other has."""
        self._network += 1
        return self._network

    def build(self) -> Data:
        hosts = [f"h{number}" for number in range(self.random.randrange(2, 6))]
        for name in hosts:
            self.data["hosts"][name] = {}
        if self.chance():
            self.data["hosts"]["many"] = {"count": self.random.randrange(2, 5)}
        for number in range(self.random.randrange(3)):
            self._bridge(f"br{number}", hosts)
        for _ in range(self.random.randrange(1, 5)):
            self._wire(hosts)
        self._others(hosts)
        for name in hosts:
            self._host(name)
        return {key: value for key, value in self.data.items() if value not in ({}, [])}

    # -- parts --------------------------------------------------------------------------------------------------------

    def _mac_address(self) -> str:
        self._mac += 256
        return ":".join(f"{byte:02x}" for byte in (0x02 << 40 | self._mac).to_bytes(6, "big"))

    def _link_options(self, shaped: bool = True) -> Data:
        found: Data = {}
        if self.chance(0.2):
            found["mac"] = self._mac_address()
        if self.chance(0.2):
            found["mtu"] = self.random.choice([1300, 1400, 1500, 9000])
        if self.chance(0.1):
            found["txqueuelen"] = self.random.choice([0, 7, 1000])
        if self.chance(0.1):
            found["ipv6"] = False
        if self.chance(0.1):
            found["up"] = False
        if shaped and self.chance(0.2) and found.get("txqueuelen") != 0:
            found.update(self._shape())
        return found

    def _shape(self) -> Data:
        found: Data = {"rate": self.random.choice(["10mbit", "1gbit", 8_000_000, "1536kbit", "77mbit"])}
        if self.chance():
            found["burst"] = self.random.choice(["32kb", 40000])
        if self.chance():
            found["latency"] = self.random.choice(["100ms", 0.25])
        if "netem" in self.features and self.chance():
            found.update({"delay": "20ms", "jitter": "2ms", "loss": "1%"})
            found.update({"duplicate": "2%", "reorder": "3%", "corrupt": "0.5%", "limit": 77})
        return found

    def _bridge(self, name: str, hosts: list[str]) -> None:
        said: Data = self._link_options(shaped=False)
        if self.chance():
            said["host"] = self.random.choice(hosts)
        if self.chance():
            said["stp"] = True
        if "vlan_filtering" in self.features and self.chance(0.5):
            said["vlan_filtering"] = True
        if self.chance():
            said["ageing"] = self.random.choice([0, 10, 12.5, 600])
        net = self.network()
        if self.chance():
            said["addresses"] = [f"10.1.{net}.254/24", f"fd00:1:{net:x}::ff/64"][: self.random.randrange(1, 3)]
            said.pop("mtu", None)
        said["_net"] = net
        self.data["bridges"][name] = said

    def _wire(self, hosts: list[str]) -> None:
        bridges = list(self.data["bridges"])
        if bridges and self.chance(0.6):
            bridge = self.random.choice(bridges)
            net = self.data["bridges"][bridge]["_net"]
            many = "many" in self.data["hosts"] and self.chance()
            last = 10 + len(self.data["wires"]) * 8
            end: Data = {"host": "many" if many else self.random.choice(hosts), "addresses": [f"10.1.{net}.{last}/24"]}
            port: Any = bridge
            if self.data["bridges"][bridge].get("vlan_filtering") and self.chance(0.5):
                port = {"bridge": bridge, "vlans": self.random.choice([[1], [1, 20], [1, 7, 9]])}
            if not many:
                end.update({key: value for key, value in self._link_options().items() if key != "mtu"})
            self.data["wires"].append({"ends": [end, port], **({"mtu": 1400} if self.chance(0.1) else {})})
            return
        one, other = self.random.choice(hosts), self.random.choice(hosts)
        net, ends = self.network(), []
        for last, name in ((1, one), (2, other)):
            address = [f"10.2.{net}.{last}/24"] + ([f"fd00:2:{net:x}::{last}/64"] if self.chance() else [])
            options = {key: value for key, value in self._link_options().items() if key not in ("mtu", "up")}
            ends.append({"host": name, "addresses": address, **options} if options else f"{name} {' '.join(address)}")
        more = {"mtu": 9000} if self.chance(0.2) else {}
        self.data["wires"].append(
            {"ends": ends, **more, **(self._shape() if self.chance(0.2) and "txqueuelen" not in str(ends) else {})}
        )

    def _others(self, hosts: list[str]) -> None:
        place: Data = {"host": hosts[0]}
        if "tun" in self.features and self.chance():
            self.data["taps"] = [{**place, "name": "tap0", "owner": self.random.choice([0, OTHER_USER])}]
        if "vxlan" in self.features and self.chance():
            remote: Data = self.random.choice([{"remote": "198.51.100.2"}, {"remote": "2001:db8::2", "port": 4790}])
            other = {"underlay": hosts[-1]} if self.chance(0.3) else {}
            self.data["vxlans"] = [{**place, **other, "name": "vx0", "vni": self.random.randrange(1, 1 << 24), **remote}]
        if "macvlan" in self.features and self.chance() and "taps" in self.data:
            mode = self.random.choice(["private", "vepa", "bridge"])
            self.data["macvlans"] = [{"host": hosts[-1], "name": "mv0", "parent": f"{hosts[0]}:tap0", "mode": mode}]

    def _host(self, name: str) -> None:
        said = self.data["hosts"][name]
        if self.chance():
            said["forward"] = True
        if self.chance(0.2):
            said["sysctl"] = {"net.ipv4.tcp_syncookies": self.random.choice([0, 2])}
        if self.chance(0.2):
            said["netns"] = f"{self.data['name']}-{name}"
        if self.chance(0.2):
            said["hosts"] = {"db": ["10.0.0.9", "fd00::9"], "www": "10.0.0.8"}
        if self.chance(0.2):
            said["nameservers"], said["search"] = "10.0.0.53", ["lan", "example"]
        interface = self._addressed(name)
        if interface is not None:
            gateway = f"{interface.rpartition('.')[0]}.200"
            if self.chance():
                said["gateway"] = gateway
            if self.chance():
                said["routes"] = [f"10.9.0.0/16 via {gateway} metric 7", f"10.8.1.0/24 via {gateway}"]

    def _addressed(self, name: str) -> str | None:
        """The first IPv4 address of a host's own, on an interface that is up."""
        for wire in self.data["wires"]:
            for one in wire["ends"]:
                if isinstance(one, str) and one.startswith(f"{name} "):
                    return one.split()[1].partition("/")[0]
                if isinstance(one, dict) and one.get("host") == name and one.get("up", True):
                    return str(one["addresses"][0]).partition("/")[0]
        return None


def generated(seed: int, features: frozenset[str] = Generator.ALL) -> Data:
    """A valid description; names of the generator's own are removed from it."""
    data = Generator(seed, features).build()
    for bridge in data.get("bridges", {}).values():
        bridge.pop("_net")
    return data
