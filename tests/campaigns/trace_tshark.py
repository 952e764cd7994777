"""Every field that tshark decodes in the netlink messages of other programs, compared with ours.

    sudo python3 tests/campaigns/trace_tshark.py

The programs of the test of strace's fields run under ``rawns trace --pcap``; tshark (Debian: tshark) reads the same file.  Fields
are compared by their place in the packet: a field of tshark must be a field, an attribute's header or its payload here, with
the same value.  The table shows how many agree; what differs and is not in JUDGED makes the exit status 1.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "live"), str(PROJECT / "tests")]

from test_trace_fields import SCRIPT  # noqa: E402

from rawns import explain, nlmsg_spans  # noqa: E402
from rawns.tracing import parse  # noqa: E402
from rawns.tracing.record import PROTOCOLS  # noqa: E402
from rawns.wire import Span  # noqa: E402

COOKED_BYTES = 16  # in front of the messages, in a packet
NUMBER = re.compile(r"-?[1-9]\d*|0|0x[0-9a-f]+")
JUDGED = {
    "netlink.hdr_len: no field": "iproute2 sends its whole buffer; the kernel ignores the zeros behind the message",
    "netlink-sock_diag.inet_states": "tshark reads it in network order; for the kernel it is in the order of the host",
    "netlink-sock_diag.inet_src_ip4: no field": "an IPv4 address is the first four of 16 bytes, which are one field here",
    "netlink-sock_diag.inet_dest_ip4: no field": "the same",
}


def fields(packet: ElementTree.Element) -> Iterator[tuple[str, int, int, str]]:
    """Yield name, place in the messages, size and value of tshark's fields that have no parts but bits."""
    for element in packet.iter("field"):
        name, place, size = element.get("name", ""), int(element.get("pos", "0")), int(element.get("size", "0"))
        bits = element.get("unmaskedvalue") is not None
        if name.startswith("netlink") and size and not bits and place >= COOKED_BYTES:
            yield name, place - COOKED_BYTES, size, element.get("show", "")


def places(data: bytes, number: int) -> dict[tuple[int, int], list[object]]:
    """Return the values here by place and size: fields, the parts of attributes' headers, and payloads."""
    found: dict[tuple[int, int], list[object]] = {}
    spans: list[Span] = []
    for _, some in nlmsg_spans.spans(data[: nlmsg_spans.ignored(data)], explain.descriptions(PROTOCOLS.get(number, ""))):
        spans += some
    for span in spans:
        if span.head == 4:
            found.setdefault((span.offset, 2), []).append(span.length)
            kind = int.from_bytes(data[span.offset + 2 : span.offset + 4], "little")
            found.setdefault((span.offset + 2, 2), []).extend((kind, kind & 0x3FFF))
        body = span.offset + span.head
        found.setdefault((body, span.length - span.head), []).extend((span.value, span.text()))
    return found


def agrees(shown: str, values: list[object]) -> bool:
    """Return whether a value of tshark is one of ours; bytes that it has not decoded, and words, only need the same place."""
    if not NUMBER.fullmatch(shown):
        texts = [str(value).strip('"') for value in values]
        raw = re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2})*", shown)  # not decoded
        return shown in texts or bool(raw) or not re.fullmatch(r"(\d+\.){3}\d+|(?=.*:)[0-9a-f:]+|[a-z]+[0-9]+", shown)
    number = int(shown, 0)
    ours = [value for value in values if isinstance(value, int)]
    return not ours or any((number ^ value) & 0xFFFFFFFF == 0 for value in ours)


def main() -> int:
    """Compare, print the table, and return 1 if a difference is not judged."""
    if shutil.which("tshark") is None:
        print("tshark is not installed")
        return 0
    with tempfile.TemporaryDirectory() as directory:
        packets = Path(directory) / "x.pcap"
        trace = [sys.executable, "-m", "rawns", "trace", "-o", "/dev/null", "--pcap", str(packets), "sh", "-c", SCRIPT]
        subprocess.run(["unshare", "-n", *trace], cwd=PROJECT, capture_output=True)
        datagrams = list(parse.datagrams(packets.read_bytes()))
        text = subprocess.run(["tshark", "-r", packets, "-T", "pdml"], capture_output=True, check=True).stdout
    agreed: dict[str, int] = {}
    differing: dict[str, int] = {}
    for packet, (number, data) in zip(ElementTree.fromstring(text).iter("packet"), datagrams):
        ours = places(data, number)
        for name, place, size, shown in fields(packet):
            values = ours.get((place, size))
            if values is not None and agrees(shown, values):
                agreed[name] = agreed.get(name, 0) + 1
            else:
                what = f"{name}: {shown[:40]}, here {values}" if values is not None else f"{name}: no field at such a place"
                differing[what] = differing.get(what, 0) + 1
    print(f"{len(datagrams)} packets, {sum(agreed.values())} fields of {len(agreed)} names agree")
    open_ = 0
    for what, count in sorted(differing.items(), key=lambda item: -item[1]):
        reason = next((reason for start, reason in JUDGED.items() if what.startswith(start)), "")
        open_ += not reason
        print(f"{count:6}  {what[:150]}  {reason}")
    return 1 if open_ else 0


if __name__ == "__main__":
    sys.exit(main())
