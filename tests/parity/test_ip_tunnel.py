"""`rawns ip tunnel` beside the real one.

This kernel has no tunnels.  So a library that both programs are made to load (`tunnel_ioctls.c`) answers their requests, and
notes them: what is compared is each byte that they ask for, and what they print of the same answers.
"""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from universe import PROJECT, PYTHON, REAL, SERVER, Both, two_universes  # noqa: F401 (the fixture `both`)

GET, GET_ROUTERS, GET_6RD = 0x89F0, 0x89F4, 0x89F8
INVALID = b"E22"
LINKS = "gre1=778 gre2=778 ipip1=768 sit1=776 isatap1=776 gone=778 vti1=768 t6=769 g6=823 g7=823 t7=769 odd=778"
# In a universe: make tap devices of the type of tunnels, which is what a list of tunnels looks for.
MAKE_LINKS = """
import fcntl, os, struct, sys
for name, kind in (word.split("=") for word in sys.argv[1:]):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))  # TUNSETIFF
    fcntl.ioctl(fd, 0x400454CD, int(kind))  # TUNSETLINK
    fcntl.ioctl(fd, 0x400454CB, 1)  # TUNSETPERSIST
"""


def numbers(form: str, text: str) -> bytes:
    return struct.pack(form, *(int(word, 0) for word in text.split()))


def ipv4(name: str, protocol: int, keys: str = "0 0 0 0", ttl: int = 0, tos: int = 0, frag: int = 0x4000, link: int = 0) -> bytes:
    """Return a struct ip_tunnel_parm; ``keys`` are i_flags, o_flags, i_key and o_key."""
    head = name.encode().ljust(16, b"\0") + struct.pack("=i", link) + numbers("!HHII", keys)
    ends = "10.0.0.1 10.0.0.2" if link else "0.0.0.0 10.0.0.9" if protocol == 4 else "0.0.0.0 0.0.0.0"
    return (
        head + struct.pack("!BBHHHBBH", 0x45, tos, 0, 0, frag, ttl, protocol, 0) + b"".join(map(socket.inet_aton, ends.split()))
    )


def ipv6(name: str, protocol: int, flags: int = 0, flow: int = 0, hops: int = 64, keys: str = "0 0 0 0", link: int = 0) -> bytes:
    """Return a struct ip6_tnl_parm2."""
    head = name.encode().ljust(16, b"\0") + struct.pack("=iBBBx", link, protocol, 5, hops)
    ends = b"".join(socket.inet_pton(socket.AF_INET6, end) for end in ("fd00::1", "fd00::2" if link else "::"))
    return (
        head
        + struct.pack("!I", flow)
        + struct.pack("=I", flags)
        + ends
        + struct.pack("!HHII", *(int(key, 0) for key in keys.split()))
    )


def answer(request: int, name: str, data: bytes) -> str:
    return f"{request:x} {name} {data.decode() if data == INVALID else data.hex()}\n"


def answers() -> str:
    """Return what the library answers, a line for each request and device."""
    router = socket.inet_aton("10.0.0.5") + struct.pack("=HHII", 1, 0, 0, 0) + socket.inet_aton("10.0.0.6") + bytes(12)
    prefix = socket.inet_pton(socket.AF_INET6, "2002::") + socket.inet_aton("10.1.0.0") + struct.pack("=HH", 16, 8)
    tunnels = [
        ipv4("gre1", 47, "0xb000 0xb000 7 7", 5, 0x11, link=1),
        ipv4("gre2", 47, "0x2000 0x3000 7 8", 0, 0x10, 0),
        ipv4("gre0", 47, "0x2000 0 7 0", 0, 1),
        ipv4("ipip1", 4, ttl=255),
        ipv4("tunl0", 4),
        ipv4("vti1", 4, "0x2100 0x2000 3 3"),
        ipv4("sit1", 41, ttl=64),
        ipv4("sit0", 41),
        ipv4("isatap1", 41, "0x0100 0 0 0"),
        ipv4("odd", 99),
        ipv6("t6", 41, link=1),
        ipv6("t7", 4, 1 | 2 | 4 | 0x10 | 0x40, 0x12345678, 0),
        ipv6("g6", 47, 0, 0x02012345, 6, "0xb000 0xb000 5 6"),
        ipv6("g7", 47, 0, 0x02012345, 6, "0x2000 0x2000 5 5"),
        ipv6("any0", 0),
    ]
    found = [answer(GET, tunnel[:16].rstrip(b"\0").decode(), tunnel) for tunnel in tunnels]
    found += [answer(GET_6RD, "sit1", prefix), answer(GET_6RD, "isatap1", INVALID), answer(GET_6RD, "sit0", INVALID)]
    return "".join([*found, answer(GET_ROUTERS, "isatap1", bytes(16) + router)])


LINES = """
tunnel help
-6 tunnel help
tunnel add help
-0 tunnel
-M tunnel help
tunnel frob
-6 tunnel frob
tunl
tunnel
-s tunnel
-s -o tunnel
-j tunnel
-j -p tunnel
-c=always tunnel
-r tunnel
-N tunnel
-d tunnel list
-4 tunnel lst
-6 tunnel
-6 -s tunnel
-6 -j -p tunnel
-6 -c=always -o tunnel
tunnel show gre1
tunnel show gre2
-j tunnel show gre1
-c=always tunnel show gre2
-o -s tunnel show gre1
tunnel show ipip1
tunnel show vti1
tunnel show sit1
tunnel show isatap1
tunnel show odd
tunnel show nope
tunnel show grenope
tunnel show mode gre
tunnel show mode ipip
tunnel show mode sit
tunnel show mode vti
tunnel show remote 10.0.0.9
tunnel show local 10.0.0.1
tunnel show dev lo
tunnel show dev nope
tunnel show key 7
tunnel show name ipip1 remote 10.0.0.9
-6 tunnel show t6
-6 tunnel show t7
-6 -s tunnel show g6
-6 -j tunnel show g6
-6 tunnel show any0
-6 tunnel show nope
-6 tunnel show mode ip6gre
-6 tunnel show hoplimit 6
-6 tunnel show encaplimit 5
-6 tunnel show tclass 0x20
-6 tunnel show flowlabel 0x12345
-6 tunnel show remote fd00::2
-6 tunnel show dscp inherit
-6 tunnel show dev lo
tunnel add gre1 mode gre remote 10.0.0.2 local 10.0.0.1 ttl 5 key 7 seq icsum dev lo
tunnel add name x mode gre/ip remote any local any ikey 1.2.3.4 okey 5 oseq csum tos inherit
tunnel add ipip1 remote 10.0.0.2 tos inherit/0x10 nopmtudisc
tunnel add ipip1 remote 10.0.0.2 dsfield 0x10 pmtudisc hoplimit inherit
tunnel add x mode vti ikey 1.2.3.4 okey 5
tunnel add vti9 key 4
tunnel add x mode isatap local 10.0.0.1
tunnel add isatap9 local 10.0.0.1
tunnel add sit9 ttl 255
tunnel add gre9 remote 239.1.1.1 local 10.0.0.1
tunnel add gre9 remote 239.1.1.1
tunnel add gre9 ttl 5 nopmtudisc
tunnel add ipip9 key 5
tunnel add foo
tunnel add
tunnel add mode gre
tunnel add mode frob x
tunnel add mode gre mode ipip x
tunnel add mode
tunnel add gre1 gre2
tunnel add gre1 name gre2
tunnel add aaaaaaaaaaaaaaaaaaaa mode gre
tunnel add a/b mode gre
tunnel add gre1 ttl 256
tunnel add gre1 ttl x
tunnel add gre1 tos x
tunnel add gre1 tos inherit/x
tunnel add gre1 key x
tunnel add gre1 key 1.2.3.x
tunnel add gre1 remote x
tunnel add gre1 local fd00::1
tunnel add gre1 remote
tunnel add gre1 dev nope
tunnel change gre1 ttl 9
tunnel change gre1 mode gre tos 0x20 nopmtudisc
tunnel change nope mode gre
tunnel change mode gre name gre1
tunnel change isatap1 ttl 3
tunnel chg gre1
tunnel del gre1
tunnel delete foo
tunnel del mode ipip
tunnel del
tunnel prl prl-default 10.0.0.1 dev sit1
tunnel prl prl-nodefault 10.0.0.1 dev sit1
tunnel prl prl-delete 10.0.0.1 dev sit1
tunnel prl prl-default 10.0.0.1 prl-delete 10.0.0.1 dev sit1
tunnel prl dev sit1
tunnel prl prl-default 10.0.0.1
tunnel prl prl-default x dev sit1
tunnel prl frob
tunnel prl dev aaaaaaaaaaaaaaaaaaaa
tunnel 6rd 6rd-prefix 2002::/16 6rd-relay_prefix 10.0.0.0/8 dev sit1
tunnel 6rd 6rd-reset dev sit1
tunnel 6rd 6rd-prefix x dev sit1
tunnel 6rd dev sit1
tunnel 6rd 6rd-reset
tunnel 6rd frob
-6 tunnel add t6 mode ip6ip6 remote fd00::1 local fd00::2 encaplimit 5
-6 tunnel add g9 mode ip6gre remote fd00::1 encaplimit none tclass 0x20 flowlabel inherit dscp inherit allow-localremote
-6 tunnel add v9 mode vti6 local fd00::1 key 7 noallow-localremote
-6 tunnel add t9 mode any hoplimit 3 fl 12 tc 5 dev lo
-6 tunnel add t9 mode ipip6 seq ocsum tclass inherit
-6 tunnel add t9
-6 tunnel add t9 mode gre
-6 tunnel add t9 hoplimit x
-6 tunnel add t9 tclass xyz
-6 tunnel add t9 flowlabel 0x100000
-6 tunnel add t9 dscp 4
-6 tunnel add t9 remote 10.0.0.1
-6 tunnel add t9 remote any
-6 tunnel add t9 dev nope
-6 tunnel add t9 t10
-6 tunnel add aaaaaaaaaaaaaaaaaaaa
tunnel add mode ip6gre name g9
-6 tunnel del t9
-6 tunnel del g9 mode ip6gre
-6 tunnel change t6 hoplimit 4 encaplimit none
-6 tunnel change nope
-6 tunnel prl
""".strip().splitlines()


@pytest.fixture(scope="module", name="library")
def answering_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library that answers the requests."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library = tmp_path_factory.mktemp("tunnels") / "tunnel_ioctls.so"
    source = Path(__file__).parent / "tunnel_ioctls.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library


def ask(server: subprocess.Popen[bytes], argv: list[str], environment: dict[str, str], ours: bool) -> dict[str, object]:
    """Run a program by `fork_server.py`."""
    assert server.stdin is not None and server.stdout is not None
    request = {"ours": ours, "argv": ["ip" if ours else REAL, *argv], "input": "", "env": environment}
    server.stdin.write(json.dumps(request).encode() + b"\n")
    server.stdin.flush()
    answer: dict[str, object] = json.loads(server.stdout.readline())
    return answer


def test_the_same_requests_and_the_same_output(both: Both, library: Path, tmp_path: Path) -> None:
    (tmp_path / "answers").write_text(answers())
    log = tmp_path / "log"
    environment = {"LD_PRELOAD": str(library), "RT_TUNNEL_LOG": str(log), "RT_TUNNEL_ANSWERS": str(tmp_path / "answers")}
    command = ["env", f"LD_PRELOAD={library}", PYTHON, "-I", "-S", str(SERVER), str(PROJECT)]
    servers = []
    for universe in (both.real, both.ours):
        done = universe.run([sys.executable, "-c", MAKE_LINKS, *LINKS.split()])
        if done.returncode:
            pytest.skip(f"no device can be made here: {done.stderr.decode().splitlines()[-1]}")
    try:
        servers = [universe.start(command) for universe in (both.real, both.ours)]
        assert all(server.stdout is not None and server.stdout.readline() == b"ready\n" for server in servers)
        found = []
        for line in LINES:
            results = []
            for server, ours in zip(servers, (False, True)):
                log.write_text("")
                results.append((ask(server, shlex.split(line), environment, ours), log.read_text()))
            if results[0] != results[1]:
                found.append(f"ip {line}\n   real: {results[0]}\n   ours: {results[1]}")
        assert not found, "\n".join(found)
    finally:
        for server in servers:
            server.communicate()
