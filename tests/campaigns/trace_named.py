# ruff: noqa: E501  (scripts for a shell)
"""The share of the bytes of netlink messages that have a name, over programs of other projects.

    sudo python3 tests/campaigns/trace_named.py [PROGRAM ...]

Each program runs under `rawns.trace` in a network and mount namespace of its own.  A byte has a name if it is part of a header, of an
attribute with a C name, or of an attribute to which the kernel's policy gives a type.  Programs that are not installed are skipped.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests")]

from named import Count  # noqa: E402

import rawns  # noqa: E402

CNI = "/usr/lib/cni"
LINKS = "ip link set lo up; ip link add v1 type veth peer name v2; ip addr add 10.0.0.1/24 dev v1; ip link set v1 up; "
NETWORK = '"cniVersion":"0.4.0","name":"n"'
SUBNET = '"ipam":{"type":"host-local","subnet":"10.9.0.0/24","routes":[{"dst":"0.0.0.0/0"}]}'
PYROUTE2 = """
import pyroute2
with pyroute2.IPRoute() as ip:
    ip.link('add', ifname='p1', kind='veth', peer='p2'); ip.link('add', ifname='b1', kind='bridge')
    index = ip.link_lookup(ifname='p1')[0]
    ip.addr('add', index=index, address='10.2.0.1', prefixlen=24); ip.link('set', index=index, state='up')
    ip.route('add', dst='10.3.0.0/24', gateway='10.2.0.2'); ip.rule('add', table=100, priority=200, src='10.0.0.0/8')
    ip.tc('add', 'tbf', index, 0x10000, rate='220kbit', latency='50ms', burst=1540)
    for method in (ip.get_links, ip.get_addr, ip.get_routes, ip.get_rules, ip.get_neighbours, ip.get_qdiscs): list(method())
with pyroute2.NDB() as ndb: print(len(list(ndb.interfaces.dump())))
"""


def cni(plugin: str, settings: str) -> str:
    """Return commands that add and delete a container's network by a CNI plugin."""
    variables = "CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/c1 CNI_IFNAME=e0 CNI_PATH=" + CNI
    conf = f'\'{{{NETWORK},"type":"{plugin}"{settings and "," + settings}}}\''
    run = f"echo {conf} | {variables} CNI_COMMAND=%s {CNI}/{plugin}; "
    return "mkdir -p /run/netns; ip netns add c1; " + run % "ADD" + run % "DEL" + "ip netns del c1; "


SCRIPTS = {
    "ip": LINKS
    + """ip -6 addr add fd00::1/64 dev v1 nodad; ip link add br0 type bridge vlan_filtering 1; ip link set v2 master br0
ip link set br0 up; ip link add vx0 type vxlan id 7 dstport 4789 local 10.0.0.1; ip link add m0 link v1 type macvlan mode bridge
ip link add i0 type ifb; ip tuntap add t0 mode tap; ip -d link; ip -s -s link; ip -d addr; ip -6 addr; ip route add 10.1.0.0/16 via 10.0.0.2
ip route add 10.5.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.0.3 weight 2; ip route; ip -6 route; ip route show table all
ip route get 10.0.0.9; ip rule add from 10.0.0.0/8 table 100; ip rule; ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev v1; ip neigh
ip ntable; ip nexthop add id 5 via 10.0.0.2 dev v1; ip nexthop add id 6 group 5; ip nexthop; ip maddr; ip netconf; ip addrlabel
ip netns add n1; ip link add v3 type veth peer name v4 netns n1; ip -n n1 addr; ip netns; ip netns del n1; ip mroute; ip tunnel
ip -d -s stats show; ip mptcp endpoint add 10.0.0.1; ip mptcp endpoint; ip mptcp limits; ip tcp_metrics; ip sr tunsrc show
ip link add xx type nosuch; ip addr add 10.0.0.1/33 dev v1; ip route add 10.7.0.0/16 via 10.9.9.9; ip ioam namespace show""",
    "tc": LINKS
    + """tc qdisc add dev v1 root handle 1: htb default 10; tc class add dev v1 parent 1: classid 1:10 htb rate 1mbit ceil 2mbit
tc qdisc add dev v1 parent 1:10 handle 10: tbf rate 1mbit burst 10k latency 10ms; tc qdisc add dev v1 ingress
tc qdisc add dev v2 root fq_codel; tc qdisc add dev v2 clsact; tc qdisc replace dev v2 root sfq perturb 10
tc filter add dev v1 parent 1: protocol ip u32 match ip dst 10.0.0.0/8 flowid 1:10; tc -s -d qdisc; tc -s class show dev v1
tc filter show dev v1; tc chain show dev v1; tc actions ls action gact; tc qdisc del dev v1 root""",
    "bridge": LINKS
    + """ip link add br0 type bridge vlan_filtering 1 mcast_snooping 1; ip link set v2 master br0; ip link set br0 up; ip link set v2 up
bridge vlan add dev v2 vid 10-12; bridge vlan add dev v2 vid 20 pvid untagged; bridge -d link; bridge -s vlan; bridge -d vlan
bridge fdb add 02:00:00:00:00:09 dev v2 master; bridge -s -d fdb; bridge mdb add dev br0 port v2 grp 239.1.1.1; bridge -s -d mdb
bridge link set dev v2 cost 7 guard on; bridge vlan global show; bridge vni; bridge fdb get 02:00:00:00:00:09 br br0""",
    "ss": LINKS
    + "nc -l -p 4000 >/dev/null & PID=$!; sleep 0.2; ss -tanpie; ss -uan; ss -xa; ss -wan; ss -0a; ss -l -A netlink; ss -s; ss -tmi; ss -a -A all; kill $PID",
    "nft": """nft add table inet x; nft add chain inet x c '{ type filter hook input priority 0; policy accept; }'
nft add set inet x s '{ type ipv4_addr; flags interval, timeout; }'; nft add element inet x s '{ 10.0.0.0/24 timeout 1h, 10.2.0.1 }'
nft add map inet x m '{ type inet_service : verdict; }'; nft add element inet x m '{ 22 : accept, 80 : drop }'
nft add rule inet x c tcp dport '{ 22, 80 }' counter accept comment '"web"'; nft add rule inet x c ip saddr @s limit rate 5/second log prefix '"x"' drop
nft add rule inet x c tcp dport vmap @m; nft add rule inet x c ct state established,related accept; nft add counter inet x k
nft add rule inet x c meta l4proto udp counter name k reject; nft add quota inet x q '{ over 5 mbytes; }'; nft add table ip nat
nft add chain ip nat p '{ type nat hook postrouting priority 100; }'; nft add rule ip nat p oifname v1 masquerade
nft add rule ip nat p ip daddr 10.0.0.1 snat to 10.0.0.2-10.0.0.5; nft -a list ruleset; nft -j list ruleset; nft list sets
nft list counters; nft monitor & PID=$!; sleep 0.2; nft flush ruleset; sleep 0.1; kill $PID""",
    "iptables-nft": """iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT; iptables-nft -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
iptables-nft -A FORWARD -s 10.0.0.0/8 -m comment --comment hello -m limit --limit 5/min -j LOG --log-prefix x
iptables-nft -t nat -A POSTROUTING -o v1 -j MASQUERADE; iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to 10.0.0.2:8080
iptables-nft -N mine; iptables-nft -A mine -m multiport -p tcp --dports 1,2,3 -j DROP; iptables-nft -L -n -v; iptables-nft -t nat -S
ip6tables-nft -A INPUT -p icmpv6 -j ACCEPT; ip6tables-nft -S; ebtables-nft -L; iptables-nft -F""",
    "ethtool": LINKS
    + "for w in '' -i -k -g -l -c -a -S -T --show-eee -m --show-fec --show-priv-flags; do ethtool $w v1; done; ethtool -K v1 tso off; ethtool -s v1 msglvl 3",
    "wg": "ip link add w0 type wireguard; wg show; wg genkey >/dev/null; wg set w0 listen-port 5000",
    "busybox": LINKS
    + "busybox ip link; busybox ip addr; busybox ip route; busybox ip neigh; busybox ip rule; busybox ip addr add 10.8.0.1/24 dev v1",
    "CNI bridge": cni("bridge", f'"bridge":"cni0","isGateway":true,"ipMasq":true,{SUBNET}'),
    "CNI ptp": cni("ptp", f'"ipMasq":true,{SUBNET}'),
    "CNI macvlan": LINKS + cni("macvlan", f'"master":"v1",{SUBNET}'),
    "CNI loopback": cni("loopback", ""),
    "pyroute2": f"cat > $PROGRAM <<'END'\n{PYROUTE2}\nEND\n{sys.executable} $PROGRAM",
    "systemd-networkd": LINKS
    + """mkdir -p /run/systemd/network /run/systemd/netif; printf '[Match]\\nName=v1\\n[Network]\\nAddress=10.6.0.1/24\\nGateway=10.6.0.2\\n' \\
> /run/systemd/network/a.network; printf '[NetDev]\\nName=bn\\nKind=bridge\\n' > /run/systemd/network/b.netdev
ip link set v2 up; timeout 3 /lib/systemd/systemd-networkd""",
}


def main() -> None:
    """Run the programs that are named, or all, and print the table."""
    chosen = sys.argv[1:] or list(SCRIPTS)
    print(f"{'program':<20}{'messages':>10}{'bytes':>10}{'named':>9}  without a name, by message")
    everything = Count()
    for name in chosen:
        tool = {"CNI": f"{CNI}/{name.split()[-1]}", "systemd-networkd": "/lib/systemd/systemd-networkd", "pyroute2": "sh"}
        if shutil.which(tool.get(name.split()[0], name)) is None:
            print(f"{name:<20} not installed")
            continue
        count = Count()
        with tempfile.TemporaryDirectory() as directory:
            os.environ["PROGRAM"] = f"{directory}/program.py"
            script = f"mount -t tmpfs tmpfs /run; exec >{directory}/out 2>&1; {SCRIPTS[name]}"
            for call in rawns.trace(["unshare", "-n", "-m", "--propagation", "private", "sh", "-c", script]):
                count.add(call)
                everything.add(call)
        print(count.row(name), flush=True)
    print(everything.row("all"))


if __name__ == "__main__":
    main()
