"""How `rawns ip link` shows links of kinds that the kernel here may lack: from answers of Debian's kernel, beside the real `ip`.

Both the answers and the output of the real `ip` 6.1 were recorded inside a booted machine (tests/kernels/ip_kinds.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest
from recorded import RecordedNetlink, index_of, recording

from rawns import netlink, rtnl
from rawns.cli.ip import command, context, program
from rawns.nlmsg import Request

KINDS = recording("recorded_kinds")
Run = Callable[[str], str]


@pytest.fixture(name="run")
def recorded_kernel(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `rawns ip` on the recording, and returns its standard output."""
    written: list[str] = []

    def write(ip: context.IpContext, pieces: Any) -> None:
        written.extend(pieces)

    monkeypatch.setattr(netlink, "Netlink", RecordedNetlink)
    monkeypatch.setattr(RecordedNetlink, "links", tuple(bytes.fromhex(one) for one in KINDS["links"]))
    monkeypatch.setattr(context.IpContext, "write", write)
    monkeypatch.setattr("_socket.if_indextoname", RecordedNetlink.name_of)

    def run(words: str) -> str:
        written.clear()
        assert command.main(shlex.split(words)) == 0
        return "".join(written)

    return run


@pytest.mark.parametrize("words", list(KINDS["outputs"]))
def test_links_are_shown_as_the_real_ip_shows_them(run: Run, words: str) -> None:
    assert run(words).splitlines() == KINDS["outputs"][words]


def test_each_link_alone(run: Run) -> None:
    text = "".join(f"{line}\n" for line in KINDS["outputs"]["-d link"])
    for link in RecordedNetlink.links:
        name = RecordedNetlink.name_of(index_of(link))
        assert run(f"-d link show dev {name}") in text


# -- netkit, which iproute2 6.1 does not know: beside iproute2 6.15 --------------------------------------------------

# What `ip link add WORDS` sends after the header of the message, in hexadecimal.
NETKIT_REQUESTS = {
    "nk0 type netkit": "00000000000000000000000000000000080003006e6b3000100012000a0001006e65746b69740000",
    "nk0 type netkit mode l2": (
        "00000000000000000000000000000000080003006e6b30001c0012000a0001006e65746b697400000c0002000800050000000000"
    ),
    "nk0 type netkit mode l3 forward peer forward nk1": (
        "00000000000000000000000000000000080003006e6b3000480012000a0001006e65746b697400003800020008000500010000000800030000000000"
        "08000400000000001c00010000000000000000000000000000000000080003006e6b3100"
    ),
    "nk0 type netkit mode l2 blackhole scrub none peer blackhole scrub default name nk1 mtu 1400": (
        "00000000000000000000000000000000080003006e6b3000600012000a0001006e65746b697400005000020008000500000000000800030002000000"
        "08000600000000000800040002000000080007000100000024000100000000000000000000000000000000000800040078050000080003006e6b3100"
    ),
    "nk0 type netkit forward peer": (
        "00000000000000000000000000000000080003006e6b30001c0012000a0001006e65746b697400000c0002000800030000000000"
    ),
    "nk0 index 7 up type netkit peer name nk1 index 8": (
        "00000000070000000100000001000000080003006e6b3000300012000a0001006e65746b69740000"
        "200002001c00010000000000080000000000000000000000080003006e6b3100"
    ),
}
NETKIT_REFUSALS = {
    "mode l4": ('Error: argument of "mode" must be either "l3" or "l2"', 1),
    "mode l2 mode l3": ('Error: duplicate "mode": "l3" is the second value.', 255),
    "scrub x": ('Error: scrub must be either "none" or "default"', 1),
    "peer peer x": ('Error: duplicate "peer": "x" is the second value.', 255),
    "mode": ('Command line is not complete. Try option "help"', 255),
    "frob": ('netkit: unknown option "frob"?\nUsage: ... netkit [ mode MODE ]', 1),
}


@pytest.mark.parametrize("words", NETKIT_REQUESTS)
def test_netkit_is_asked_for_as_iproute2_does(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Request] = []
    monkeypatch.setattr(context.IpContext, "change", lambda ip, request, show: sent.append(request))
    monkeypatch.setattr(netlink, "Netlink", RecordedNetlink)
    assert command.main(["link", "add", *words.split()]) == 0
    expected = bytes.fromhex(NETKIT_REQUESTS[words])
    assert len(sent[0].pack(1)) == 16 + len(expected)
    ours = rtnl.NEWLINK.unpack(sent[0].pack(1), 16, 16 + len(expected))
    assert ours == rtnl.NEWLINK.unpack(expected, 0, len(expected))


@pytest.mark.parametrize("words", NETKIT_REFUSALS)
def test_netkit_is_refused_as_iproute2_does(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(program, "complain", said.append)
    monkeypatch.setattr(netlink, "Netlink", RecordedNetlink)
    status = command.main(["link", "add", "nk0", "type", "netkit", *words.split()])
    sentence, expected = NETKIT_REFUSALS[words]
    assert (said[0][: len(sentence)], status) == (sentence, expected)


def test_netkit_is_shown_as_iproute2_shows_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecordedNetlink, "links", tuple(bytes.fromhex(one) for one in KINDS["netkit"]["links"]))
    shown = [line.partition(" addrgenmode")[0].strip() for line in run("-d link").splitlines() if "    netkit" in line]
    assert shown == KINDS["netkit"]["iproute2-6.15"]
