"""`rawns ip addr` beside the real `ip addr`."""

from __future__ import annotations

import pytest
from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

SHOW = """
addr
address show
-4 addr
-6 addr
-0 addr
-M addr
-d addr
-d -4 addr
-d -6 addr
-o addr
-o -4 addr
-o -d -6 addr
-br addr
-br -4 addr
-br -6 addr show up
-j addr
-j -p addr
-d -j -p addr
-br -j addr
-o -j addr
-4 -j -p addr
-6 -j addr
-N addr
-n b addr
-n a -br addr
addr show v3
addr show dev v3
-4 addr show dev v3
-6 addr show dev v3
-j addr show v2
addr show up
-j addr show up
addr show to 10.0.0.0/8
-j -p addr show to 10.0.0.0/24
-br addr show to fd00::/16
-4 -o addr show to 10.1.0.1
addr show scope link
addr show scope 200
addr show scope all
addr show label v3*
addr show label v3:*
-br addr show label l*
-j addr show label v3
addr show primary
addr show secondary
addr show dev v3 primary
addr show deprecated
addr show -deprecated
addr show dynamic
addr show permanent
addr show noprefixroute
addr show nodad
addr show type veth
addr show type bridge_slave
addr show master br0
addr show nomaster
addr show group 7
addr show v9
addr show ""
addr show scope nothing
addr show to nothing
addr show master v9
addr show label
a s lo
"""

CHANGE = """
addr add 10.9.0.1/24 dev v2
addr add 10.9.0.1/24 dev v2
addr add dev v2 10.9.0.2/24
addr add 10.9.1.1/24 brd + dev v2 label v2:one
addr add 10.9.2.1/24 broadcast - dev v2
addr add 10.9.3.1/255.255.255.0 brd 10.9.3.255 dev v2
addr add 10.9.4 dev v2
addr add 10.9.5.1 peer 10.9.5.2/32 dev v2
addr add local 10.9.6.1 peer 10.9.6.2/24 brd + dev v2
addr add 127.9.9.9/8 dev lo
addr add 10.9.7.1/24 scope 200 metric 77 dev v2
addr add 10.9.8.1/24 noprefixroute dev v2
addr add 10.9.9.1/24 valid_lft forever preferred_lft forever dev v2
addr add fd09::1/64 nodad dev v2
addr add fd09::1/64 nodad dev v2
addr add fd09::2 peer fd09::3/128 nodad dev v2
addr add fd09::4/64 home nodad mngtmpaddr noprefixroute dev v2
addr add ff02::9/128 autojoin dev v2
-j addr show v2
addr change 10.9.0.1/24 dev v2 preferred_lft 0
addr replace fd09::1/64 dev v2 preferred_lft 0
addr replace 10.9.10.1/24 dev v2
addr show v2
addr del 10.9.0.1/24 dev v2
addr del 10.9.4.0 dev v2
addr del fd09::4 dev v2
addr del fd09::1/64 dev v2
addr del 10.9.5.1 peer 10.9.5.2/32 dev v2
addr del 10.9.77.1/24 dev v2
addr del 10.9.77.1 dev v2
addr del fd09::77/64 dev v2
addr del dev v2
addr flush dev v2 scope link
-s addr flush dev v2 to 10.9.0.0/16
addr flush dev v2 label v2:one
-s -s addr flush dev v3 primary
-4 addr flush dev v3
addr flush dev v3
-s addr flush dev v3
addr flush v9
addr flush
"""

WRONG = """
addr nothing
addr add
addr add 10.9.0.1/24
addr add dev v3
addr add dev
addr add 10.9.0.1/24 dev
addr add 10.9.0.1/24 dev v9
addr add 10.9.0.1/33 dev v3
addr add 10.9.0.1/x dev v3
addr add 10.9.0.1/ dev v3
addr add 10.9.0.999/24 dev v3
addr add 10.4.0.1/255.0.255.0 dev v3
addr add nothing dev v3
addr add "" dev v3
addr add fd00::1/129 dev v3
addr add fd00::zz/64 dev v3
-6 addr add 10.0.0.1/24 dev v3
-4 addr add fd00::1/64 dev v3
-0 addr add fd00::1/64 dev v3
addr add 10.9.0.1/24 10.9.0.2/24 dev v3
addr add 10.9.0.1/24 brd dev v3
addr add 10.9.0.1/24 brd + brd + dev v3
addr add fd00::9/64 brd + dev v3
addr add 10.9.0.1 peer nothing dev v3
addr add 10.9.0.1 peer fd00::1 dev v3
addr add 10.9.0.1/24 label v3:xxxxxxxxxxxxxxxxxxx dev v3
addr add 10.9.0.1/24 scope nothing dev v3
addr add 10.9.0.1/24 valid_lft x dev v3
addr add 10.9.0.1/24 valid_lft 0 dev v3
addr add 10.9.0.1/24 valid_lft 5 preferred_lft 10 dev v3
addr add 10.9.0.1/24 valid_lft 5 valid_lft 10 dev v3
addr add 10.9.0.1/24 preferred_lft 99999999999 dev v3
addr add 10.9.0.1/24 metric x dev v3
addr add 10.9.0.1/24 autojoin dev v3
addr add default dev v3
addr add 10.9.0.1/24 dev v3 nothing
addr add 10.9.0.1/24 dev v3 help
addr del 10.9.0.1/24
addr del 10.9.0.1/24 dev v9
addr help
-0 addr flush dev v3
"""


@pytest.mark.parametrize("lines", [SHOW, CHANGE, WRONG], ids=["show", "change", "wrong"])
def test_ip_addr(both: Both, lines: str) -> None:
    assert not both.differences(lines)
