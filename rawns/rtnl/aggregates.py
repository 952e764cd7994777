"""Attributes of links on top of other links: HSR and MACsec (`<linux/if_link.h>`)."""

from __future__ import annotations

from ..wire import BE16, MAC, U8, U16, U32, U64, Raw, Type
from .base import attrs

HSR = attrs(
    IFLA_HSR_SLAVE1=U32,
    IFLA_HSR_SLAVE2=U32,
    IFLA_HSR_MULTICAST_SPEC=U8,
    IFLA_HSR_SUPERVISION_ADDR=MAC,
    IFLA_HSR_SEQ_NR=U16,
    IFLA_HSR_VERSION=U8,
    IFLA_HSR_PROTOCOL=U8,
)
MACSEC = attrs(
    IFLA_MACSEC_SCI=Raw(8),
    IFLA_MACSEC_PORT=BE16,
    IFLA_MACSEC_ICV_LEN=U8,
    IFLA_MACSEC_CIPHER_SUITE=U64,
    IFLA_MACSEC_WINDOW=U32,
    IFLA_MACSEC_ENCODING_SA=U8,
    IFLA_MACSEC_ENCRYPT=U8,
    IFLA_MACSEC_PROTECT=U8,
    IFLA_MACSEC_INC_SCI=U8,
    IFLA_MACSEC_ES=U8,
    IFLA_MACSEC_SCB=U8,
    IFLA_MACSEC_REPLAY_PROTECT=U8,
    IFLA_MACSEC_VALIDATION=U8,
    IFLA_MACSEC_OFFLOAD=U8,
)

KINDS: dict[str, Type] = {"hsr": HSR, "macsec": MACSEC}
