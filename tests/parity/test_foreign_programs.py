"""Programs of Debian packages that call `ip` do the same with the real one and with ours.

Each program runs twice, in namespaces of its own: its output, its exit status, and the state of links, addresses, routes and
rules that it leaves are compared.  Packages that are not there are downloaded, not installed; without a way to Debian's
archive the tests are skipped.  Directories of unpacked packages can be given in RAWNS_PACKAGES.
"""

# ruff: noqa: E501 (commands are not wrapped)

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from universe import PROJECT, PYTHON, REAL, missing

pytestmark = [pytest.mark.skipif(bool(missing()), reason=missing()), pytest.mark.really_root]

PACKAGES = (
    *("isc-dhcp-client", "vpnc-scripts", "wireguard-tools", "ifupdown", "ifupdown-ng", "bridge-utils", "openvswitch-switch"),
    *("openvswitch-common", "miredo", "dracut-network", "lxc", "mininet"),
)
SECONDS = 60
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Real is a copy of the real `ip`; the one that is tested is first in PATH, and lies on its usual places.
SETTING = """
set -e
mount -t tmpfs none /run; mount -t tmpfs none $W/work; mkdir $W/work/bin; cd $W/work
cp $REAL real
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
./real link set lo up
./real link add v0 address 02:00:00:00:00:01 index 11 type veth peer name v1 address 02:00:00:00:00:02 index 12
./real link set v1 up
mount -t sysfs none /sys
for path in /sbin/ip /bin/ip /usr/bin/ip /usr/sbin/ip; do
    ! test -e $path || mount --bind $TESTED $(readlink -f $path)
done
ln -s $TESTED bin/ip
export PATH=$W/work/bin:$PATH
set +e
"""
STATE = r"""
for words in "addr" "-d link" "route show table all" "-6 route show table all" "rule" "-6 rule" "neigh show nud permanent"; do
    echo "== $words"; ./real $words
done
"""

PROGRAMS = {
    "isc-dhcp-client": """
export interface=v0 new_ip_address=10.1.0.5 new_subnet_mask=255.255.255.0 new_broadcast_address=10.1.0.255 new_routers=10.1.0.1
for reason in MEDIUM PREINIT BOUND; do reason=$reason new_interface_mtu=1400 $P/sbin/dhclient-script; echo $?; done
export old_ip_address=10.1.0.5 new_ip_address=10.1.0.6 alias_ip_address=10.1.0.9 alias_subnet_mask=255.255.255.255
for reason in RENEW EXPIRE TIMEOUT REBOOT STOP; do reason=$reason $P/sbin/dhclient-script; echo $?; ./real route; ./real addr; done
export new_ip6_address=2001:db8::5 new_ip6_prefixlen=64 old_ip6_address=2001:db8::5 old_ip6_prefixlen=64
for reason in PREINIT6 BOUND6 RENEW6 DEPREF6 EXPIRE6; do
    reason=$reason $P/sbin/dhclient-script; echo $?; ./real -6 addr show dev v0
done
""",
    "vpnc-scripts": """
./real tuntap add dev tun0 mode tun; ./real addr add 198.51.100.5/24 dev v0; ./real link set v0 up
./real route add default via 198.51.100.1
export TUNDEV=tun0 VPNGATEWAY=192.0.2.1 INTERNAL_IP4_ADDRESS=10.9.0.5 INTERNAL_IP4_NETMASK=255.255.255.0 INTERNAL_IP4_NETMASKLEN=24
export INTERNAL_IP4_NETADDR=10.9.0.0 INTERNAL_IP4_MTU=1300 INTERNAL_IP6_ADDRESS=2001:db8::5 VPNPID=1
script=$P/usr/share/vpnc-scripts/vpnc-script
for reason in pre-init connect; do reason=$reason sh $script; echo $?; done
./real route; ./real -6 route; ./real addr show dev tun0
reason=disconnect sh $script; echo $?
export CISCO_SPLIT_INC=2 CISCO_SPLIT_INC_0_ADDR=10.20.0.0 CISCO_SPLIT_INC_0_MASK=255.255.0.0 CISCO_SPLIT_INC_0_MASKLEN=16
export CISCO_SPLIT_INC_1_ADDR=10.30.1.0 CISCO_SPLIT_INC_1_MASK=255.255.255.0 CISCO_SPLIT_INC_1_MASKLEN=24
export CISCO_IPV6_SPLIT_INC=1 CISCO_IPV6_SPLIT_INC_0_ADDR=2001:db8:7:: CISCO_IPV6_SPLIT_INC_0_MASKLEN=48
for reason in connect reconnect; do reason=$reason sh $script; echo $?; done
./real route; ./real -6 route
reason=disconnect sh $script; echo $?
""",
    "wireguard-tools": """
cat >bin/wg <<'END'
#!/bin/sh
case "$1 $3" in
"show allowed-ips") printf 'key\\t0.0.0.0/0 ::/0\\nother\\t10.7.0.0/16 fd07::/48\\n' ;;
"show fwmark") echo off ;;
"show interfaces") echo wg0 ;;
"show endpoints") printf 'key\\t192.0.2.1:51820\\n' ;;
esac
END
printf '#!/bin/sh\\n%s/work/real tuntap add dev $1 mode tun\\n' $W >bin/userspace
chmod +x bin/wg bin/userspace
export WG_QUICK_USERSPACE_IMPLEMENTATION=userspace WG_ENDPOINT_RESOLUTION_RETRIES=1
printf '[Interface]\\nAddress = 10.7.0.1/24, fd07::1/64\\nMTU = 1380\\nPostUp = ip route show table all dev %%i\\n' >wg0.conf
printf '[Interface]\\nAddress = 10.8.0.1/24\\nTable = 77\\nPostUp = ip rule add from 10.8.0.0/24 table 77\\n' >wg1.conf
for name in wg0 wg1; do $P/usr/bin/wg-quick up $W/work/$name.conf; echo $?; done
./real rule; ./real -6 rule; ./real route show table all; ./real addr
$P/usr/bin/wg-quick down $W/work/wg0.conf; echo $?
""",
    "ifupdown": """
cat >interfaces <<'END'
auto lo v0
iface lo inet loopback
iface v0 inet static
    address 10.1.0.5/24
    broadcast 10.1.0.255
    gateway 10.1.0.1
    mtu 1400
    hwaddress 02:00:00:00:00:77
    up ip route add 10.2.0.0/16 via 10.1.0.9
    down ip route del 10.2.0.0/16
iface v0 inet6 static
    address 2001:db8::5/64
    gateway 2001:db8::1
    dad-attempts 0
    accept_ra 0
iface v1 inet manual
    pre-up ip link set $IFACE alias "of $IFACE"
iface v0:1 inet static
    address 10.1.0.6/24
    scope link
END
mkdir /run/network
for words in "-a" "v1" "v0:1"; do $P/sbin/ifup -v -i $W/work/interfaces $words; echo $?; ./real addr; ./real route; done
$P/sbin/ifdown -v -i $W/work/interfaces v0:1 v0; echo $?
""",
    "ifupdown-ng": """
cat >interfaces <<'END'
auto v0
iface v0
    address 10.1.0.5/24
    address 2001:db8::5/64
    gateway 10.1.0.1
    gateway 2001:db8::1
    alias uplink
iface br7
    use bridge
    bridge-ports v1
    address 10.3.0.1/24
iface vx7
    use vxlan
    vxlan-id 7
    vxlan-local-ip 10.1.0.5
    vxlan-peer-ips 10.1.0.9
END
for name in v0 br7 vx7; do
    $P/sbin/ifup -v -i interfaces -S state -E $P/usr/libexec/ifupdown-ng $name; echo $?; ./real addr; ./real route
done
$P/sbin/ifdown -v -i interfaces -S state -E $P/usr/libexec/ifupdown-ng vx7 br7; echo $?
""",
    "bridge-utils": """
cp $P/sbin/brctl bin; printf '#!/bin/sh\\nexit 0\\n' >bin/sleep; chmod +x bin/sleep
for name in ifupdown bridge-utils; do
    sed "s#/lib/bridge-utils/bridge-utils.sh#$W/work/bridge-utils.sh#; s#/sbin/brctl#$W/work/bin/brctl#" $P/lib/bridge-utils/$name.sh >$name.sh
done
export IFACE=br7 IF_BRIDGE_PORTS="v0 v1" IF_BRIDGE_HW=v1 IF_BRIDGE_MAXWAIT=0 IF_BRIDGE_FD=0 IF_BRIDGE_STP=off
for mode in start stop start; do MODE=$mode PHASE=pre-up sh ifupdown.sh; echo $?; done
""",
    "openvswitch-switch": """
cp $P/usr/share/openvswitch/scripts/ovs-save .; cp ${P%-switch}-common/usr/share/openvswitch/scripts/ovs-lib .
./real link set v0 up; ./real addr add 10.1.0.5/24 brd + dev v0; ./real addr add 10.4.0.1 peer 10.4.0.2/32 dev v0
./real addr add 2001:db8::5/64 dev v0; ./real route add 10.2.0.0/16 via 10.1.0.9 mtu 1300; ./real route add default dev v0 metric 9
sh ovs-save save-interfaces v0 v1 lo >saved; cat saved
./real addr flush dev v0; ./real link set v0 down mtu 1300
sed '/iptables/d' saved | sh; echo $?
""",
    "miredo": """
export IFACE=v0 ADDRESS=2001:0:53aa:64c:0:fbff:ae1:a6d LLADDRESS=fe80::ffff:ffff:ffff MTU=1280
for state in up down up; do STATE=$state sh $P/etc/miredo/client-hook; echo $?; ./real -6 addr show dev v0; ./real -6 route; done
""",
    "dracut-network": """
getarg() { return 1; }; getargs() { return 1; }; getargbool() { return 1; }; strstr() { [ "${1##*"$2"*}" != "$1" ]; }
str_starts() { [ "${1#"$2"*}" != "$1" ]; }; info() { echo "$@"; }; warn() { echo "$@"; }; debug_off() { :; }; debug_on() { :; }
. $P/usr/lib/dracut/modules.d/40network/net-lib.sh
./real addr add 10.1.0.5/24 dev v0
for function in "linkup v0" "get_ip v0" "iface_for_ip 10.1.0.5" "iface_for_mac 02:00:00:00:00:02" "iface_has_carrier v0" "iface_has_link v0" \\
    "is_persistent_ethernet_name v0" "wait_for_if_up v0" "wait_for_route_ok v0" "iface_for_remote_addr 10.1.0.9" "ip_is_local 10.1.0.5" \\
    "iface_for_remote_addr 10.1.0.9" "find_iface_with_link" "get_netmask v0"; do
    echo "$function: $($function)" $?
done
""",
    "lxc": """
printf '#!/bin/sh\\nexit 0\\n' >bin/dnsmasq; cp bin/dnsmasq bin/iptables; cp bin/dnsmasq bin/nft; chmod +x bin/*
sed 's#^\\[ -f .*lxc-functions.*##; s#/var/lib/misc#.#g; s#/etc/default/lxc-net#./lxc-net.conf#' $P/usr/libexec/lxc/lxc-net >lxc-net
echo USE_LXC_BRIDGE=true LXC_BRIDGE=lxcbr0 LXC_IPV6_ADDR=fd09::1 LXC_IPV6_MASK=64 LXC_IPV6_NETWORK=fd09::/64 LXC_IPV6_NAT=false >lxc-net.conf
export USE_LXC_BRIDGE=true LXC_IPV6_ADDR=fd09::1 LXC_IPV6_MASK=64 LXC_IPV6_NETWORK=fd09::/64
sh lxc-net start; echo $?; ./real addr; ./real link set v0 master lxcbr0; sh lxc-net stop; echo $?
""",
    "mininet": """
export PATH=$PATH:$P/usr/bin:${P%mininet}bridge-utils/sbin PYTHONPATH=$P/usr/lib/python3/dist-packages
/usr/bin/python3 - <<'END'
from mininet.link import Link
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import LinearTopo

net = Mininet(LinearTopo(2, 1), switch=LinuxBridge, controller=None, link=Link, autoSetMacs=True)
net.start()
for host in net.hosts:
    print(host.cmd("ip -o link; ip addr; ip route; ip route get 10.0.0.9"))
net.configLinkStatus("h1", "s1", "down")
print(net["h1"].cmd("ip link show h1-eth0"))
net.stop()
END
""",
}
VOLATILE = (
    (r"\[?\b\d+\b\]?: line \d+|\bpid[ =]\d+|userspace\S*|(?<=\s)[\d.]+ ?ms", ""),
    (r"NO-CARRIER,|(?<= state )(UP|DOWN|LOWERLAYERDOWN)|_timer +[\d.]+|\bstate (disabled|listening|learning|forwarding)", ""),
    (r" (tentative|dadfailed)\b|of-(real|ip)\b", ""),
    (r"(?<=lft )\d+sec|expires \d+sec", "SECONDS"),
    (r"([0-9a-f]{2}:){5}[0-9a-f]{2}|fe80::[0-9a-f:]+", "ADDRESS"),
    (r"(?m)^\d+: |@if\d+|link-netnsid \d+", ""),
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with one directory of unpacked files for each package that can be had."""
    given = os.environ.get("RAWNS_PACKAGES")
    if given:
        return Path(given)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("apt-get is not installed")
    home = tmp_path_factory.mktemp("packages")
    options = ["-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=5", "-o", "APT::Sandbox::User=root"]
    try:
        done = subprocess.run(["apt-get", "-q", *options, "download", *PACKAGES], cwd=home, capture_output=True, timeout=30)
    except subprocess.TimeoutExpired:
        pytest.skip("the packages could not be downloaded in 30 s")
    for file in home.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", file, home / file.name.partition("_")[0]], check=True)
    if not any(home.iterdir()):
        pytest.skip(f"apt-get download: {done.stderr.decode(errors='replace').strip()[:200]}")
    return home


class Run:
    """A program that runs with one `ip`, in namespaces and a directory of its own."""

    def __init__(self, program: str, packages: Path, tested: Path, home: Path) -> None:
        self._home = home
        (home / "work").mkdir(parents=True)
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", "bash", "-c", f"{SETTING}\n{PROGRAMS[program]}\n{STATE}"],
            env={"PATH": PATH, "W": str(home), "P": str(packages / program), "REAL": REAL, "TESTED": str(tested)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def lines(self) -> list[str]:
        """Return what the program wrote, and the state that it left."""
        try:
            text = self._process.communicate(timeout=SECONDS)[0].decode(errors="replace").replace(str(self._home), "")
        finally:
            self._process.kill()
        for pattern, replacement in VOLATILE:
            text = re.sub(pattern, replacement, text)
        return [f"exit status {self._process.returncode}", *text.splitlines()]


ATTEMPTS = 3


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_same_with_ours(program: str, packages: Path, tmp_path: Path) -> None:
    if not (packages / program).is_dir():
        pytest.skip(f"the package {program} could not be downloaded")
    ours = tmp_path / "ip"
    ours.write_text(
        f"#!{PYTHON} -IS\nimport sys\nsys.path.insert(0, {str(PROJECT)!r})\nfrom rawns.cli.main import entry\nentry()\n"
    )
    ours.chmod(0o755)
    real = tmp_path / "real"
    shutil.copy(REAL, real)
    for attempt in range(ATTEMPTS):  # what the kernel adds when it is time, local routes of IPv6, may be there in one run only
        runs = [Run(program, packages, tested, tmp_path / f"{attempt}-of-{tested.name}") for tested in (real, ours)]
        theirs, mine = (run.lines() for run in runs)
        assert theirs[1:], "the program said nothing"
        different = list(difflib.unified_diff(theirs, mine, "real", "ours", n=1, lineterm=""))
        if not different:
            break
    assert not different, "\n".join(different)
