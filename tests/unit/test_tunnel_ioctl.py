"""The structures of tunnels' ioctls, beside what the real `ip` 6.1 has asked for (recorded by `tests/parity/tunnel_ioctls.c`)."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from samples import skip_on_big_endian

from rawns import tunnel_ioctl
from rawns.errors import WireError
from rawns.wire import Struct

IPV4 = {"version_ihl": 0x45, "frag_off": 0x4000}


def ip4(text: str) -> bytes:
    return socket.inet_aton(text)


def ip6(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, text)


RECORDED: dict[str, tuple[Struct, str, dict[str, Any]]] = {
    "tunnel add gre1 mode gre remote 10.0.0.2 local 10.0.0.1 ttl 5 key 7 seq icsum dev lo": (
        tunnel_ioctl.PARM,
        "6772653100000000000000000000000001000000b000300000000007000000074500000000004000052f00000a0000010a000002",
        {
            **IPV4,
            "name": "gre1",
            "link": 1,
            "i_flags": 0xB000,
            "o_flags": 0x3000,
            "i_key": 7,
            "o_key": 7,
            "ttl": 5,
            "protocol": 47,
            "saddr": ip4("10.0.0.1"),
            "daddr": ip4("10.0.0.2"),
        },
    ),
    "tunnel add x mode vti ikey 1.2.3.4 okey 5": (
        tunnel_ioctl.PARM,
        "78000000000000000000000000000000000000002100200001020304000000054500000000004000000400000000000000000000",
        {**IPV4, "name": "x", "i_flags": 0x2100, "o_flags": 0x2000, "i_key": 0x01020304, "o_key": 5, "protocol": 4},
    ),
    "-6 tunnel add g6 mode ip6gre remote fd00::1 local fd00::2 encaplimit none tclass 0x20 flowlabel inherit dscp inherit": (
        tunnel_ioctl.PARM6,
        "67360000000000000000000000000000000000002f0440000200000055000000fd000000000000000000000000000002"
        "fd000000000000000000000000000001" + 12 * "00",
        {
            "name": "g6",
            "proto": 47,
            "encap_limit": 4,
            "hop_limit": 64,
            "flowinfo": 0x02000000,
            "flags": 0x55,
            "laddr": ip6("fd00::2"),
            "raddr": ip6("fd00::1"),
        },
    ),
    "tunnel prl prl-default 10.0.0.1 dev sit1": (
        tunnel_ioctl.PRL,
        "0a000001010000000000000000000000",
        {"addr": ip4("10.0.0.1"), "flags": 1},
    ),
    "tunnel 6rd 6rd-prefix 2002::/16 dev sit1": (
        tunnel_ioctl.SIXRD,
        "200200000000000000000000000000000000000010000000",
        {"prefix": ip6("2002::"), "relay_prefix": bytes(4), "prefixlen": 16},
    ),
}


@pytest.mark.parametrize("command", RECORDED)
def test_the_same_bytes_both_ways(command: str) -> None:
    skip_on_big_endian()
    described, recorded, values = RECORDED[command]
    data = bytes.fromhex(recorded)
    ends = {"saddr": bytes(4), "daddr": bytes(4)} if described is tunnel_ioctl.PARM else {}
    assert tunnel_ioctl.pack(described, {**ends, **values}) == data
    found = tunnel_ioctl.unpack(described, data)
    assert {key: found[key] for key in values} == values
    rest = [found[key] for key in found.keys() - values]
    assert not any(any(value) if isinstance(value, bytes) else value for value in rest)


@pytest.mark.parametrize("command", RECORDED)
def test_a_shorter_structure_is_an_error(command: str) -> None:
    described, recorded, _ = RECORDED[command]
    data = bytes.fromhex(recorded)
    for size in range(len(data)):
        with pytest.raises(WireError):
            tunnel_ioctl.unpack(described, data[:size])
    assert tunnel_ioctl.unpack(described, data + b"longer") == tunnel_ioctl.unpack(described, data)


@pytest.mark.parametrize("values", [{"link": 1 << 31}, {"i_key": -1}, {"ttl": 256}, {"saddr": b"123"}, {"nothing": 1}])
def test_what_does_not_fit_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        tunnel_ioctl.pack(tunnel_ioctl.PARM, {"name": "x", **values})
