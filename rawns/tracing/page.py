"""The calls of a traced program as one HTML page without references to anything outside it.

The page has a time line with a lane for each process and network namespace, and the list of calls.  A call unfolds to its
messages, and a message to its bytes.  Names and values stand once in a table of strings, and the bytes are rows of numbers
that the page's script turns into elements when they are unfolded.  All of it is compressed: 2,000 messages are below 3 MB.
"""

from __future__ import annotations

import base64
import html
import json
import os
import zlib

from .. import explain, nlmsg, nlmsg_spans
from ..errors import DecodeError, errno_name
from .text import BRIEF, Formatter, remainder
from .watch import NamespaceNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .record import TracedCall

MAX_CALLS = 100_000  # in a page
HEADERS = {  # in which header of the kernel names are that begin so; the first that fits counts
    "nlmsg_": "linux/netlink.h",
    "msg.": "linux/netlink.h",
    "NLMSGERR_": "linux/netlink.h",
    "IFLA_": "linux/if_link.h",
    "ifi_": "linux/rtnetlink.h",
    "VETH_": "linux/veth.h",
    "IFA_": "linux/if_addr.h",
    "ifa_": "linux/if_addr.h",
    "RTA_": "linux/rtnetlink.h",
    "RTAX_": "linux/rtnetlink.h",
    "rtm_": "linux/rtnetlink.h",
    "rtnh_": "linux/rtnetlink.h",
    "TCA_HTB_": "linux/pkt_sched.h",
    "TCA_TBF_": "linux/pkt_sched.h",
    "TCA_": "linux/rtnetlink.h",
    "tcm_": "linux/rtnetlink.h",
    "NDA_": "linux/neighbour.h",
    "ndm_": "linux/neighbour.h",
    "FRA_": "linux/fib_rules.h",
    "NHA_": "linux/nexthop.h",
    "NETCONFA_": "linux/netconf.h",
    "NETNSA_": "linux/net_namespace.h",
    "NFTA_": "linux/netfilter/nf_tables.h",
    "nfgen_": "linux/netfilter/nfnetlink.h",
    "INET_DIAG_": "linux/inet_diag.h",
    "idiag_": "linux/inet_diag.h",
    "udiag_": "linux/unix_diag.h",
    "UNIX_DIAG_": "linux/unix_diag.h",
    "CTRL_ATTR_": "linux/genetlink.h",
    "ETHTOOL_": "linux/ethtool_netlink.h",
    "WG": "linux/wireguard.h",
}


class Page:
    """Collects calls and writes the page."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._strings: dict[str, int] = {}
        self._lanes: dict[str, int] = {}
        self._calls: list[list[Any]] = []
        self._formatter = Formatter(BRIEF)
        self._here = NamespaceNames().of_thread(os.getpid())
        self._start = 0
        self.left_out = 0

    def add(self, call: TracedCall) -> None:
        """Take one call; those after the first `MAX_CALLS` are only counted."""
        if len(self._calls) >= MAX_CALLS:
            self.left_out += 1
            return
        self._start = self._start or call.time
        place = f" [{call.netns}]" if call.netns not in ("", self._here) else ""
        lane = self._lanes.setdefault(f"{call.program} {call.pid}{place}", len(self._lanes))
        result = f"-1 {errno_name(call.error)}" if call.error else "?" if call.unfinished else str(call.result)
        self._calls.append(
            [
                lane,
                (call.time - self._start) // 1000,
                call.nanoseconds // 1000,
                self._string(call.call),
                self._string(call.arguments),
                self._string(result),
                self._messages(call) if call.family else [],
            ]
        )

    def _string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def _messages(self, call: TracedCall) -> list[Any]:
        """Return for each message its line, its bytes in hexadecimal, and its rows: offset, length, depth, name, value."""
        found: list[Any] = []
        data = call.payload[: nlmsg_spans.ignored(call.payload)]
        spans, frames = nlmsg_spans.spans(data, explain.descriptions(call.protocol)), nlmsg.split(data)
        for (name, trace), frame in zip(spans, frames):
            line = self._formatter.title(call, name, frame, call.payload[frame.offset : frame.end], trace).strip()
            rows = [
                [row.offset - frame.offset, len(row.data), row.depth, self._string(row.name), self._string(row.text)]
                for row in explain.hex_rows(call.payload, trace, frame.end)
            ]
            found.append([self._string(line), call.payload[frame.offset : frame.end].hex(), rows])
        try:
            list(nlmsg.split(call.payload[len(data) :]))
        except DecodeError as error:
            found.append([self._string(remainder(call, error)), call.payload[len(data) :].hex(), []])
        return found

    def text(self) -> str:
        """Return the page."""
        data = {"lanes": list(self._lanes), "strings": list(self._strings), "calls": self._calls, "left_out": self.left_out}
        data["headers"] = list(HEADERS.items())
        packed = base64.b64encode(zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)).decode("ascii")
        title = html.escape(self._title)
        before, heading, script = PAGE.split("TITLE")
        return title.join([before, heading, script.replace("DATA", packed, 1)])


PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
:root { color-scheme: light dark; --line: #8884; --mark: #f6c34355; --bad: #d33; --call: #36c; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 0 auto; padding: 1em; max-width: 75em; }
h1 { font-size: 1.2em; overflow-wrap: anywhere; }
code, .c, .m, .b, table { font-family: ui-monospace, monospace; font-size: 13px; }
svg { width: 100%; display: block; border: 1px solid var(--line); }
svg rect { fill: var(--call); } svg rect.bad { fill: var(--bad); } svg text { font: 11px sans-serif; fill: currentColor; }
.c, .m { overflow-wrap: anywhere; cursor: pointer; border-top: 1px solid var(--line); padding: .2em 0; }
.m { margin-left: 1.5em; } .bad { color: var(--bad); } .t { opacity: .65; } .none { cursor: default; }
.b { margin-left: 1.5em; } .b span { padding: 0 .2em; display: inline-block; } .b span.on, tr.on { background: var(--mark); }
table { border-collapse: collapse; margin: .3em 0 .8em 1.5em; }
td { padding: 0 .6em 0 0; vertical-align: top; overflow-wrap: anywhere; }
input { font: inherit; width: 100%; box-sizing: border-box; margin: .6em 0; padding: .3em; }
@media (max-width: 40em) { .m, .b, table { margin-left: .3em; } }
</style>
<h1>TITLE</h1>
<p id="sum"></p><svg id="line"></svg>
<input id="find" placeholder="show only calls and messages that contain ..." aria-label="filter">
<div id="list"></div>
<script>
const list = document.getElementById("list"), packed = Uint8Array.from(atob("DATA"), c => c.charCodeAt(0));
new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"))).json().then(draw);
function draw(D) {
const S = D.strings;
const make = (tag, kind, text) => { const e = document.createElement(tag); if (kind) e.className = kind;
  if (text !== undefined) e.textContent = text; return e; };
const failed = c => S[c[5]].startsWith("-1") || c[6].some(m => S[m[0]].includes("refused"));
const time = us => us < 1000 ? us + " us" : (us / 1000).toFixed(us < 1e5 ? 2 : 0) + " ms";
const messages = D.calls.reduce((n, c) => n + c[6].length, 0);
document.getElementById("sum").textContent = D.calls.length + " calls, " + messages + " messages, " + D.lanes.length +
  " lanes" + (D.left_out ? ", " + D.left_out + " further calls left out" : "");
function bytes(m) {
  const box = make("div"), hex = make("div", "b"), table = make("table"), cells = [];
  for (let at = 0; at < m[1].length; at += 2) { const s = make("span", "", m[1].substr(at, 2)); cells.push(s); hex.append(s); }
  for (const [offset, length, depth, name, value] of m[2]) {
    const row = make("tr"), indent = "\\u00a0".repeat(2 * depth);
    row.append(make("td", "t", offset), make("td", "", indent + S[name]), make("td", "", S[value]));
    const mine = cells.slice(offset, offset + length);
    const light = on => { row.classList.toggle("on", on); mine.forEach(s => s.classList.toggle("on", on)); };
    for (const e of [row, ...mine]) {
      e.onmouseenter = e.onclick = () => light(true); e.onmouseleave = () => light(false);
    }
    const from = D.headers.find(([start]) => S[name].startsWith(start));
    for (const s of mine) s.title = S[name] + " " + S[value] + (from ? "  <" + from[1] + ">" : "");
    table.append(row);
  }
  box.append(hex, table); return box;
}
function fold(head, content) {
  let body = null;
  head.onclick = () => { if (body) { body.remove(); body = null; } else { body = content(); head.after(body); } };
  return head;
}
const texts = D.calls.map(c => [S[c[3]], S[c[4]], S[c[5]], D.lanes[c[0]], ...c[6].map(m => S[m[0]])].join(" ").toLowerCase());
function show(filter) {
  list.replaceChildren();
  let shown = 0;
  D.calls.forEach((c, n) => {
    if (filter && !texts[n].includes(filter) || shown++ > 5000) return;
    const head = make("div", "c" + (failed(c) ? " bad" : "")); head.id = "c" + n;
    head.append(make("span", "t", time(c[1]) + "  " + D.lanes[c[0]] + "  "),
      make("span", "", S[c[3]] + "(" + S[c[4]] + ") = " + S[c[5]]), make("span", "t", "  " + time(c[2])));
    const box = make("div"); box.append(head);
    for (const m of c[6]) {
      const kind = "m" + (S[m[0]].includes("refused") ? " bad" : "");
      box.append(fold(make("div", kind, S[m[0]]), () => bytes(m)));
    }
    list.append(box);
  });
}
const svg = document.getElementById("line"), NS = "http://www.w3.org/2000/svg", H = 22;
const end = Math.max(1, ...D.calls.map(c => c[1] + c[2]));
svg.setAttribute("height", H * D.lanes.length + 4);
D.calls.forEach((c, n) => {
  const r = document.createElementNS(NS, "rect");
  r.setAttribute("x", 100 * c[1] / end + "%"); r.setAttribute("height", H - 13);
  r.setAttribute("y", H * c[0] + 12); r.setAttribute("width", Math.max(0.15, 100 * c[2] / end) + "%");
  if (failed(c)) r.setAttribute("class", "bad");
  const t = document.createElementNS(NS, "title"); t.textContent = S[c[3]] + " at " + time(c[1]); r.append(t);
  r.onclick = () => {
    const e = document.getElementById("c" + n);
    if (e) e.scrollIntoView({behavior: "smooth", block: "center"});
  };
  svg.append(r); });
D.lanes.forEach((name, n) => {
  const t = document.createElementNS(NS, "text"); t.setAttribute("x", 2); t.setAttribute("y", H * n + 10);
  t.textContent = name; svg.append(t); });
document.getElementById("find").oninput = e => show(e.target.value.toLowerCase());
show("");
document.body.dataset.ready = "yes";
}
</script></html>
"""
