"""The names and values of settings, as sysctl(8) reads them."""

from __future__ import annotations

from typing import Any

import pytest

from rawns import sysctl
from rawns.errors import InvalidValue


@pytest.mark.parametrize(
    ("name", "path"),
    [  # as the section NOTES of sysctl(8) has it
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.all.rp_filter", "net/ipv4/conf/all/rp_filter"),
        ("net.ipv4.conf.eth0/1.rp_filter", "net/ipv4/conf/eth0.1/rp_filter"),
        ("net/ipv4/conf/eth0.1/rp_filter", "net/ipv4/conf/eth0.1/rp_filter"),
        ("/proc/sys/net/ipv4/conf/eth0.1/rp_filter", "net/ipv4/conf/eth0.1/rp_filter"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
    ],
)
def test_names(name: str, path: str) -> None:
    assert sysctl.path_of(name) == f"/proc/sys/{path}"


@pytest.mark.parametrize(
    "name",
    ["", "net", "net.", ".net", "kernel.hostname", "net..x", "net/../kernel/hostname", "net/./x", "/etc/passwd", "net.ipv4.a\0b"]
    + ["/proc/sys/kernel/hostname", "/proc/sys/net/../kernel/x", "net.//.kernel", "net/ipv4/", "user.max_net_namespaces", 5, None]
    + ["net.ipv4.\ud800"],
)
def test_what_is_no_setting_of_a_network(name: Any) -> None:
    with pytest.raises(InvalidValue):
        sysctl.path_of(name)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (True, "1"), (False, "0"), (-5, "-5"), ("0 10", "0 10"), ((0, 65534), "0 65534"), ([4096], "4096")],
)
def test_values(value: Any, text: str) -> None:
    assert sysctl.text_of("net.x", value) == text


@pytest.mark.parametrize(
    "value",
    [
        "a\nb",
        "a\0b",
        "x" * 65536,
        "\ud800",
        None,
        1.5,
        pytest.param(10**5000, id="huge"),
        -(1 << 64),
        [],
        ["1"],
        [1, None],
        b"1",
        {},
        [1] * 40000,
    ],
)
def test_what_is_no_value(value: Any) -> None:
    with pytest.raises(InvalidValue):
        sysctl.text_of("net.x", value)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1", "0x1", True),
        ("16", "020", True),
        ("8", "08", False),
        ("1\t2", "1  2", True),
        ("cubic", "reno", False),
        ("-1", "-01", True),
    ],
)
def test_values_are_compared_as_strtol_reads_them(one: str, other: str, equal: bool) -> None:
    assert sysctl.same(one, other) is equal
