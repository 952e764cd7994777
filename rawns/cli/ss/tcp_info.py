"""What ``ss -i`` shows of a connection: `struct tcp_info` and what the congestion control adds to it.

Most members are shown if they are not 0, and in microseconds or bytes per second in the kernel, so rows say which word has
which member; thousands of connections are formatted in a fraction of a second.
"""

from __future__ import annotations

from operator import itemgetter

from ...sock_diag import BBRINFO, TCP_INFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Plain = tuple[list[str], Callable[[Any], tuple[Any, ...]]]

# Bits of tcpi_options, TCPI_OPT_* in <linux/tcp.h>
OPTIONS = ((1, " ts"), (2, " sack"), (8, " ecn"), (16, " ecnseen"), (32, " fastopen"))
WSCALE = 4
UNSET_RTO = 3_000_000
MAX_SSTHRESH = 0xFFFF
NO_RATE = 2**64 - 1
NO_RTT = 2**32 - 1
NO_VEGAS_RTT = 0x7FFFFFFF
USUAL_REORDERING = 3

LISTENING = 10
PLACES = {name: place for place, (name, _) in enumerate(TCP_INFO.members)}
STATE = PLACES["tcpi_state"]


def _plain(*words: str) -> Plain:
    """Return what is shown as a number if it is not 0: the words, and what gets the members named behind ``=`` (or the same)."""
    pairs = [word.partition("=") for word in words]
    return [f" {word}:" for word, *_ in pairs], _getter(*[name or word for word, _, name in pairs])


def _getter(*names: str) -> Callable[[Any], tuple[Any, ...]]:
    return itemgetter(*[PLACES[f"tcpi_{name}"] for name in names])


SIZES = _plain("mss=snd_mss", "pmtu", "rcvmss=rcv_mss", "advmss", "cwnd=snd_cwnd")
COUNTERS = _plain(
    "bytes_sent", "bytes_retrans", "bytes_acked", "bytes_received", "segs_out", "segs_in", "data_segs_out", "data_segs_in"
)
LAST_TIMES = _plain("lastsnd=last_data_sent", "lastrcv=last_data_recv", "lastack=last_ack_recv")
DELIVERED = _plain("delivered", "delivered_ce")
DUPLICATES = _plain("dsack_dups", "fackets")
TROUBLE = _getter(
    "unacked", "retrans", "total_retrans", "lost", "sacked", "dsack_dups", "fackets", "reordering", "reord_seen", "rcv_rtt"
)
NO_TROUBLE = (0, 0, 0, 0, 0, 0, 0, USUAL_REORDERING, 0, 0)
FIRST = _getter("options", "wscale", "rto", "backoff", "rtt", "rttvar", "ato", "snd_ssthresh")
SPEEDS = _getter("rtt", "snd_mss", "snd_cwnd", "pacing_rate", "max_pacing_rate", "delivery_rate")
COUNTS = _getter("app_limited", "busy_time", "rwnd_limited", "sndbuf_limited", "min_rtt")
RECEIVED = _plain("rcv_space", "rcv_ssthresh", "notsent=notsent_bytes")
LAST = _plain("rcv_ooopack", "snd_wnd")


def rate(bits: float, numeric: bool) -> str:
    """Return bits per second, with a unit unless numbers are wanted."""
    if numeric:
        return f"{bits:.0f}bps"
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if bits >= limit:
            return f"{bits / limit:.3g}{unit}bps"
    return f"{bits:.3g}bps"


def shown(attributes: Any, options: bool, numeric: bool) -> str:
    """Return the words, each after a space; ``options`` are TCP's, which ``-o`` and ``-e`` show."""
    data = attributes.get("INET_DIAG_INFO")
    if data is None:
        return ""
    info = TCP_INFO.read(data.ljust(TCP_INFO.size, b"\0"), 0)  # an older kernel has fewer members
    negotiated, scales, rto, backoff, rtt, variance, ato, ssthresh = FIRST(info)
    text = "".join([word for bit, word in OPTIONS if negotiated & bit]) if options else ""
    if attributes.get("INET_DIAG_CONG"):
        text += f" {attributes['INET_DIAG_CONG']}"
    if negotiated & WSCALE:
        text += f" wscale:{scales & 15},{scales >> 4}"
    if rto and rto != UNSET_RTO:
        text += f" rto:{rto / 1000:g}"
    if backoff:
        text += f" backoff:{backoff}"
    if rtt:
        text += f" rtt:{rtt / 1000:g}/{variance / 1000:g}"
    if ato:
        text += f" ato:{ato / 1000:g}"
    text += _numbers(info, SIZES)
    if 0 < ssthresh < MAX_SSTHRESH:
        text += f" ssthresh:{ssthresh}"
    text += _numbers(info, COUNTERS)
    return text + _congestion_control(attributes, numeric) + _rates(info, attributes, numeric) + _counts(info)


def _numbers(info: Any, plain: Plain) -> str:
    words, values = plain
    return "".join([f"{word}{value}" for word, value in zip(words, values(info)) if value])


def _congestion_control(attributes: Any, numeric: bool) -> str:
    text = ""
    dctcp, bbr = attributes.get("INET_DIAG_DCTCPINFO"), attributes.get("INET_DIAG_BBRINFO")
    if dctcp and dctcp.get("dctcp_enabled"):
        values = [dctcp.get(f"dctcp_{name}", 0) for name in ("ce_state", "alpha", "ab_ecn", "ab_tot")]
        text += " dctcp:(ce_state:{},alpha:{},ab_ecn:{},ab_tot:{})".format(*values)
    elif dctcp:
        text += " dctcp:fallback_mode"
    if bbr and len(bbr) == len(BBRINFO.members):
        low, high, rtt, pacing, cwnd = bbr.values()
        text += f" bbr:(bw:{rate((high << 32 | low) * 8.0, numeric)},mrtt:{rtt / 1000:g}"
        text += f",pacing_gain:{pacing / 256:g}" if pacing else ""
        text += f",cwnd_gain:{cwnd / 256:g})" if cwnd else ")"
    return text


def _rates(info: Any, attributes: Any, numeric: bool) -> str:
    text = ""
    rtt, mss, cwnd, pacing, most, delivery = SPEEDS(info)
    vegas = attributes.get("INET_DIAG_VEGASINFO")
    if vegas and vegas.get("tcpv_enabled") and vegas.get("tcpv_rtt", 0) not in (0, NO_VEGAS_RTT):
        rtt = vegas["tcpv_rtt"]
    if rtt and mss and cwnd:
        text += f" send {rate(float(cwnd) * float(mss) * 8000000.0 / rtt, numeric)}"
    text += _numbers(info, LAST_TIMES)
    if pacing and pacing != NO_RATE:
        text += f" pacing_rate {rate(pacing * 8.0, numeric)}"
        if most and most != NO_RATE:
            text += f"/{rate(most * 8.0, numeric)}"
    if delivery:
        text += f" delivery_rate {rate(delivery * 8.0, numeric)}"
    return text


def _counts(info: Any) -> str:
    text = _numbers(info, DELIVERED)
    limits, busy, window, buffer, shortest = COUNTS(info)
    if limits & 1:
        text += " app_limited"
    if busy:
        text += f" busy:{busy // 1000}ms"
        for name, limited in (("rwnd_limited", window), ("sndbuf_limited", buffer)):
            text += f" {name}:{limited // 1000}ms({100.0 * limited / busy:.1f}%)" if limited else ""
    trouble = TROUBLE(info)
    if trouble != NO_TROUBLE:
        text += _trouble(info, *trouble)
    text += _numbers(info, RECEIVED)
    if shortest not in (0, NO_RTT):
        text += f" minrtt:{shortest / 1000:g}"
    return text + _numbers(info, LAST)


def _trouble(info: Any, unacked: int, now: int, total: int, lost: int, sacked: int, *rest: int) -> str:
    """Return what most connections do not have: losses, duplicates, a changed order."""
    reordering, seen, rtt = rest[-3:]
    text = f" unacked:{unacked}" if unacked else ""
    text += f" retrans:{now}/{total}" if now or total else ""
    text += f" lost:{lost}" if lost else ""
    text += f" sacked:{sacked}" if sacked and info[STATE] != LISTENING else ""
    text += _numbers(info, DUPLICATES)
    text += f" reordering:{reordering}" if reordering != USUAL_REORDERING else ""
    text += f" reord_seen:{seen}" if seen else ""
    return text + (f" rcv_rtt:{rtt / 1000:g}" if rtt else "")
