"""One command line of `ip`: its options, its words, and the kernel as it asks for it.

`IpContext` holds the netlink socket (opened when it is first needed), caches the links it has seen, and writes standard
output.
"""

from __future__ import annotations

import _socket
import os
import sys
from errno import EMSGSIZE, ENOENT

from ... import rtnl, uapi
from ...errors import KernelError, SyscallError
from ...nlmsg import Request
from .grammar import AF_PACKET, FAILED, CommandError, pick

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
    from typing import Any

    from ...netlink import Netlink
    from ...nlmsg import Reply
    from ...wire import Body
    from .render import OutputField, Row

FOREIGN = '; its network or mounts belong to another user namespace: run inside "rawns rootless"'
REMEDY = '; run as root, or inside "rawns rootless"'
MAX_PIECES = 1024  # of output that are collected before they are written
BRIEFLY = uapi.RTEXT_FILTER_VF | uapi.RTEXT_FILTER_SKIP_STATS


def denied(error: OSError) -> str:
    """Return the remedy if an ordinary user, or root of a user namespace that owns too little, was refused; empty otherwise."""
    if not isinstance(error, PermissionError):
        return ""
    if os.geteuid():
        return REMEDY
    from ...privileges import owns_its_namespaces

    return "" if owns_its_namespaces() else FOREIGN


def reason(error: OSError) -> str:
    """Return the text of strerror(3), and what to do about it."""
    return f"{error.strerror}{denied(error)}"


def complaint(error: KernelError) -> str:
    """Return a refusal of the kernel as iproute2 prints it: the kernel's own sentence if there is one."""
    if error.message:
        return f"Error: {error.message}{'' if error.message.endswith('.') else '.'}{denied(error)}"
    return f"RTNETLINK answers: {reason(error)}"


def complain(text: str) -> None:
    """Write a message to standard error, byte for byte unless it is a terminal; an error is ignored."""
    if os.isatty(2):
        from ...terminal import printable

        text = "\n".join(map(printable, text.split("\n")))
    try:
        os.write(2, f"{text}\n".encode("utf-8", "surrogateescape"))
    except OSError:
        pass


class IpContext:
    """The options of a command line are its attributes, as `ip` has them after parsing."""

    def __init__(self) -> None:
        self.family = self.stats = self.details = self.rounds = 0
        self.oneline = self.brief = self.json = self.pretty = self.everywhere = self.human = self.iec = self.numeric = False
        self.colour = self.dark = False  # -color, and whether the terminal's background is dark
        self.resolve = False  # whether to look up the names of addresses
        self._hosts: dict[str, str] = {}
        self.timestamp = 0  # of events: 1 for -timestamp, 2 for -tshort
        self.echo = False  # whether to print what the kernel has changed
        self.batch = False  # whether the command is a line of a batch file
        self.flush_rounds = 10
        self.receive_buffer = 1 << 20  # bytes, of a socket that receives events
        self._kernel: Netlink | None = None
        self._links: dict[int, Body | None] = {}
        self._names: dict[int, str] = {}  # of links that have not been asked for
        self._nsids: dict[int, str] | None = None
        self.held: list[int] = []  # descriptors that a request will name
        self.closes_json = False  # whether a JSON list that an error ends is closed, as iproute2 does for a few objects

    # -- the kernel -----------------------------------------------------------------------------------------------

    @property
    def kernel(self) -> Netlink:
        """The netlink socket of this namespace, opened when it is first needed."""
        if self._kernel is None:
            from ...netlink import Netlink

            try:
                self._kernel = Netlink()
            except SyscallError as error:
                raise CommandError(f"Cannot open netlink socket: {reason(error)}", FAILED) from None
        return self._kernel

    def do(self, request: Request, *ignored: int) -> None:
        """Send a request.  Raises `KernelError`, which ends the command with status 2, unless its errno is one of ``ignored``."""
        try:
            self._request(request)
        except KernelError as error:
            if error.errno not in ignored:
                raise

    def _request(self, request: Request) -> list[Reply]:
        """Send a request, and print what the kernel warns of; forget what is known about links if it changes one."""
        if "LINK" in request.message.name:
            self.forget_links()
        replies = self.kernel.do(request)[0]
        for sentence in self.kernel.warnings:
            complain(f"Warning: {sentence}{'' if sentence.endswith('.') else '.'}")
        return replies

    def forget_links(self) -> None:
        """Forget what is known about links."""
        self._links.clear()
        self._names.clear()

    def change(
        self, request: Request, show: Callable[[Body], Iterable[OutputField]], deleted: tuple[str, Any] = ("deleted", True)
    ) -> None:
        """Have the kernel change something, and with ``-echo`` print what it has changed.

        ``show`` yields the fields of the object, given its body; before one that was deleted, there is the field ``deleted``.
        Raises `KernelError`.
        """
        if not self.echo:
            self.do(request)
            return
        request.flags |= uapi.NLM_F_ECHO
        replies = self._request(request)
        from .render import OutputField

        head = [OutputField(*deleted, "Deleted ")] if request.message.name.startswith("RTM_DEL") else []
        self.print_all([*head, *show(reply.body)] for reply in replies)

    def dump_each(self, request: Request) -> Iterator[Reply]:
        """Return what the kernel lists, each decoded when it is asked for.

        A refusal is printed, and ends the command with status 1.
        """
        try:
            replies, complete = self.kernel.dump_each(request)
        except KernelError as error:
            complain(complaint(error))
            raise CommandError("Dump terminated", FAILED) from None
        if not complete:
            complain("Dump was interrupted and may be inconsistent.")
        return replies

    def dump(self, request: Request) -> list[Reply]:
        """Return what the kernel lists.  A refusal is printed, and ends the command with status 1."""
        replies = list(self.dump_each(request))
        for reply in replies:
            if reply.kind == uapi.RTM_NEWLINK:
                self._links[reply.body["ifi_index"]] = reply.body
        return replies

    def stream(
        self, request: Request, failure: str = "Dump terminated", status: int = FAILED, ignored: int = 0
    ) -> Iterator[Reply]:
        """Yield what the kernel lists, as it is received.

        A refusal is printed, then ``failure``, and ends the command with ``status``; one with the errno ``ignored`` is the
        end of the list.
        """
        from ...netlink import DumpStream, Netlink

        try:
            answers = DumpStream(Netlink(), request)  # of its own, because names are looked up in between
        except SyscallError as error:
            raise CommandError(f"Cannot open netlink socket: {reason(error)}", FAILED) from None
        try:
            yield from answers
        except KernelError as error:
            if error.errno == ignored or (self.batch and error.errno == ENOENT):  # iproute2 filters in a batch by itself
                return
            if error.errno == EMSGSIZE and not error.message:
                complain("Error: Buffer too small for object.")  # iproute2's own words
            elif error.message or error.errno != ENOENT:  # iproute2 says nothing about this one
                complain(complaint(error))
            raise CommandError(failure, status) from None
        finally:
            answers.close()
        if not answers.complete:
            complain("Dump was interrupted and may be inconsistent.")

    def moved(self) -> None:
        """Forget what belongs to the namespace that this thread has left."""
        if self._kernel is not None:
            self._kernel.close()
        self._kernel, self._nsids = None, None
        self._links.clear()
        self._names.clear()

    # -- links ----------------------------------------------------------------------------------------------------

    def _ask(self, **which: object) -> Body | None:
        try:
            body: Body = self.kernel.get(Request(rtnl.GETLINK, {**which, "IFLA_EXT_MASK": BRIEFLY})).body
        except KernelError:
            return None
        self._links[body["ifi_index"]] = body
        return body

    def index_of(self, name: str) -> int:
        """Return the index of a link by its name, an alternative name, or ``if7``; 0 if there is none."""
        size = len(name.encode("utf-8", "surrogateescape"))
        if not 0 < size < uapi.ALTIFNAMSIZ or "\0" in name:
            return 0
        for body in self._links.values():
            if body is not None and body.get("IFLA_IFNAME") == name:
                return int(body["ifi_index"])
        found = self._ask(**{"IFLA_IFNAME" if size < uapi.IFNAMSIZ else "IFLA_ALT_IFNAME": name})
        if found is None and size < uapi.IFNAMSIZ:
            found = self._ask(IFLA_ALT_IFNAME=name)
        if found is not None:
            return int(found["ifi_index"])
        try:
            return _socket.if_nametoindex(name)  # the kernel ignores what follows a colon here: v1:0 is v1
        except OSError:
            pass
        digits = name[2:] if name.startswith("if") else ""
        return int(digits) if digits.isascii() and digits.isdigit() and int(digits) < 1 << 31 else 0

    def device(self, name: str) -> int:
        """Return the index of a link by its name.  Raises `CommandError` if there is none."""
        index = self.index_of(name)
        if not index:
            raise CommandError(f'Cannot find device "{name}"', FAILED)
        return index

    def remember(self, body: Body, deleted: bool = False) -> None:
        """Take note of a link that the kernel has reported."""
        self._names.clear()
        if deleted:
            self._links.pop(body["ifi_index"], None)
        else:
            self._links[body["ifi_index"]] = body

    def asked(self, index: int) -> Body:
        """Return the link with this index as the kernel describes it alone; empty if there is none."""
        return self._ask(ifi_index=index) or {}

    def link(self, index: int) -> Body | None:
        """Return the link with this index, asked for once; None if there is none (yet)."""
        if self._links.get(index) is None:
            self._links[index] = self._ask(ifi_index=index)
        return self._links[index]

    def name_of(self, index: int) -> str:
        """Return the name of the link with this index; ``if7`` if it is not in this namespace."""
        if index <= 0:
            return f"if{index}" if index else "*"
        body = self._links.get(index)
        if body is not None and "IFLA_IFNAME" in body:  # a file with events may lack it
            return str(body["IFLA_IFNAME"])
        name = self._names.get(index)
        if name is None:
            try:  # an ioctl: to describe and to decode links takes longer than all of `ip route`
                name = os.fsencode(_socket.if_indextoname(index)).decode("utf-8", "surrogateescape")
            except OSError:
                return f"if{index}"
            self._names[index] = name
        return name

    def host(self, address: str) -> str:
        """Return the name of a host with ``-resolve``, otherwise or if it has none its address."""
        if not self.resolve:
            return address
        if address not in self._hosts:
            try:
                self._hosts[address] = _socket.getnameinfo((address, 0), _socket.NI_NAMEREQD)[0]
            except (OSError, UnicodeError):
                self._hosts[address] = address
        return self._hosts[address]

    # -- namespaces -----------------------------------------------------------------------------------------------

    def nsids(self) -> Iterator[tuple[str, int | KernelError]]:
        """Yield each name under /run/netns with its id here (-1: none), or with the error of the kernel."""
        from ... import syscalls
        from ...netns_names import NETNS_DIR, SAFE_OPEN

        try:
            names = syscalls.listdir(NETNS_DIR)
        except SyscallError:
            return  # no such directory: no names
        for name in names:
            try:
                fd = syscalls.open_(f"{NETNS_DIR}/{name}", SAFE_OPEN)
            except SyscallError:
                continue
            try:
                yield name, self.kernel.get(Request(rtnl.GETNSID, {"NETNSA_FD": fd})).body.get("NETNSA_NSID", -1)
            except KernelError as error:
                yield name, error
            finally:
                syscalls.close(fd)

    def namespace_of(self, nsid: int) -> str | None:
        """Return the name of the namespace that has this id here; None if there is none."""
        if self._nsids is None:
            self._nsids = {found: name for name, found in self.nsids() if isinstance(found, int) and found >= 0}
        return self._nsids.get(nsid)

    def nsid_of(self, fd: int) -> int:
        """Return the id of a namespace here, which is assigned if there is none; -1 if that fails."""
        ask = Request(rtnl.GETNSID, {"NETNSA_FD": fd})
        try:
            nsid: int = self.kernel.get(ask).body.get("NETNSA_NSID", -1)
            if nsid < 0:
                self.do(Request(rtnl.NEWNSID, {"NETNSA_FD": fd, "NETNSA_NSID": -1}))
                nsid = self.kernel.get(ask).body.get("NETNSA_NSID", -1)
        except KernelError:
            return -1
        return nsid

    def open_namespace(self, text: str) -> int | None:
        """Return a descriptor of a namespace by name or path, open until the command ends; None if there is none."""
        from ... import syscalls
        from ...netns_names import NETNS_DIR, SAFE_OPEN

        if "\0" in text:
            return None
        try:
            self.held.append(syscalls.open_(text if "/" in text else f"{NETNS_DIR}/{text}", SAFE_OPEN))
        except SyscallError:
            return None
        return self.held[-1]

    def release(self) -> None:
        """Close the descriptors that a command has opened."""
        for fd in self.held:
            os.close(fd)
        self.held.clear()

    def close(self) -> None:
        """Close what is open at the end of the command line."""
        self.release()
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    # -- standard output ------------------------------------------------------------------------------------------

    @property
    def everything(self) -> bool:
        """Whether lines about links are shown whole, with what a link has below its first line."""
        return self.family in (0, AF_PACKET) or self.details > 0

    def print_all(self, records: Iterable[Iterable[OutputField]]) -> None:
        """Print records as they come: as text, or as one JSON array, which an error leaves open as iproute2 does."""
        from .render import JsonObject, encode, text

        if self.json:
            self.print_texts(encode(JsonObject(record), self.pretty, 1) for record in records)
        else:
            self.print_texts(piece for record in records for piece in text(record))

    def print_rows(self, rows: Iterable[Row], bodies: Iterable[Body], hidden: Container[str] = ()) -> None:
        """Print many records of one kind as `print_all` does; rows with a ``hidden`` name are left out."""
        from .render import Renderer

        self.print_texts(map(Renderer(rows, self, hidden), bodies))

    def print_texts(self, texts: Iterable[str]) -> None:
        """Print the text of records as it comes, as the elements of an array with -json."""
        pieces, first, complete = ["[ " if self.pretty else "["] if self.json else [], True, False
        try:
            for one in texts:
                if self.json and not first:
                    pieces.append(",")
                pieces.append(one)
                first = False
                if len(pieces) >= MAX_PIECES:
                    self.write(pieces)
                    pieces.clear()
            complete = True
        finally:
            if self.json and (complete or self.closes_json):
                pieces.append(" ]\n" if self.pretty and not first else "]\n")
            self.write(pieces)

    def print_text(self, records: Iterable[Iterable[OutputField]]) -> None:
        """Print records as text in spite of ``-json``, where iproute2 has no JSON."""
        json, self.json = self.json, False
        try:
            self.print_all(records)
        finally:
            self.json = json

    def write(self, pieces: Iterable[str]) -> None:
        """Write text to standard output, byte for byte.

        Raises `CommandError` if it cannot be written, BrokenPipeError if the reader of a pipe has gone.
        """
        data = "".join(pieces).encode("utf-8", "surrogateescape")
        if data and sys.stdout is None:  # descriptor 1 was closed, and may be a socket of ours by now
            raise CommandError("write error: Bad file descriptor", FAILED)
        try:
            while data:
                data = data[os.write(1, data) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CommandError(f"write error: {error.strerror}", FAILED) from None


# -- words ----------------------------------------------------------------------------------------------------------


class Args:
    """The words of a command still to be read, and the `IpContext` in which they have their meaning."""

    __slots__ = ("at", "ip", "words")

    def __init__(self, words: Sequence[str], ip: IpContext) -> None:
        self.words, self.at, self.ip = words, 0, ip

    def __bool__(self) -> bool:
        return self.at < len(self.words)

    def take(self) -> str:
        """Return the next word.  Raises `CommandError` if there is none."""
        if self.at >= len(self.words):
            raise CommandError('Command line is not complete. Try option "help"')
        self.at += 1
        return self.words[self.at - 1]

    def rest(self) -> Args:
        """Return the remaining words as arguments of their own."""
        return Args(self.words[self.at :], self.ip)


def help_of(object: str, program: str = "ip") -> CommandError:
    """Return the help text of an object of a program, which ends the command."""
    texts = __import__(f"rawns.cli.{program}.help_texts", fromlist=["OBJECTS"])
    return CommandError(texts.OBJECTS[object])


class ObjectVerbs:
    """The verbs of an object, each ``name|name`` with a function, in iproute2's order: it decides what an abbreviation means.

    "=" in front of a name: not to be abbreviated.  Called with the words after the object, it runs the verb that they begin
    with, without words the verb ``show``, and returns the exit status.  Its last verb is ``help``, which raises the help text.
    """

    def __init__(self, object: str, *verbs: tuple[str, Callable[[Args], int]], help: str = "", program: str = "ip") -> None:
        self._object, self._help, self._program = object, help or object, program
        self._verbs = (*verbs, ("help", self._raise_help))

    @property
    def names(self) -> list[str]:
        """The verbs as they are written in the table, without the marks of those that are not abbreviated."""
        return [names.replace("=", "") for names, _ in self._verbs]

    def _raise_help(self, args: Args) -> int:
        raise help_of(self._help, self._program)

    def __call__(self, args: Args) -> int:
        return dispatch(self._verbs, args.take() if args else "show", args, self._object, self._program)


def dispatch(verbs: Iterable[tuple[str, Callable[[Args], int]]], word: str, args: Args, object: str, program: str = "ip") -> int:
    """Run the verb of an object that ``word`` abbreviates; return its exit status.  Raises `CommandError` where there is none."""
    verb = pick(verbs, word)
    if verb is None:
        raise CommandError(f'Command "{word}" is unknown, try "{program} {object} help".')
    status: int = verb(args)
    return status
