"""Messages of ethtool's family of generic netlink (`<linux/ethtool_netlink.h>`, ethtool(8)).

The numbers of attributes and commands follow from their order in the header.  Requests and answers number their commands
separately; both name their attributes in the same tables.
"""

from __future__ import annotations

from ..wire import BE16, FLAG, MAC, RAW, S32, TEXT, U8, U32, U64, Attrs, Repeated, Type, Vector
from .base import NONE, ByCommand, Commands, attributes

SHORT: dict[str, Type] = {"8": U8, "32": U32, "s32": S32, "64": U64, "text": TEXT, "flag": FLAG, "raw": RAW, "be16": BE16}
SHORT["flags"] = U32.bits({1: "ETHTOOL_FLAG_COMPACT_BITSETS", 2: "ETHTOOL_FLAG_OMIT_REPLY", 4: "ETHTOOL_FLAG_STATS"})
SHORT["words"] = Vector(U32)
SHORT["address"] = MAC


def _table(name: str, rows: str, first: int = 1) -> Attrs:
    """Return the attributes ETHTOOL_A_NAME_*, written ``ATTRIBUTE:TYPE``; a type is in `SHORT`, 32 bits if none is given."""
    pairs = (row.partition(":") for row in rows.split())
    return attributes(f"ETHTOOL_A_{name}_", first, **{word: SHORT[kind or "32"] for word, _, kind in pairs})


def _nests() -> None:
    """Add the nests that several messages have."""
    SHORT["header"] = _table("HEADER", "DEV_INDEX DEV_NAME:text FLAGS:flags")
    SHORT["bit"] = _table("BITSET_BIT", "INDEX NAME:text VALUE:flag")
    SHORT["bits"] = Attrs({"ETHTOOL_A_BITSET_BITS_BIT": (1, Repeated(SHORT["bit"]))})
    SHORT["bitset"] = _table("BITSET", "NOMASK:flag SIZE BITS:bits VALUE:words MASK:words")
    SHORT["string"] = _table("STRING", "INDEX VALUE:text")
    SHORT["strings"] = Attrs({"ETHTOOL_A_STRINGS_STRING": (1, Repeated(SHORT["string"]))})
    SHORT["set"] = _table("STRINGSET", "ID COUNT STRINGS:strings")
    SHORT["sets"] = Attrs({"ETHTOOL_A_STRINGSETS_STRINGSET": (1, Repeated(SHORT["set"]))})
    SHORT["pause"] = _table("PAUSE_STAT", "PAD:raw TX_FRAMES:64 RX_FRAMES:64")
    SHORT["fec"] = _table("FEC_STAT", "PAD:raw CORRECTED:raw UNCORR:raw CORR_BITS:raw")
    SHORT["entry"] = Repeated(_table("TUNNEL_UDP_ENTRY", "PORT:be16 TYPE"))
    SHORT["table"] = Repeated(_table("TUNNEL_UDP_TABLE", "SIZE TYPES:bitset ENTRY:entry"))
    SHORT["ports"] = Attrs({"ETHTOOL_A_TUNNEL_UDP_TABLE": (1, SHORT["table"])})
    SHORT["group"] = Repeated(
        _table("STATS_GRP", "PAD:raw ID SS_ID STAT:raw HIST_RX:raw HIST_TX:raw HIST_BKT_LOW HIST_BKT_HI HIST_VAL:raw")
    )


_nests()
TABLES = {
    name: _table(name, rows)
    for name, rows in {
        "STRSET": "HEADER:header STRINGSETS:sets COUNTS_ONLY:flag",
        "LINKINFO": "HEADER:header PORT:8 PHYADDR:8 TP_MDIX:8 TP_MDIX_CTRL:8 TRANSCEIVER:8",
        "LINKMODES": "HEADER:header AUTONEG:8 OURS:bitset PEER:bitset SPEED DUPLEX:8 MASTER_SLAVE_CFG:8 MASTER_SLAVE_STATE:8 "
        "LANES RATE_MATCHING:8",
        "LINKSTATE": "HEADER:header LINK:8 SQI SQI_MAX EXT_STATE:8 EXT_SUBSTATE:8",
        "DEBUG": "HEADER:header MSGMASK:bitset",
        "WOL": "HEADER:header MODES:bitset SOPASS:address",
        "FEATURES": "HEADER:header HW:bitset WANTED:bitset ACTIVE:bitset NOCHANGE:bitset",
        "PRIVFLAGS": "HEADER:header FLAGS:bitset",
        "RINGS": "HEADER:header RX_MAX RX_MINI_MAX RX_JUMBO_MAX TX_MAX RX RX_MINI RX_JUMBO TX RX_BUF_LEN TCP_DATA_SPLIT:8 "
        "CQE_SIZE TX_PUSH:8",
        "CHANNELS": "HEADER:header RX_MAX TX_MAX OTHER_MAX COMBINED_MAX RX_COUNT TX_COUNT OTHER_COUNT COMBINED_COUNT",
        "COALESCE": "HEADER:header RX_USECS RX_MAX_FRAMES RX_USECS_IRQ RX_MAX_FRAMES_IRQ TX_USECS TX_MAX_FRAMES TX_USECS_IRQ "
        "TX_MAX_FRAMES_IRQ STATS_BLOCK_USECS USE_ADAPTIVE_RX:8 USE_ADAPTIVE_TX:8 PKT_RATE_LOW RX_USECS_LOW RX_MAX_FRAMES_LOW "
        "TX_USECS_LOW TX_MAX_FRAMES_LOW PKT_RATE_HIGH RX_USECS_HIGH RX_MAX_FRAMES_HIGH TX_USECS_HIGH TX_MAX_FRAMES_HIGH "
        "RATE_SAMPLE_INTERVAL USE_CQE_MODE_TX:8 USE_CQE_MODE_RX:8",
        "PAUSE": "HEADER:header AUTONEG:8 RX:8 TX:8 STATS:pause",
        "EEE": "HEADER:header MODES_OURS:bitset MODES_PEER:bitset ACTIVE:8 ENABLED:8 TX_LPI_ENABLED:8 TX_LPI_TIMER",
        "TSINFO": "HEADER:header TIMESTAMPING:bitset TX_TYPES:bitset RX_FILTERS:bitset PHC_INDEX",
        "CABLE_TEST": "HEADER:header",
        "CABLE_TEST_TDR": "HEADER:header CFG:raw",
        "TUNNEL_INFO": "HEADER:header UDP_PORTS:ports",
        "FEC": "HEADER:header MODES:bitset AUTO:8 ACTIVE STATS:fec",
        "MODULE_EEPROM": "HEADER:header OFFSET LENGTH PAGE:8 BANK:8 I2C_ADDRESS:8 DATA:raw",
        "STATS": "PAD:raw HEADER:header GROUPS:bitset GRP:group",
        "PHC_VCLOCKS": "HEADER:header NUM INDEX:words",
        "MODULE": "HEADER:header POWER_MODE_POLICY:8 POWER_MODE:8",
        "PSE": "HEADER:header",
    }.items()
}
REQUESTS = (
    "STRSET_GET LINKINFO_GET LINKINFO_SET LINKMODES_GET LINKMODES_SET LINKSTATE_GET DEBUG_GET DEBUG_SET WOL_GET WOL_SET "
    "FEATURES_GET FEATURES_SET PRIVFLAGS_GET PRIVFLAGS_SET RINGS_GET RINGS_SET CHANNELS_GET CHANNELS_SET COALESCE_GET "
    "COALESCE_SET PAUSE_GET PAUSE_SET EEE_GET EEE_SET TSINFO_GET CABLE_TEST_ACT CABLE_TEST_TDR_ACT TUNNEL_INFO_GET FEC_GET "
    "FEC_SET MODULE_EEPROM_GET STATS_GET PHC_VCLOCKS_GET MODULE_GET MODULE_SET PSE_GET PSE_SET"
)
ANSWERS = (
    "STRSET_GET_REPLY LINKINFO_GET_REPLY LINKINFO_NTF LINKMODES_GET_REPLY LINKMODES_NTF LINKSTATE_GET_REPLY DEBUG_GET_REPLY "
    "DEBUG_NTF WOL_GET_REPLY WOL_NTF FEATURES_GET_REPLY FEATURES_SET_REPLY FEATURES_NTF PRIVFLAGS_GET_REPLY PRIVFLAGS_NTF "
    "RINGS_GET_REPLY RINGS_NTF CHANNELS_GET_REPLY CHANNELS_NTF COALESCE_GET_REPLY COALESCE_NTF PAUSE_GET_REPLY PAUSE_NTF "
    "EEE_GET_REPLY EEE_NTF TSINFO_GET_REPLY CABLE_TEST_NTF CABLE_TEST_TDR_NTF TUNNEL_INFO_GET_REPLY FEC_GET_REPLY FEC_NTF "
    "MODULE_EEPROM_GET_REPLY STATS_GET_REPLY PHC_VCLOCKS_GET_REPLY MODULE_GET_REPLY MODULE_NTF PSE_GET_REPLY"
)


def _commands(words: str) -> Commands:
    """Return commands, numbered from 1 on in their order."""
    return {number: (f"ETHTOOL_MSG_{word}", _of(word)) for number, word in enumerate(words.split(), 1)}


def _of(word: str) -> Attrs:
    """Return the attributes of a command: those of the table with whose name it begins."""
    if word.startswith("CABLE_TEST") and word.endswith("NTF"):
        return NONE  # the results of a cable test have tables of their own
    return next((TABLES[name] for name in sorted(TABLES, key=len, reverse=True) if word.startswith(f"{name}_")), NONE)


BODY = ByCommand(_commands(REQUESTS), _commands(ANSWERS))
