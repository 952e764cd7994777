"""`ip netns`: names for network namespaces, and processes inside them (ip-netns(8))."""

from __future__ import annotations

import os
from errno import EEXIST, ENOENT

from ... import rtnl, syscalls, uapi
from ...errors import InvalidValue, KernelError, SyscallError
from ...netns import Namespace
from ...netns_names import HERE, NETNS_DIR, SAFE_OPEN
from ...netns_processes import enter_mounts
from ...nlmsg import Request
from .arguments import integer
from .context import ObjectVerbs, complain, complaint, help_of, reason
from .grammar import FAILED, CommandError, duplicate, late, parsed, wrong
from .render import OutputField, OutputRow, document, fields, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, IpContext, Iterable

# -- names --------------------------------------------------------------------------------------------------------


def _valid(name: str) -> bool:
    size = len(name.encode("utf-8", "surrogateescape"))
    return 0 < size <= 255 and "/" not in name and "\0" not in name and name not in (".", "..")


def _all_names() -> list[str]:
    """Return every name, in the order of the directory."""
    try:
        return syscalls.listdir(NETNS_DIR)
    except SyscallError:
        return []


def _name(args: Args, missing: str = "No netns name specified") -> str:
    if not args:
        raise CommandError(missing, FAILED)
    return args.take()


def _no_more(args: Args) -> None:
    if args:
        raise CommandError("extra arguments specified", FAILED)


# -- list ---------------------------------------------------------------------------------------------------------

NAME = OutputRow("name", "name", "%s")
ID = OutputRow("id", "id", " (id: %d)", lambda value, record, ip: value if value >= 0 else None)


def _assigned(value: int, record: dict[str, Any], ip: IpContext) -> int | None:
    return None if ip.json and value < 0 else value


def _nsid_text(value: int, record: dict[str, Any], ip: IpContext) -> str:
    return "unassigned" if value < 0 else str(value)


NSID = (
    OutputRow("nsid", "nsid", "nsid %s ", _assigned, _nsid_text),
    OutputRow("current", "current-nsid", "current-nsid %s ", _assigned, _nsid_text),
)
KNOWN_AS = (OutputRow("name", "name", "(iproute2 netns name: %s)"),)


def _ids(ip: IpContext, times: int) -> dict[str, int]:
    """Return the id of each name.  The error for a stale one is printed ``times`` times, as iproute2 does."""
    found = dict(ip.nsids())
    errors = [complaint(error) for error in found.values() if isinstance(error, KernelError)]
    for line in errors * times:
        complain(line)
    return {name: value if isinstance(value, int) else -1 for name, value in found.items()}


def _print(records: Iterable[list[OutputField]], ip: IpContext) -> None:
    if ip.json:
        ip.write([document(records, ip)])
    else:
        ip.write(piece for record in records for piece in [*text(record), "\n"])


def list_names(args: Args) -> int:
    """Print the names: ``ip netns list``."""
    ip = args.ip
    ids = _ids(ip, 2)
    _print((list(fields((NAME, ID), {"name": name, "id": ids.get(name, -1)}, ip)) for name in _all_names()), ip)
    return 0


def list_ids(args: Args) -> int:
    """Print the ids: ``ip netns list-id``."""
    ip = args.ip
    found = {"target-nsid": -1, "nsid": -1}
    while args:
        word = args.take()
        if word not in found:
            raise help_of("netns")
        if found[word] >= 0:
            raise duplicate(word, word)
        found[word] = _nsid(args, word)
    target, nsid = found["target-nsid"], found["nsid"]
    body = {} if target < 0 else {"NETNSA_TARGET_NSID": target}
    try:
        if nsid >= 0:
            replies = [ip.kernel.get(Request(rtnl.GETNSID, {**body, "NETNSA_NSID": nsid}))]
        else:
            replies = ip.dump(Request(rtnl.GETNSID, body, uapi.NLM_F_DUMP))
    except (KernelError, CommandError):
        if ip.json:
            _print((), ip)
        raise
    names = {value: name for name, value in _ids(ip, 1).items() if value >= 0}
    _print([_id_fields(reply.body, names, ip) for reply in replies], ip)
    return 0


def _nsid(args: Args, name: str) -> int:
    value: int = parsed(integer, args.take(), f'"{name}" value is invalid')
    if value >> 31:
        raise wrong("(null)", f'"{name}" value should be >= 0')
    return value


def _id_fields(body: dict[str, int], names: dict[int, str], ip: IpContext) -> list[OutputField]:
    nsid = body.get("NETNSA_NSID", -1)
    current = body.get("NETNSA_CURRENT_NSID")
    record = {"nsid": nsid, "current": current, "name": names.get(nsid if current is None else current)}
    return [*fields(NSID, record, ip), *fields(KNOWN_AS, record, ip)]


# -- add, attach, set, delete -------------------------------------------------------------------------------------


def _step(error: SyscallError, name: str, source: str) -> str:
    """Return which step of naming a namespace has failed, as iproute2 prints it."""
    path = f"{NETNS_DIR}/{name}"
    if error.call == "mount" and "MS_SHARED" in error.arguments:
        return f"mount --make-shared {NETNS_DIR} failed"
    if error.call == "mount" and f'"{path}"' not in error.arguments:
        return f"mount --bind {NETNS_DIR} {NETNS_DIR} failed"
    if error.call == "open" and f'"{path}"' in error.arguments:
        return f'Cannot create namespace file "{path}"'
    if error.call == "unshare":
        return f'Failed to create a new network namespace "{name}"'
    if error.call == "mkdir":
        return f"mkdir {NETNS_DIR} failed"
    return f"Bind {source} -> {path} failed"


def add(args: Args) -> int:
    """Create a namespace: ``ip netns add``."""
    name = _name(args)
    try:
        Namespace.create(name).close()
    except SyscallError as error:
        raise CommandError(f"{_step(error, name, '/proc/self/ns/net')}: {reason(error)}", FAILED) from None
    return 0


def attach(args: Args) -> int:
    """Give a process's namespace a name: ``ip netns attach``."""
    name = _name(args, "No netns name and PID specified")
    word = _name(args, "No netns name and PID specified")
    try:
        pid = integer(word)
        if not pid:
            raise ValueError(word)
    except ValueError:
        raise CommandError(f"Invalid PID: {word}", FAILED) from None
    pid -= (pid >> 31) << 32  # a C int
    source, path = f"/proc/{pid}/ns/net", f"{NETNS_DIR}/{name}"
    if os.path.lexists(path):
        raise CommandError(f'Cannot create namespace file "{path}": {os.strerror(EEXIST)}', FAILED)
    if pid < 0:
        raise CommandError(f"Bind {source} -> {path} failed: {os.strerror(ENOENT)}", FAILED)
    try:
        namespace = Namespace.open(pid=pid)
        try:
            namespace.attach(name)
        finally:
            namespace.close()
    except SyscallError as error:
        raise CommandError(f"{_step(error, name, source)}: {reason(error)}", FAILED) from None
    return 0


def set_id(args: Args) -> int:
    """Assign an id: ``ip netns set``."""
    name = _name(args)
    word = _name(args, "No nsid specified")
    nsid = -1
    if word != "auto":
        nsid = parsed(integer, word, 'Invalid "netnsid" value')
        if nsid >> 31:
            raise wrong(word, '"netnsid" value should be >= 0')
    try:
        fd = syscalls.open_(f"{NETNS_DIR}/{name}", SAFE_OPEN)
    except SyscallError as error:
        raise CommandError(f'Cannot open network namespace "{name}": {reason(error)}', FAILED) from None
    args.ip.held.append(fd)
    args.ip.do(Request(rtnl.NEWNSID, {"NETNSA_FD": fd, "NETNSA_NSID": nsid}))
    return 0


def _remove(name: str) -> None:
    try:
        Namespace.remove(name)
    except SyscallError as error:
        raise CommandError(f'Cannot remove namespace file "{NETNS_DIR}/{name}": {reason(error)}', FAILED) from None


def delete(args: Args) -> int:
    """Remove a name: ``ip netns delete``."""
    if not args.ip.everywhere:
        _remove(_name(args))
        return 0
    for name in _all_names():
        try:
            _remove(name)
        except CommandError as refused:
            complain(refused.text)
            break
    return 0


# -- processes ----------------------------------------------------------------------------------------------------


def pids(args: Args) -> int:
    """Print the processes inside: ``ip netns pids``."""
    name = _name(args)
    _no_more(args)
    try:
        found = Namespace.open(name).pids()
    except InvalidValue:
        return 0  # a stale name: there is no process in it
    except SyscallError as error:
        raise CommandError(f"Cannot open network namespace: {reason(error)}", FAILED) from None
    args.ip.write([f"{pid}\n" for pid in found])
    return 0


def identify(args: Args) -> int:
    """Print the name of a process's namespace: ``ip netns identify``."""
    word = args.take() if args else ""
    _no_more(args)
    if word and not (word.isascii() and word.isdigit()):
        raise CommandError(f"Specified string '{word}' is not a pid", FAILED)
    try:
        status = syscalls.stat(f"/proc/{word}/ns/net" if word else HERE)
    except SyscallError as error:
        raise CommandError(f"Cannot open network namespace: {reason(error)}", FAILED) from None
    found = ""
    for name in _all_names():
        try:
            there = syscalls.stat(f"{NETNS_DIR}/{name}")
        except SyscallError:
            continue
        if (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino):
            found = name
    args.ip.write([f"{found}\n"])
    return 0


def enter(name: str) -> None:
    """Move this thread into the namespace, for good: ``-n NAME``.  Raises `CommandError`."""
    try:
        fd = syscalls.open_(f"{NETNS_DIR}/{name}", SAFE_OPEN)
    except (SyscallError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else "No such file or directory"
        raise CommandError(f'Cannot open network namespace "{name}": {why}') from None
    try:
        syscalls.setns(fd, uapi.CLONE_NEWNET)
    except SyscallError as error:
        raise CommandError(f'setting the network namespace "{name}" failed: {reason(error)}') from None
    finally:
        syscalls.close(fd)


def _bind_failed(error: SyscallError) -> None:
    if "MS_SLAVE" in error.arguments:  # `ip` ends here; the namespace can be entered without its mounts
        complain(f'"mount --make-rslave /" failed: {error.strerror}; {error.hint}')
        return
    source, target = error.arguments.split('"')[1:4:2]
    complain(f"Bind {source} -> {target} failed: {error.strerror}")


def _enter_with_mounts(name: str) -> None:
    """Enter the namespace, with mounts that show it.  Raises `CommandError`."""
    enter(name)
    try:
        enter_mounts(name, _bind_failed)
    except SyscallError as error:
        what = "mount of /sys failed"
        if error.call == "unshare":
            what = "unshare failed"
        elif "MS_SLAVE" in error.arguments:
            what = '"mount --make-rslave /" failed'
        raise CommandError(f"{what}: {reason(error)}") from None


def _run(name: str, command: list[bytes]) -> int:
    """Enter the namespace and execute the command in place of this process.  Returns only if that fails."""
    from ..exec import become

    _enter_with_mounts(name)
    error = become(command)
    shown = command[0].decode("utf-8", "surrogateescape")
    raise CommandError(f'exec of "{shown}" failed: {error.strerror}', FAILED)


def _run_as_child(name: str, command: list[bytes]) -> int:
    """Run the command in a child; return its exit status.  Raises `CommandError` if a signal has ended it."""
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            _run(name, command)
        except CommandError as error:
            complain(error.text)
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if not os.WIFEXITED(status):
        raise CommandError("", FAILED, exits=True)
    return os.WEXITSTATUS(status)


def execute(args: Args) -> int:
    """Run a command inside: ``ip netns exec``."""
    ip = args.ip
    if ip.everywhere:
        return _everywhere(args)
    name = _name(args)
    command = _command(args)
    return (_run_as_child if ip.batch else _run)(name, command)


def _command(args: Args) -> list[bytes]:
    if not args:
        raise CommandError("No command specified", FAILED)
    return [word.encode("utf-8", "surrogateescape") for word in args.words[args.at :]]


def _everywhere(args: Args) -> int:
    """Run the command in each namespace, one after the other; the exit statuses do not matter."""
    command = _command(args)
    for name in _all_names():
        args.ip.write([f"\nnetns: {name}\n"])
        _run_as_child(name, command)
    return 0


# -- the verbs ----------------------------------------------------------------------------------------------------


VERBS = ObjectVerbs(
    "netns",
    ("list|show|lst", list_names),
    ("list-id", list_ids),
    ("add", add),
    ("set", set_id),
    ("delete", delete),
    ("identify", identify),
    ("pids", pids),
    ("exec", execute),
    ("monitor", late("netns_monitor.monitor")),
    ("attach", attach),
)


def run(args: Args) -> int:
    """Run the verb that the words begin with; a name after it is checked first."""
    following = args.words[args.at + 1 : args.at + 2]
    if following and not args.ip.everywhere and not _valid(following[0]):
        raise CommandError(f'Invalid netns name "{following[0]}"')
    return VERBS(args)
