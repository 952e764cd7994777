"""Numbers of `rawns.tracing` compared with what the C compiler makes of the kernel's headers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rawns import genl, sock_diag, socket_names
from rawns.genl import ethtool, wireguard
from rawns.nft import messages, more_messages
from rawns.tracing import architectures, constants, names, ptrace, sockets
from rawns.wire import Attrs, Layout, Repeated, SubMessage

COMPILER = os.environ.get("CC", "cc")
PROGRAM = """
#define _GNU_SOURCE
#include <stdio.h>
#include <sched.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <linux/if_tun.h>
#include <linux/if.h>
#include <linux/ip.h>
#include <linux/in6.h>
#include <linux/if_tunnel.h>
#include <linux/nsfs.h>
#include <sys/socket.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <linux/prctl.h>
#include <asm/unistd.h>
#include <linux/genetlink.h>
#include <linux/ethtool_netlink.h>
#include <linux/wireguard.h>
#include <netinet/tcp.h>
#include <linux/sock_diag.h>
#include <linux/inet_diag.h>
#include <linux/unix_diag.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/elf.h>
#include <stddef.h>
#ifdef __x86_64__
#include <sys/user.h>
#define ORIG_RAX_OFFSET offsetof(struct user_regs_struct, orig_rax)
#define RAX_OFFSET offsetof(struct user_regs_struct, rax)
#else
#define ORIG_RAX_OFFSET 120
#define RAX_OFFSET 80
#endif
#define NO_CALL (-1)
#define MNT_FORCE 1
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8
#define BPF_LD_W_ABS (BPF_LD | BPF_W | BPF_ABS)
#define BPF_AND_K (BPF_ALU | BPF_AND | BPF_K)
#define BPF_JEQ_K (BPF_JMP | BPF_JEQ | BPF_K)
#define BPF_JGE_K (BPF_JMP | BPF_JGE | BPF_K)
#define BPF_RET_K (BPF_RET | BPF_K)
#define WAIT_ALL __WALL
#define WAIT_OWN_THREAD __WNOTHREAD
int main(void) {
%s
return 0; }
"""


def printed(names: list[str], directory: Path) -> dict[str, int]:
    """The values of C expressions, by the compiler."""
    source, program = directory / "p.c", directory / "p"
    source.write_text(PROGRAM % "\n".join(f'printf("%s %lld\\n", "{name}", (long long)({name}));' for name in names))
    try:
        done = subprocess.run([COMPILER, "-w", "-o", program, source], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip(f"no {COMPILER} here")
    assert done.returncode == 0, done.stderr
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: int(value) for name, value in (line.rsplit(maxsplit=1) for line in lines)}


def test_numbers_are_those_of_the_headers(tmp_path: Path) -> None:
    ours = {name: number for name, number in vars(constants).items() if name.isupper()}
    other = names.OPEN_FLAGS_X86 if os.uname().machine == "aarch64" else names.OPEN_FLAGS_ARM
    tables = [(word, table) for module in (names, socket_names) for word, table in vars(module).items()]
    for table in (table for word, table in tables if word.isupper() and word[0] != "_" and table is not other):
        ours.update({name: number for number, name in table.items()})
    for table in (sock_diag.SHOWN_UNIX, sock_diag.SHOWN_NETLINK, sock_diag.SHOWN_PACKET):
        ours.update({name: number for number, name in table.items()})
    ours.update({f"TCP_{name}": number for number, name in enumerate(sock_diag.STATES, 1)})
    ours.update({f"1 << ({name} - 1)": bit for bit, name in sock_diag.SHOWN_INET.items()})
    ours.update({name: number for number, name in genl.ATTRIBUTE_TYPES.items() if number < 16})  # SINT and UINT: since Linux 6.7
    ours.update({name: number for number, name in genl.OPERATION_FLAGS.items()})
    del ours["O_LARGEFILE"]  # which the C library defines as 0 if all files may be large
    ours["NO_CALL"] -= 1 << 64  # as the compiler's signed number
    ours["__NR_pidfd_getfd"] = sockets.PIDFD_GETFD
    for one in (architectures.X86_64, architectures.I386, architectures.AARCH64):
        ours[f"AUDIT_ARCH_{one.name.upper()}"] = one.audit
    ours["sizeof(struct ptrace_syscall_info) <= 96"] = ptrace.INFO_BYTES <= 96
    assert printed(list(ours), tmp_path) == ours


def attributes(description: object, seen: dict[str, int]) -> dict[str, int]:
    """The numbers of all named attributes that a description leads to."""
    if isinstance(description, (Layout, Repeated, SubMessage)):
        for slot in ("attrs", "kind", "cases"):
            attributes(getattr(description, slot, None), seen)
    elif isinstance(description, dict):
        for one in description.values():
            attributes(one, seen)
    elif isinstance(description, Attrs):
        for name, (number, kind) in description.names.items():
            if name not in seen:
                seen[name] = number
                attributes(kind, seen)
        attributes(getattr(description, "kind", None), seen)
    return seen


def test_numbers_of_foreign_families_are_those_of_the_headers(tmp_path: Path) -> None:
    ours: dict[str, int] = {}
    for request, answer in sock_diag.LAYOUTS.values():
        attributes(request, ours), attributes(answer, ours)
    attributes(genl.CONTROL, ours)
    for commands in (wireguard.BODY.requests, ethtool.BODY.requests, ethtool.BODY.answers):
        for number, (name, attrs) in commands.items():
            ours[name] = number
            attributes(attrs, ours)
    attributes(more_messages.LAYOUTS, ours)
    attributes(more_messages.ELEMENT, ours)
    attributes({name: messages.EXPRESSIONS[name] for name in more_messages.MORE_EXPRESSIONS}, ours)
    ours.update({f"NFT_MSG_{name}": number for number, name in enumerate(more_messages.TYPE_NAMES) if name != "GETRULE_RESET"})
    ours.update({name: number for number, name in genl.CONTROL_COMMANDS.items()})
    ours.update(GENL_ID_CTRL=16, SOCK_DIAG_BY_FAMILY=sock_diag.SOCK_DIAG_BY_FAMILY, SOCK_DESTROY=sock_diag.SOCK_DESTROY)
    for name in ("NFTA_SET_TYPE", "NFTA_SET_COUNT"):  # of Linux 6.16
        del ours[name]
    assert len(ours) > 300
    assert printed(list(ours), tmp_path) == ours


@pytest.mark.parametrize(
    ("one", "header"),
    [
        (architectures.X86_64, "asm/unistd_64.h"),
        (architectures.I386, "asm/unistd_32.h"),
        (architectures.AARCH64, "asm-generic/unistd.h"),
    ],
    ids=["x86_64", "i386", "aarch64"],
)
def test_call_numbers_are_those_of_the_headers(one: architectures.Architecture, header: str) -> None:
    try:
        done = subprocess.run(
            [COMPILER, "-E", "-dM", "-"],
            input=f"#define __ARCH_WANT_SYS_CLONE3\n#include <{header}>\n",
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip(f"no {COMPILER} here")
    if done.returncode:
        pytest.skip(f"no <{header}> here")
    words = [line.split() for line in done.stdout.splitlines() if line.startswith("#define __NR")]
    numbers = {word[1].replace("__NR3264_", "__NR_"): word[2] for word in words if word[2].isdecimal()}
    assert {name: number for number, name in one.calls.items()} == {
        name: int(numbers[f"__NR_{name}"]) for name in one.calls.values()
    }
