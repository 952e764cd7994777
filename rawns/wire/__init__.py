"""The codec: a message is described once, as data; this package reads the description.

Floor 1, sans-IO.  A description is built from a few types::

    Scalar U8 U16 U32 U64 S32 ...   one number             Text Ip Mac Raw Flag   payloads of attributes
    Struct                          C's struct, fixed       Vector Repeated RecordList      several of one type
    Attrs                           netlink attributes      SubMessage                 type chosen by a sibling
    Layout                          a Struct, then Attrs    Message                a Layout with a number

Every type answers to three verbs: `pack` (value to bytes), `unpack` (bytes to value) and `format` (value to the
words a person reads).  `unpack` takes an optional list and notes there a `Span` for each thing it passes: that
is how `explain` names every byte, and how an error finds the field at the kernel's offset.  So encoding,
decoding and explaining cannot disagree.

The body of a message is one flat dict whose keys are the C names: header fields (``ifi_index``) and attributes
(``IFLA_IFNAME``) together, an attribute that has no name here under its number, as bytes.

Strict out: an unknown key or a value that does not fit is a `WireError` before a byte is sent.  Lenient in:
what a newer kernel adds survives as number and bytes.  A length that lies is a `WireError`, never an overrun,
and every step forward is at least one attribute header long, so hostile bytes end.
"""

from .attributes import ALIGN, NLATTR, Attrs, Layout, Message, RecordList, Repeated, SubMessage, table
from .types import (
    BE16,
    BE32,
    FLAG,
    IP,
    MAC,
    RAW,
    S8,
    S16,
    S32,
    S64,
    TEXT,
    U8,
    U16,
    U32,
    U64,
    Raw,
    Scalar,
    Span,
    Struct,
    Text,
    Type,
    Vector,
    names_of,
)

__all__ = [
    "ALIGN",
    "Attrs",
    "BE16",
    "BE32",
    "RecordList",
    "FLAG",
    "IP",
    "Layout",
    "MAC",
    "Repeated",
    "Message",
    "NLATTR",
    "RAW",
    "Raw",
    "S16",
    "S32",
    "S64",
    "S8",
    "Scalar",
    "Span",
    "Struct",
    "SubMessage",
    "TEXT",
    "Text",
    "Type",
    "U16",
    "U32",
    "U64",
    "U8",
    "Vector",
    "names_of",
    "table",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .types import Body as Body
    from .types import Buffer as Buffer
    from .types import Path as Path
    from .types import Trace as Trace
