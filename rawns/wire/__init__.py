"""The codec: a message is described once, as data, and encoded, decoded and explained from that description.

A description is built from a few types::

    Scalar U8 U16 U32 U64 S32 ...   one integer             Text Ip Mac Raw Flag         payloads of attributes
    Struct                          C's struct, fixed       Vector Repeated RecordList   several of one type
    Attrs                           netlink attributes      SubMessage                   type chosen by another value
    Layout                          a Struct, then Attrs    Message                      a Layout with a number

Every type has three methods: `pack` (value to bytes), `unpack` (bytes to value) and `format` (value to text).  `unpack` takes an
optional list and adds a `Span` to it for each part it decodes.  From these spans `explain` names every byte, and an error
names the field at the kernel's offset; so encoding, decoding and explaining cannot disagree.

The body of a message is one flat dict.  Its keys are C names: header fields (``ifi_index``) and attributes
(``IFLA_IFNAME``) together; an attribute without a name here is under its number, as bytes.

Encoding is strict: an unknown key or a value that does not fit is a `WireError`, before a byte is sent.  Decoding is lenient:
what a newer kernel adds survives as number and bytes.  A wrong length is a `DecodeError`, never an overrun.
"""

from .attributes import ALIGN, NLATTR, Attrs, Layout, Message, RecordList, Repeated, SubMessage, table
from .types import (
    BE16,
    BE32,
    BE64,
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
    StructArray,
    Text,
    Type,
    Vector,
    expected,
    link_address,
    names_of,
)

__all__ = [
    "ALIGN",
    "Attrs",
    "BE16",
    "BE32",
    "BE64",
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
    "StructArray",
    "SubMessage",
    "TEXT",
    "Text",
    "Type",
    "U16",
    "U32",
    "U64",
    "U8",
    "Vector",
    "expected",
    "link_address",
    "names_of",
    "table",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .types import Body as Body
    from .types import Buffer as Buffer
    from .types import Path as Path
    from .types import Trace as Trace
