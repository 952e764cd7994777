"""The netlink sockets on a real kernel: replies of any size, lists that change while they are read, forks.

Expected values come from the kernel and the real `ip`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from conftest import PROJECT

from rawns import NetNS, Observer, observed, rtnl, uapi
from rawns.net import Net
from rawns.netlink import Netlink
from rawns.nlmsg import Request
from rawns.objects import link as links

RUNS_IP = pytest.mark.skipif(shutil.which("ip") is None, reason="there is no `ip` here")
LINKS, PAIRS_PER_SECOND = 1200, 20


@pytest.fixture
def ns(netns: NetNS) -> NetNS:
    return netns


def listed(ns: NetNS) -> list[str]:
    """The names of all links, as the real `ip` lists them."""
    done = ns.run(["ip", "-j", "link"], stdout=subprocess.PIPE, check=True)
    return [one["ifname"] for one in json.loads(done.stdout)]


# -- flags ------------------------------------------------------------------------------------------------------------


def test_a_creation_that_replaces_and_excludes_is_no_list(ns: NetNS) -> None:
    """NLM_F_REPLACE and NLM_F_EXCL are the bits of NLM_F_DUMP; the kernel acknowledges a creation only if that is asked for."""
    flags = uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE | uapi.NLM_F_EXCL
    body = {"ifa_family": uapi.AF_INET, "ifa_prefixlen": 24, "ifa_index": 1, "IFA_LOCAL": "10.9.9.1"}
    assert ns.net.netlink.do(Request(rtnl.NEWADDR, body, flags)) == [[]]
    assert "10.9.9.1" in [one.address for one in ns.net.addresses("lo")]


# -- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [240, 496])
def test_a_link_with_hundreds_of_names_is_listed_with_all_others(ns: NetNS, count: int) -> None:
    """240 names made a link longer than the dump's datagrams, 496 longer than a buffer of 64 KiB."""
    ns.net.add_veth("before", "other")
    ns.net.add_veth("many", "after")
    names = [f"{number:0123d}" for number in range(count)]
    for start in range(0, count, 100):
        ns.net.add_altname("many", *names[start : start + 100])
    found = {link.name: link for link in ns.net.links()}
    assert set(found) == {"lo", "before", "other", "many", "after"} == {link.name for link in ns.net.links("veth")} | {"lo"}
    assert found["many"].altnames == names == ns.net.link("many").altnames
    assert ns.net.index(names[-1]) == found["many"].index
    brief = ns.net.netlink.dump(links.brief("IFLA_IFNAME"))
    assert [reply.body["IFLA_IFNAME"] for reply in brief] == [link.name for link in ns.net.links()]


@RUNS_IP
def test_rawns_ip_lists_it_as_ip_does(ns: NetNS) -> None:
    ns.net.add_veth("many", "after")
    for start in range(0, 496, 62):
        ns.net.add_altname("many", *[f"{number:0123d}" for number in range(start, start + 62)])
    ours = ns.run([sys.executable, "-m", "rawns", "ip", "-j", "link"], cwd=PROJECT, stdout=subprocess.PIPE, check=True)
    theirs = ns.run(["ip", "-j", "link"], stdout=subprocess.PIPE, check=True)
    assert json.loads(ours.stdout) == json.loads(theirs.stdout)


def test_an_event_longer_than_64_kib(ns: NetNS) -> None:
    ns.net.add_veth("many", "after")
    with ns.monitor("link") as monitor:
        for start in range(0, 496, 62):
            ns.net.add_altname("many", *[f"{number:0123d}" for number in range(start, start + 62)])
        ns.net.set_link("many", mtu=1400)
        events = monitor.receive(5)
    assert len(events[-1].body["IFLA_PROP_LIST"]["IFLA_ALT_IFNAME"]) == 496 and events[-1].body["IFLA_MTU"] == 1400


# -- a machine that is never at rest ------------------------------------------------------------------------------------


class Traffic:
    """Creates and deletes veth pairs at a steady pace in a process of its own, until the end of the block."""

    SCRIPT = (
        "import sys, time, itertools; from rawns import NetNS\n"
        "net = NetNS.open(pid=int(sys.argv[1])).net; pause = 1 / float(sys.argv[2]); print(flush=True)\n"
        "for number in itertools.count():\n"
        "    net.add_veth(f'x{number}', f'y{number}'); time.sleep(pause / 2)\n"
        "    net.delete_link(f'x{number}'); time.sleep(pause / 2)\n"
    )

    def __init__(self, ns: NetNS, pairs_per_second: float) -> None:
        self.ns, self.pace = ns, str(pairs_per_second)

    def __enter__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        self.holder = self.ns.popen(["sleep", "600"])
        argv = [sys.executable, "-c", self.SCRIPT, str(self.holder.pid), self.pace]
        self.process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def __exit__(self, *exc: object) -> None:
        for process in (self.process, self.holder):
            process.kill()
            process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def lasting(ns: NetNS) -> list[str]:
    """1,201 links that stay."""
    ns.net.do(*[links.veth(f"a{number}", f"b{number}") for number in range(LINKS // 2)])
    return sorted(["lo", *[f"{end}{number}" for number in range(LINKS // 2) for end in "ab"]])


@pytest.mark.parametrize("pace", [PAIRS_PER_SECOND, 1000])
def test_a_large_list_that_changes_all_the_time(ns: NetNS, pace: float) -> None:
    """At 20 pairs a second the answer is consistent; at any pace all links that stay are in it."""
    expected = lasting(ns)
    with Traffic(ns, pace):
        answers = [ns.net.links() for _ in range(15)]
        addresses = [ns.net.addresses() for _ in range(15)]
    for answer in answers:
        assert sorted({link.name for link in answer if link.name[0] in "labl"}) == expected
    if pace == PAIRS_PER_SECOND:
        assert (
            sum(answer.complete for answer in answers) + sum(answer.complete for answer in addresses) >= 28
        )  # of 30; a machine may be busier than that


def test_a_stream_says_at_its_end_whether_it_was_interrupted(ns: NetNS) -> None:
    """The list changes between two of its datagrams, for certain: the reader changes it."""
    expected = lasting(ns)
    with ns.net.netlink.stream(links.dump()) as stream:
        found = [reply.body["IFLA_IFNAME"] for reply in stream]
        assert sorted(found) == expected and stream.complete
    seen = set()
    with ns.net.netlink.stream(links.dump()) as stream:
        for number, reply in enumerate(stream):
            if number % 100 == 0:
                ns.net.add_veth(f"x{number}", f"y{number}")  # another conversation in between, by the first socket
            seen.add(reply.body["IFLA_IFNAME"])
        assert not stream.complete and set(expected) <= seen


def test_a_stream_that_is_not_read_to_its_end(ns: NetNS) -> None:
    lasting(ns)
    for _ in range(50):
        with ns.net.netlink.stream(links.dump()) as stream:
            assert next(iter(stream)).body["IFLA_IFNAME"] == "lo"
    assert len(ns.net.links()) == LINKS + 1


# -- forks --------------------------------------------------------------------------------------------------------------

INHERITED: dict[str, object] = {}


def names_in_child(number: int) -> list[str]:
    net = INHERITED["net"]
    assert isinstance(net, Net)
    found = [[link.name for link in net.links()] for _ in range(5)]
    assert all(one == found[0] for one in found)
    return found[0]


@RUNS_IP
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork in a process with threads
def test_forked_workers_list_links_while_their_parent_does(ns: NetNS) -> None:
    for number in range(100):
        ns.net.add_veth(f"a{number}", f"b{number}")
    expected = listed(ns)
    INHERITED["net"] = ns.net
    assert [link.name for link in ns.net.links()] == expected
    with multiprocessing.get_context("fork").Pool(3) as pool:
        pending = pool.map_async(names_in_child, range(12))
        while not pending.ready():
            assert [link.name for link in ns.net.links()] == expected
        assert pending.get() == [expected] * 12
        pool.close()
        pool.join()


def forked(function: Callable[[], object]) -> str:
    """What a function returns in a forked child, as text; '' if it ended otherwise."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, repr(function()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text


class Sockets(Observer):
    """Counts the sockets that are opened."""

    def __init__(self) -> None:
        self.opened = 0

    def before(self, call: str, arguments: str) -> None:
        self.opened += call == "socket"


def test_each_kind_of_socket_is_opened_anew_in_a_child(ns: NetNS) -> None:
    ns.net.add_veth("a", "b")
    ns.nft.netfilter  # noqa: B018 (opens it)
    with ns.monitor("link") as monitor:
        own = {one: os.readlink(f"/proc/self/fd/{one.fileno()}") for one in (ns.net.netlink, ns.nft.netfilter, monitor)}

        def child() -> object:
            now = [os.readlink(f"/proc/self/fd/{one.fileno()}") for one in own]
            return sorted(link.name for link in ns.net.links()), ns.nft.chains(), len({*own.values(), *now})

        assert forked(child) == repr((["a", "b", "lo"], [], 6))
        assert {one: os.readlink(f"/proc/self/fd/{one.fileno()}") for one in own} == own
        ns.net.set_link("a", up=True)
        assert monitor.receive(5)


def test_a_child_of_a_fork_loses_no_event_unnoticed(ns: NetNS) -> None:
    ns.net.add_veth("a", "b")
    with ns.monitor("link") as monitor:

        def child() -> object:
            try:
                monitor.receive()
            except Exception as error:
                told = str(error)
            ns.net.set_link("a", mtu=1400)
            return told, [event.body["IFLA_MTU"] for event in monitor.receive(5)][-1:]

        assert forked(child) == repr(("events were lost: this process was forked after the monitor was opened", [1400]))
        assert monitor.receive(5), "the parent has its events"


def test_a_lock_that_another_thread_holds_at_the_fork(ns: NetNS) -> None:
    """The child has no such thread: a lock it inherited would never be free."""
    net = ns.net
    with net.netlink._lock:
        assert forked(lambda: [link.name for link in net.links()]) == "['lo']"


def test_a_closed_socket_stays_closed_in_a_child(ns: NetNS) -> None:
    with ns.entered():
        netlink = Netlink()
    netlink.close()
    assert forked(netlink.fileno) == "-1"


def test_without_a_fork_no_socket_is_opened(ns: NetNS) -> None:
    ns.net.links()
    with observed(Sockets()) as sockets:
        ns.net.links()
        ns.net.index("lo")
    assert isinstance(sockets, Sockets) and sockets.opened == 0


def test_an_ordinary_user_forks(ordinary: object) -> None:
    """Without privileges for the namespace it is in, a child can still open its own socket there."""
    from conftest import Ordinary

    assert isinstance(ordinary, Ordinary)
    script = (
        "import os; from rawns.net import Net; from rawns.netlink import Netlink\n"
        "net = Net(Netlink()); before = [link.name for link in net.links()]\n"
        "pid = os.fork()\n"
        "if pid == 0: os._exit(0 if [link.name for link in net.links()] == before else 1)\n"
        "print(os.waitpid(pid, 0)[1])\n"
    )
    done = ordinary.run([ordinary.python, "-W", "ignore", "-c", script])
    assert done.stdout == "0\n"
