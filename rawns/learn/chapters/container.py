"""A chapter of `rawns learn`: a container by hand."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution

PROGRAM = """\
import ctypes, os, socket, sys

libc = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUTS, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x10000000, 0x20000000, 0x40000000
BIND, REC, PRIVATE, DETACH = 4096, 16384, 1 << 18, 2


def call(name, *args):
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        sys.exit(f"{name}: {os.strerror(number)}")


def mount(source, target, kind, flags):
    call("mount", source.encode(), target.encode(), kind.encode(), flags, None)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


uid, gid, root = os.geteuid(), os.getegid(), os.path.abspath("root")
call("unshare", NEWUSER | NEWNS | NEWPID | NEWUTS | NEWNET)
write("/proc/self/setgroups", "deny")
write("/proc/self/uid_map", f"0 {uid} 1")      # user: root inside is this user outside
write("/proc/self/gid_map", f"0 {gid} 1")
child = os.fork()                              # pid: the first child is process 1 of it
if child > 0:
    write("pid", str(child))
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
socket.sethostname("box")                      # uts: the host name
mount("none", "/", "none", PRIVATE | REC)      # mount: what is mounted here stays here
os.makedirs(root, exist_ok=True)
mount("none", root, "tmpfs", 0)
for name in ("usr", "bin", "sbin", "lib", "lib64", "etc", "dev"):
    if os.path.islink(f"/{name}"):
        os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
    elif os.path.isdir(f"/{name}"):
        os.mkdir(f"{root}/{name}")
        mount(f"/{name}", f"{root}/{name}", "none", BIND | REC)
os.mkdir(f"{root}/proc")
mount("proc", f"{root}/proc", "proc", 0)       # a /proc that shows this pid namespace
os.chdir(root)
call("syscall", ctypes.c_long({"x86_64": 155, "aarch64": 41}[os.uname().machine]), b".", b".")  # pivot_root
call("umount2", b".", DETACH)                  # the old root is gone
os.chdir("/")
os.execvp(sys.argv[1], sys.argv[1:])           # net: lo only, until a link is added
"""

CHAPTER = Chapter(
    "container",
    "A container by hand",
    text="""\
The kernel knows no containers.  It knows namespaces of several types, and a
container is a process with its own of these: user (ids and capabilities), mount
(a root file system), pid (process 1), uts (the host name), network (engines add
ipc and cgroup).  One call of unshare() makes all of them: container.py in this
directory does that, in forty lines of Python without a library.

  python3 container.py COMMAND     run it: `python3 container.py sh`
  lsns                             lists the namespaces of processes
  ip link add A type veth peer name B netns PID
  nsenter --net --target PID COMMAND    run in its network namespace
  cat pid                          its number, which container.py has written

The network namespace of the container has lo only, and no name.  Here, it is
given by the number of a process in it.  What a container engine adds to all
this: images, a limit of resources (cgroups), and a filter of system calls.""",
    picture="""\
    this shell                    the container "box"
    +------------------+          +------------------------+
    | 10.0.0.1/24   v1 |==========| eth0   10.0.0.2/24     |
    +------------------+          | user mnt pid uts net   |
                                  +------------------------+""",
    task="Start `sleep 1000` in a container, in the background.  Connect it by a veth pair, v1 here and eth0 in it; ping it.",
    goals=(
        Goal("a process has its own user, mount, pid, uts and network namespaces, and the host name box", goals.container("box")),
        Goal("v1 here is up, and has a carrier", goals.up("", "v1")),
        Goal("v1 here has 10.0.0.1/24", goals.address("", "v1", "10.0.0.1/24")),
        Goal("the container answers at 10.0.0.2", goals.reaches("", "10.0.0.2")),
    ),
    hints=(
        "`python3 container.py sleep 1000 &`; the file pid then holds its number.",
        "`ip link add v1 type veth peer name eth0 netns $(cat pid)` makes the cable.",
        "v1 here: `ip addr add 10.0.0.1/24 dev v1`, `ip link set v1 up`.",
        "eth0 there: the same commands after `nsenter --net --target $(cat pid)`.",
    ),
    solutions=(
        Solution(
            "python3 container.py sleep 1000 &",
            "until [ -s pid ]; do :; done",
            "ip link add v1 type veth peer name eth0 netns $(cat pid)",
            "ip addr add 10.0.0.1/24 dev v1 && ip link set v1 up",
            "nsenter --net --target $(cat pid) ip addr add 10.0.0.2/24 dev eth0",
            "nsenter --net --target $(cat pid) ip link set eth0 up",
            "ping -c 1 10.0.0.2",
            needs=("nsenter",),
        ),
    ),
    kinds=("veth",),
    files={"container.py": PROGRAM},
)
