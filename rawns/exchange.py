"""The conversation with the kernel, without the socket: requests in, bytes out; bytes in, replies or errors out.

One `Exchange` lives as long as one socket and holds one conversation at a time:

    IDLE --send(batch)-------> AWAIT_ACK  --last acknowledgement------------------> IDLE
    IDLE --send(transaction)-> AWAIT_ACK  --the same, or a refusal of its opening-> IDLE
    IDLE --send(dump)--------> AWAIT_DONE --NLMSG_DONE or error-------------------> IDLE

A batch asks for an acknowledgement (NLM_F_ACK) of its last message only: the kernel works through a datagram in
order and reports errors whether asked to or not, so the last answer says that all are in.  What carries another
conversation's sequence number is left over from one that was given up, and dropped.

Answers are decoded by `result` or `take`, not while they are received: a dump that takes less time is disturbed less often.

A transaction (nf_tables) is a batch between two brackets, of which the kernel does all or nothing.  It reports what is
wrong with single messages as in any batch; what is wrong with the whole (no privileges, no memory, no nf_tables, or a
commit that fails) it says as an answer to the opening bracket, and perhaps nothing more.  The closing one is
acknowledged by Linux 6.10 and later only, so the last message between them is the one that is asked.
"""

from __future__ import annotations

from . import nlmsg, uapi
from .errors import DecodeError, KernelError, errno_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .nlmsg import Reply, Request
    from .wire import Body, Buffer, Message

IDLE, AWAIT_ACK, AWAIT_DONE = "IDLE", "AWAIT_ACK", "AWAIT_DONE"

# Each failing message of a datagram costs the kernel a reply of its own in our receive buffer (212,992 bytes, less
# than 1 KiB each with overhead); this many fit even if all fail.
MAX_BATCH_MESSAGES = 128
MAX_ERRNO = 4095  # <linux/err.h>


class Exchange:
    """``messages`` describes what may be received, by number (`rtnl.MESSAGES`)."""

    def __init__(self, messages: Mapping[int, Message]) -> None:
        self.state = IDLE
        self._messages = messages
        self._seq = self._first = self._last = 0
        self._atomic = False
        self._clear()

    def _clear(self) -> None:
        self._requests: Sequence[Request] = ()
        self._sent: list[bytes] = []
        # The answers to each request, not decoded yet: datagram, type, flags, and where in it the payload begins and ends.
        self._received: list[list[tuple[Buffer, int, int, int, int]]] = []
        self._errors: dict[int, KernelError] = {}
        self.warnings: list[str] = []  # the kernel's sentences about requests that it has carried out
        self.interrupted = False  # whether a dump changed while it was read (NLM_F_DUMP_INTR)

    @property
    def finished(self) -> bool:
        """Whether all answers have been received."""
        return self.state is IDLE

    def send(self, requests: Sequence[Request], atomic: bool = False) -> bytes:
        """Begin a conversation; return what to send, as one datagram.  An unfinished one is given up.

        ``atomic`` says that the first and the last of the requests are the brackets of a transaction.  Raises
        `WireError`, and nothing is to be sent, if a value does not fit its description.
        """
        self._clear()
        self.state = IDLE
        last = len(requests) - (2 if atomic else 1)
        first = self._seq + 1
        self._sent = [
            request.pack(first + number, uapi.NLM_F_ACK if number == last and not request.dump else 0)
            for number, request in enumerate(requests)
        ]
        self._seq += len(requests)
        self._first, self._last, self._atomic, self._requests = first, last, atomic, requests
        self._received = [[] for _ in requests]
        self.state = AWAIT_DONE if requests[-1].dump else AWAIT_ACK
        return b"".join(self._sent)

    def receive(self, data: Buffer) -> None:
        """Take one datagram from the kernel.  Raises `DecodeError` if it is malformed."""
        first, asked, received = self._first, len(self._requests), self._received
        interrupted, least = uapi.NLM_F_DUMP_INTR, uapi.NLMSG_MIN_TYPE
        for kind, flags, seq, _, offset, end in nlmsg.headers(data):
            number = (seq - first) & 0xFFFFFFFF
            if number >= asked or self.state is IDLE:
                continue
            if flags & interrupted:
                self.interrupted = True
            start = offset + nlmsg.NLMSGHDR.size
            if kind >= least:
                received[number].append((data, kind, flags, start, end))
            elif kind == uapi.NLMSG_ERROR:
                self._acknowledged(number, nlmsg.ERROR, data, flags, start, end)
            elif kind == uapi.NLMSG_DONE:
                self._acknowledged(number, nlmsg.DONE, data, flags, start, end)

    def _decode(self, number: int) -> Iterator[Reply]:
        """Return an iterator over the answers to one request, which decodes each when it is asked for; forget them."""
        received, self._received[number] = self._received[number], []
        reading = self._requests[number].reading
        messages = {} if reading is None else {reading.number: reading}
        for kind in {kind for _, kind, *_ in received}.difference(messages):  # as a rule one, which is looked up once
            if kind in self._messages:
                messages[kind] = self._messages[kind]
        reply = nlmsg.reply
        return (reply(*one, messages) for one in received)

    def _acknowledged(self, number: int, answer: Message, data: Buffer, flags: int, start: int, end: int) -> None:
        header = answer.layout.header
        told = flags & uapi.NLM_F_ACK_TLVS
        if told or end - start < header.size or header.read(data, start)[0]:  # else: well done, no more to read
            body = answer.unpack(data, start, end)
            error = -body.get("error", 0)
            if not 0 <= error <= MAX_ERRNO:
                raise DecodeError(f"{answer.name}: error is {-error}, not an errno")
            if error and self._requests[number].optional and errno_name(error) == "EOPNOTSUPP":
                self.warnings.append(f"{self._requests[number].context}: this kernel has nothing of the kind")
            elif error:
                self._errors[number] = self._explain(number, error, body)
            elif "NLMSGERR_ATTR_MSG" in body:
                self.warnings.append(body["NLMSGERR_ATTR_MSG"])
        if number == self._last or number == 0 and self._atomic:
            self.state = IDLE

    def _explain(self, number: int, error: int, body: Body) -> KernelError:
        """Return the kernel's refusal, with the field of the request that its offset points into."""
        request = self._requests[number]
        sentence, offset = body.get("NLMSGERR_ATTR_MSG", ""), body.get("NLMSGERR_ATTR_OFFS")
        field = ""
        if isinstance(offset, int):
            from . import nlmsg_spans  # only refusals need it

            _, trace = next(nlmsg_spans.spans(self._sent[number], {request.message.number: request.message}))
            hits = [span for span in trace if span.offset <= offset < span.offset + span.length]
            if hits:
                words = hits[-1].text()
                field = f"{hits[-1].name} = {words}" if words else hits[-1].name
        elif "NLMSGERR_ATTR_MISS_TYPE" in body:
            missing = request.message.layout.attrs.numbers.get(body["NLMSGERR_ATTR_MISS_TYPE"])
            field = f"{missing[0]} is missing" if missing else ""
        place = offset if isinstance(offset, int) else None
        refusal = KernelError(error, request.message.name, str(sentence), place, field, request.context)
        refusal.hint = lambda: _advice(request, refusal)
        return refusal

    @property
    def refused(self) -> bool:
        """Whether an error has been received, finished or not."""
        return bool(self._errors)

    def take(self) -> Iterator[Reply]:
        """Return an iterator over the answers to the last request that have been received since the last call.

        Each is decoded when it is asked for.  Raises `DecodeError` then if it is malformed.
        """
        return self._decode(len(self._requests) - 1)

    def check(self) -> None:
        """Raise the first `KernelError` that has been received, if any has."""
        if self._errors:
            raise self._errors[min(self._errors)]

    def result(self) -> list[list[Reply]]:
        """Return the answers to each request of the finished conversation; to be called once.

        Raises the first `KernelError`; `DecodeError` if an answer is malformed.
        """
        self.check()
        return [list(self._decode(number)) if received else [] for number, received in enumerate(self._received)]


def _advice(request: Request, refusal: KernelError) -> str:
    from . import kernel_options  # read for a few errors only

    return kernel_options.advice(request, refusal)


def batches(requests: Sequence[Request]) -> list[list[Request]]:
    """Cut requests into runs that fit one datagram each, in order."""
    return [list(requests[start : start + MAX_BATCH_MESSAGES]) for start in range(0, len(requests), MAX_BATCH_MESSAGES)]
