"""The conversation with the kernel, without the socket: requests in, bytes out; bytes in, replies or errors out.

Floor 3, sans-IO.  One `Exchange` lives as long as one socket and holds one conversation at a time:

    IDLE --send(batch)-------> AWAIT_ACK  --last acknowledgement------------------> IDLE
    IDLE --send(transaction)-> AWAIT_ACK  --the same, or a refusal of its opening-> IDLE
    IDLE --send(dump)--------> AWAIT_DONE --NLMSG_DONE or error-------------------> IDLE

A batch asks for an acknowledgement (NLM_F_ACK) of its last message only: the kernel works through a datagram in
order and reports errors whether asked to or not, so the last answer says that all are in.  What carries another
conversation's sequence number is left over from one that was given up, and dropped.

A transaction (nf_tables) is a batch between two brackets, of which the kernel does all or nothing.  It reports what is
wrong with single messages as in any batch; what is wrong with the whole (no privileges, no memory, no nf_tables, or a
commit that fails) it says as an answer to the opening bracket, and perhaps nothing more.  The closing one is
acknowledged by Linux 6.10 and later only, so the last message between them is the one that is asked.
"""

from __future__ import annotations

from . import nlmsg, uapi
from .errors import Interrupted, KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .nlmsg import Frame, Reply, Request
    from .wire import Body, Buffer, Message

IDLE, AWAIT_ACK, AWAIT_DONE = "IDLE", "AWAIT_ACK", "AWAIT_DONE"

# Each failing message of a datagram costs the kernel a reply of its own in our receive buffer (212,992 bytes, less
# than 1 KiB each with overhead); this many fit even if all fail.
BATCH_MESSAGES = 128


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
        self._replies: list[list[Reply]] = []
        self._errors: dict[int, KernelError] = {}
        self._interrupted = False

    @property
    def finished(self) -> bool:
        return self.state is IDLE

    def send(self, requests: Sequence[Request], atomic: bool = False) -> bytes:
        """Begin a conversation; returns what to send, as one datagram.  An unfinished one is given up.

        ``atomic`` says that the first and the last of the requests are the brackets of a transaction.  Raises
        `WireError`, and nothing is to be sent, where a value does not fit its description.
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
        self._replies = [[] for _ in requests]
        self.state = AWAIT_DONE if requests[-1].dump else AWAIT_ACK
        return b"".join(self._sent)

    def receive(self, data: Buffer) -> None:
        """Take one datagram from the kernel.  Raises `WireError` where it is malformed."""
        for frame in nlmsg.split(data):
            number = (frame.seq - self._first) & 0xFFFFFFFF
            if self.state is IDLE or number >= len(self._requests):
                continue
            if frame.flags & uapi.NLM_F_DUMP_INTR:
                self._interrupted = True
            if frame.kind == uapi.NLMSG_ERROR:
                self._acknowledged(number, nlmsg.ERROR, data, frame)
            elif frame.kind == uapi.NLMSG_DONE:
                self._acknowledged(number, nlmsg.DONE, data, frame)
            elif frame.kind >= uapi.NLMSG_MIN_TYPE:
                self._replies[number].append(self._decode(number, data, frame))

    def _decode(self, number: int, data: Buffer, frame: Frame) -> Reply:
        message = self._requests[number].reading
        if message is None or message.number != frame.kind:
            message = self._messages.get(frame.kind)
        if message is None:
            return nlmsg.Reply(frame.kind, str(frame.kind), frame.flags, {"": bytes(data[frame.start : frame.end])})
        return nlmsg.Reply(frame.kind, message.name, frame.flags, message.unpack(data, frame.start, frame.end))

    def _acknowledged(self, number: int, answer: Message, data: Buffer, frame: Frame) -> None:
        header = answer.layout.header
        if frame.end - frame.start < header.size or header.read(data, frame.start)[0]:  # else: well done, and no more to read
            body = answer.unpack(data, frame.start, frame.end)
            error = -body.get("error", 0)
            if error:
                self._errors[number] = self._explain(number, error, body)
        if number == self._last or number == 0 and self._atomic:
            self.state = IDLE

    def _explain(self, number: int, error: int, body: Body) -> KernelError:
        """The kernel's refusal, with the field of our message that its offset points into."""
        request = self._requests[number]
        sentence, offset = body.get("NLMSGERR_ATTR_MSG", ""), body.get("NLMSGERR_ATTR_OFFS")
        field = ""
        if isinstance(offset, int):
            _, trace = next(nlmsg.spans(self._sent[number], {request.message.number: request.message}))
            hits = [span for span in trace if span.offset <= offset < span.offset + span.length]
            if hits:
                words = hits[-1].text()
                field = f"{hits[-1].name} = {words}" if words else hits[-1].name
        elif "NLMSGERR_ATTR_MISS_TYPE" in body:
            missing = request.message.layout.attrs.numbers.get(body["NLMSGERR_ATTR_MISS_TYPE"])
            field = f"{missing[0]} is missing" if missing else ""
        place = offset if isinstance(offset, int) else None
        return KernelError(error, request.message.name, str(sentence), place, field, request.context)

    @property
    def refused(self) -> bool:
        """Whether an error has come, be there more to come or not."""
        return bool(self._errors)

    def result(self) -> list[list[Reply]]:
        """The replies to each request of the finished conversation.

        Raises the first `KernelError`, or `Interrupted` for a dump that changed under our eyes.
        """
        if self._errors:
            raise self._errors[min(self._errors)]
        if self._interrupted:
            raise Interrupted(f"{self._requests[-1].message.name}: what is listed changed while it was read")
        return self._replies


def batches(requests: Sequence[Request]) -> list[list[Request]]:
    """Requests cut into runs that fit one datagram each, in order."""
    return [list(requests[start : start + BATCH_MESSAGES]) for start in range(0, len(requests), BATCH_MESSAGES)]
