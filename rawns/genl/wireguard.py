"""Messages of WireGuard's family of generic netlink (`<linux/wireguard.h>`, wg(8))."""

from __future__ import annotations

from ..wire import IP, RAW, TEXT, U8, U16, U32, U64, Scalar, Struct
from ..wire.indexed import Indexed
from .base import ByCommand, attributes

ALLOWED_IP = attributes("WGALLOWEDIP_A_", FAMILY=U16.named("AF_"), IPADDR=IP, CIDR_MASK=U8)
PEER = attributes(
    "WGPEER_A_",
    PUBLIC_KEY=RAW,
    PRESHARED_KEY=RAW,
    FLAGS=U32.bits({1: "WGPEER_F_REMOVE_ME", 2: "WGPEER_F_REPLACE_ALLOWEDIPS", 4: "WGPEER_F_UPDATE_ONLY"}),
    ENDPOINT=RAW,
    PERSISTENT_KEEPALIVE_INTERVAL=U16,
    LAST_HANDSHAKE_TIME=Struct("__kernel_timespec", ("tv_sec", Scalar("q")), ("tv_nsec", Scalar("q"))),
    RX_BYTES=U64,
    TX_BYTES=U64,
    ALLOWEDIPS=Indexed(ALLOWED_IP),
    PROTOCOL_VERSION=U32,
)
DEVICE = attributes(
    "WGDEVICE_A_",
    IFINDEX=U32,
    IFNAME=TEXT,
    PRIVATE_KEY=RAW,
    PUBLIC_KEY=RAW,
    FLAGS=U32.bits({1: "WGDEVICE_F_REPLACE_PEERS"}),
    LISTEN_PORT=U16,
    FWMARK=U32,
    PEERS=Indexed(PEER),
)
BODY = ByCommand({0: ("WG_CMD_GET_DEVICE", DEVICE), 1: ("WG_CMD_SET_DEVICE", DEVICE)})
