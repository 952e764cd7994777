"""`ip vrf`: devices that are routing tables of their own, and the processes bound to them (ip-vrf(8)).

`ip vrf exec` loads a program into the kernel and is not available.
"""

from __future__ import annotations

import os

from ... import rtnl, uapi
from ...nlmsg import Request
from .context import ObjectVerbs, complain, help_of
from .grammar import FAILED, CommandError, wrong
from .render import LINE_END, OutputRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext

TITLE = "Name              Table\n-----------------------\n"


def _table(link: Body | None) -> int:
    """Return the table of a VRF; 0 if the link is none."""
    info = (link or {}).get("IFLA_LINKINFO", {})
    if info.get("IFLA_INFO_KIND") != "vrf":
        return 0
    data = info.get("IFLA_INFO_DATA", {})
    return int(data.get("IFLA_VRF_TABLE", 0)) if isinstance(data, dict) else 0


def _is_vrf(name: str, ip: IpContext) -> bool:
    return _table(ip.link(ip.index_of(name) or -1)) != 0


ROWS = (OutputRow("IFLA_IFNAME", "name", "%-16s"), OutputRow("", "table", " %5s", lambda link, _, ip: _table(link)), LINE_END)


def show(args: Args) -> int:
    """List the VRFs, or show one."""
    ip = args.ip
    name = args.take() if args else ""
    if args:
        raise help_of("vrf")
    if name:
        if not _is_vrf(name, ip):
            raise CommandError("Invalid VRF")
        ip.write([f"{name} {_table(ip.link(ip.index_of(name)))}\n"])
        return 0
    kind = {"IFLA_INFO_KIND": "vrf"}
    request = Request(rtnl.GETLINK, {"IFLA_LINKINFO": kind, "IFLA_EXT_MASK": uapi.RTEXT_FILTER_VF}, uapi.NLM_F_DUMP)
    links = [reply.body for reply in ip.dump(request) if _table(reply.body)]
    if not ip.json:
        ip.write([TITLE])
    if links or ip.json:
        ip.print_rows(ROWS, links)
    else:
        ip.write(["No VRF has been configured\n"])
    return 0


def _association(pid: str) -> str:
    """Return the VRF that a process is bound to by its control group; empty if to none.  Raises OSError."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            _, found, rest = line.rstrip("\n").partition("/vrf/")
            if found:
                return rest
    return ""


def identify(args: Args) -> int:
    """Print the VRF that a process is bound to."""
    pid = args.take() if args else str(os.getpid())
    if args:
        raise wrong(args.take(), "Extra arguments specified\n")
    if not (pid.isascii() and pid.isdigit()):
        raise wrong(pid, "Invalid pid\n")
    try:
        name = _association(pid)
    except OSError as error:
        complain(f"Failed to lookup vrf association: {error.strerror}")
        return FAILED
    if name:
        args.ip.write([f"{name}\n"])
    return 0


def pids(args: Args) -> int:
    """Print the processes that are bound to a VRF."""
    words = list(args.words[args.at :])
    if len(words) != 1:
        raise CommandError("Invalid arguments", FAILED)
    if not _is_vrf(words[0], args.ip):
        raise CommandError("Invalid VRF name", FAILED)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if _association(pid) == words[0]:
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="surrogateescape") as comm:
                    args.ip.write([f"{pid:>5}  {comm.read().strip()}\n"])
        except OSError:
            continue  # it has ended meanwhile
    return 0


def execute(args: Args) -> int:
    """Refuse ``ip vrf exec``, which would need a program in the kernel (BPF); with ``default`` there is nothing to do."""
    if not args:
        raise CommandError("No VRF name specified", FAILED)
    name = args.take()
    if not args:
        raise CommandError("No command specified", FAILED)
    if name != "default" and not _is_vrf(name, args.ip):
        raise CommandError("Invalid VRF name")
    raise CommandError('"ip vrf exec" is not supported by rawns; bind the socket to the device instead (SO_BINDTODEVICE).')


run = ObjectVerbs("vrf", ("identify", identify), ("pids", pids), ("exec", execute), ("show|lst|list", show))
