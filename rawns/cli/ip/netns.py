"""`ip netns`: names for network namespaces, and processes inside them (ip-netns(8)).

Floor 7.
"""

from __future__ import annotations

import os
from errno import EEXIST

from ... import rtnl, syscalls, uapi
from ...errors import InvalidValue, KernelError, SyscallError
from ...names import HERE, NETNS_DIR
from ...netns import Namespace, enter_mounts
from ...nlmsg import Request
from .arguments import U32, integer
from .session import complain, complaint, reason
from .show import Field, Row, document, fields, text
from .words import FAILED, Refused, dispatch, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .session import Session
    from .words import Words


# -- names --------------------------------------------------------------------------------------------------------


def _valid(name: str) -> bool:
    size = len(name.encode("utf-8", "surrogateescape"))
    return 0 < size <= 255 and "/" not in name and "\0" not in name and name not in (".", "..")


def _all_names() -> list[str]:
    """Every name, in the directory's own order, as `ip` has it."""
    try:
        return syscalls.listdir(NETNS_DIR)
    except SyscallError:
        return []


def _name(words: Words, missing: str = "No netns name specified") -> str:
    if not words:
        raise Refused(missing, FAILED)
    return words.take()


def _no_more(words: Words) -> None:
    if words:
        raise Refused("extra arguments specified", FAILED)


# -- list ---------------------------------------------------------------------------------------------------------

NAME = Row("name", "name", "%s")
ID = Row("id", "id", " (id: %d)", lambda value, record, ip: value if value >= 0 else None)
NSID = (Row("nsid", "nsid", "nsid %d "), Row("current", "current-nsid", "current-nsid %d "))
KNOWN_AS = (Row("name", "name", "(iproute2 netns name: %s)"),)


def _ids(ip: Session, times: int) -> dict[str, int]:
    """The id of each name.  Of a stale one the kernel complains, as often as `ip` asks."""
    found = dict(ip.nsids())
    errors = [complaint(error) for error in found.values() if isinstance(error, KernelError)]
    for line in errors * times:
        complain(line)
    return {name: value if isinstance(value, int) else -1 for name, value in found.items()}


def _print(records: Iterable[list[Field]], ip: Session) -> None:
    if ip.json:
        ip.write([document(records, ip)])
    else:
        ip.write(piece for record in records for piece in [*text(record), "\n"])


def list_names(words: Words) -> int:
    ip = words.ip
    ids = _ids(ip, 2)
    _print((list(fields((NAME, ID), {"name": name, "id": ids.get(name, -1)}, ip)) for name in _all_names()), ip)
    return 0


def list_ids(words: Words) -> int:
    ip = words.ip
    target, nsid = -1, -1
    while words:
        word = words.take()
        if word == "target-nsid":
            target = _nsid(words, '"target-nsid" value is invalid')
        elif word == "nsid":
            nsid = _nsid(words, '"nsid" value is invalid')
        else:
            raise help()
    body = {} if target < 0 else {"NETNSA_TARGET_NSID": target}
    if nsid >= 0:
        replies = [ip.kernel.get(Request(rtnl.GETNSID, {**body, "NETNSA_NSID": nsid}))]
    else:
        replies = ip.dump(Request(rtnl.GETNSID, body, uapi.NLM_F_DUMP))
    names = {value: name for name, value in _ids(ip, 1).items() if value >= 0}
    _print([_id_fields(reply.body, names, ip) for reply in replies], ip)
    return 0


def _nsid(words: Words, why: str) -> int:
    word = words.take()
    try:
        value = integer(word)
    except ValueError:
        value = 1 << 31
    if value >> 31:
        raise wrong(word, why)
    return value


def _id_fields(body: dict[str, int], names: dict[int, str], ip: Session) -> list[Field]:
    nsid = body.get("NETNSA_NSID", -1)
    current = body.get("NETNSA_CURRENT_NSID")
    record = {"nsid": nsid, "current": current, "name": names.get(nsid if current is None else current)}
    return [*fields(NSID, record, ip), *fields(KNOWN_AS, record, ip)]


# -- add, attach, set, delete -------------------------------------------------------------------------------------


def _step(error: SyscallError, name: str, source: str) -> str:
    """Which step of making a name failed, as `ip` tells it."""
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


def add(words: Words) -> int:
    name = _name(words)
    try:
        Namespace.create(name).close()
    except SyscallError as error:
        raise Refused(f"{_step(error, name, '/proc/self/ns/net')}: {reason(error)}", FAILED) from None
    return 0


def attach(words: Words) -> int:
    name = _name(words, "No netns name and PID specified")
    word = _name(words, "No netns name and PID specified")
    try:
        pid = U32(word)
    except ValueError:
        raise Refused(f"Invalid PID: {word}", FAILED) from None
    source, path = f"/proc/{pid}/ns/net", f"{NETNS_DIR}/{name}"
    if os.path.lexists(path):
        raise Refused(f'Cannot create namespace file "{path}": {os.strerror(EEXIST)}', FAILED)
    try:
        namespace = Namespace.open(pid=pid)
        try:
            namespace.attach(name)
        finally:
            namespace.close()
    except SyscallError as error:
        raise Refused(f"{_step(error, name, source)}: {reason(error)}", FAILED) from None
    return 0


def set_id(words: Words) -> int:
    name = _name(words)
    word = _name(words, "No nsid specified")
    nsid = -1
    if word != "auto":
        try:
            nsid = integer(word)
        except ValueError:
            raise wrong(word, 'Invalid "netnsid" value') from None
        if nsid >> 31:
            raise wrong(word, '"netnsid" value should be >= 0')
    try:
        fd = syscalls.open_(f"{NETNS_DIR}/{name}", os.O_RDONLY)
    except SyscallError as error:
        raise Refused(f'Cannot open network namespace "{name}": {reason(error)}', FAILED) from None
    words.ip.held.append(fd)
    words.ip.do(Request(rtnl.NEWNSID, {"NETNSA_FD": fd, "NETNSA_NSID": nsid}))
    return 0


def _remove(name: str) -> None:
    try:
        Namespace.remove(name)
    except SyscallError as error:
        raise Refused(f'Cannot remove namespace file "{NETNS_DIR}/{name}": {reason(error)}', FAILED) from None


def delete(words: Words) -> int:
    if not words.ip.everywhere:
        _remove(_name(words))
        return 0
    for name in _all_names():
        try:
            _remove(name)
        except Refused as refused:
            complain(refused.text)
            break
    return 0


# -- processes ----------------------------------------------------------------------------------------------------


def pids(words: Words) -> int:
    name = _name(words)
    _no_more(words)
    try:
        found = Namespace.open(name).pids()
    except InvalidValue:
        return 0  # a stale name: nobody is in it
    except SyscallError as error:
        raise Refused(f"Cannot open network namespace: {reason(error)}", FAILED) from None
    words.ip.write([f"{pid}\n" for pid in found])
    return 0


def identify(words: Words) -> int:
    word = words.take() if words else ""
    _no_more(words)
    if word and not (word.isascii() and word.isdigit()):
        raise Refused(f"Specified string '{word}' is not a pid", FAILED)
    try:
        status = syscalls.stat(f"/proc/{word}/ns/net" if word else HERE)
    except SyscallError as error:
        raise Refused(f"Cannot open network namespace: {reason(error)}", FAILED) from None
    found = ""
    for name in _all_names():
        try:
            there = syscalls.stat(f"{NETNS_DIR}/{name}")
        except SyscallError:
            continue
        if (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino):
            found = name
    words.ip.write([f"{found}\n"])
    return 0


def enter(name: str) -> None:
    """Move this thread into the namespace, for good: ``-n NAME``.  Raises `Refused`."""
    try:
        fd = syscalls.open_(f"{NETNS_DIR}/{name}", os.O_RDONLY)
    except (SyscallError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else "No such file or directory"
        raise Refused(f'Cannot open network namespace "{name}": {why}') from None
    try:
        syscalls.setns(fd, uapi.CLONE_NEWNET)
    except SyscallError as error:
        raise Refused(f'setting the network namespace "{name}" failed: {reason(error)}') from None
    finally:
        syscalls.close(fd)


def _bind_failed(error: SyscallError) -> None:
    source, target = error.arguments.split('"')[1:4:2]
    complain(f"Bind {source} -> {target} failed: {error.strerror}")


def _enter_with_mounts(name: str) -> None:
    """Into the namespace, with mounts that show it.  Raises `Refused`."""
    enter(name)
    try:
        enter_mounts(name, _bind_failed)
    except SyscallError as error:
        what = "mount of /sys failed"
        if error.call == "unshare":
            what = "unshare failed"
        elif "MS_SLAVE" in error.arguments:
            what = '"mount --make-rslave /" failed'
        raise Refused(f"{what}: {reason(error)}") from None


def _run(name: str, command: list[bytes]) -> int:
    """Become the command, inside.  Returns only where that fails."""
    from .exec import become

    _enter_with_mounts(name)
    error = become(command)
    shown = command[0].decode("utf-8", "surrogateescape")
    raise Refused(f'exec of "{shown}" failed: {error.strerror}', FAILED)


def execute(words: Words) -> int:
    ip = words.ip
    if ip.everywhere:
        return _everywhere(words)
    name = _name(words)
    command = _command(words)
    return _run(name, command)


def _command(words: Words) -> list[bytes]:
    if not words:
        raise Refused("No command specified", FAILED)
    return [word.encode("utf-8", "surrogateescape") for word in words.words[words.at :]]


def _everywhere(words: Words) -> int:
    """In each namespace one after the other, as children; what becomes of one does not matter to the next."""
    command = _command(words)
    for name in _all_names():
        words.ip.write([f"\nnetns: {name}\n"])
        child = os.fork()
        if child == 0:
            status = FAILED
            try:
                _run(name, command)
            except Refused as refused:
                complain(refused.text)
                status = refused.status
            finally:
                os._exit(status)
        os.waitpid(child, 0)
    return 0


# -- the verbs ----------------------------------------------------------------------------------------------------


def help() -> Refused:
    return Refused(
        """Usage: ip netns [ list ]
       ip netns add NAME
       ip netns attach NAME PID
       ip netns set NAME { NSID | auto }
       ip [ -all ] netns delete [ NAME ]
       ip netns identify [ PID ]
       ip netns pids NAME
       ip [ -all ] netns exec [ NAME ] COMMAND ...
       ip netns list-id [ target-nsid NSID ] [ nsid NSID ]"""
    )


def _help(words: Words) -> int:
    raise help()


VERBS: tuple[tuple[str, Callable[[Words], int]], ...] = (
    ("list|show|lst", list_names),
    ("list-id", list_ids),
    ("help", _help),
    ("add", add),
    ("set", set_id),
    ("delete", delete),
    ("identify", identify),
    ("pids", pids),
    ("exec", execute),
    ("attach", attach),
)


def run(words: Words) -> int:
    if not words:
        return list_names(words)
    word = words.take()
    if words and not words.ip.everywhere and not _valid(words.words[words.at]):
        raise Refused(f'Invalid netns name "{words.words[words.at]}"')
    return dispatch(VERBS, word, words, "netns")
