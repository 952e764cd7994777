"""The help texts of tc(8) 6.1, which scripts search for what they need."""

from __future__ import annotations

PROGRAM = """\
Usage:\ttc [ OPTIONS ] OBJECT { COMMAND | help }
\ttc [-force] -batch filename
where  OBJECT := { qdisc | class | filter | chain |
\t\t    action | monitor | exec }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -r[aw] |
\t\t    -o[neline] | -j[son] | -p[retty] | -c[olor]
\t\t    -b[atch] [filename] | -n[etns] name | -N[umeric] |
\t\t     -nm | -nam[es] | { -cf | -conf } path
\t\t     -br[ief] }"""
OBJECTS = {
    "qdisc": """\
Usage: tc qdisc [ add | del | replace | change | show ] dev STRING
       [ handle QHANDLE ] [ root | ingress | clsact | parent CLASSID ]
       [ estimator INTERVAL TIME_CONSTANT ]
       [ stab [ help | STAB_OPTIONS] ]
       [ ingress_block BLOCK_INDEX ] [ egress_block BLOCK_INDEX ]
       [ [ QDISC_KIND ] [ help | OPTIONS ] ]

       tc qdisc { show | list } [ dev STRING ] [ QDISC_ID ] [ invisible ]
Where:
QDISC_KIND := { [p|b]fifo | tbf | prio | cbq | red | etc. }
OPTIONS := ... try tc qdisc add <desired QDISC_KIND> help
STAB_OPTIONS := ... try tc qdisc add stab help
QDISC_ID := { root | ingress | handle QHANDLE | parent CLASSID }""",
    "class": """\
Usage: tc class [ add | del | change | replace | show ] dev STRING
       [ classid CLASSID ] [ root | parent CLASSID ]
       [ [ QDISC_KIND ] [ help | OPTIONS ] ]

       tc class show [ dev STRING ] [ root | parent CLASSID ]
Where:
QDISC_KIND := { prio | cbq | etc. }
OPTIONS := ... try tc class add <desired QDISC_KIND> help""",
    "filter": """\
Usage: tc filter [ add | del | change | replace | show ] [ dev STRING ]
       tc filter [ add | del | change | replace | show ] [ block BLOCK_INDEX ]
       tc filter get dev STRING parent CLASSID protocol PROTO handle FILTERID pref PRIO FILTER_TYPE
       tc filter get block BLOCK_INDEX protocol PROTO handle FILTERID pref PRIO FILTER_TYPE
       [ pref PRIO ] protocol PROTO [ chain CHAIN_INDEX ]
       [ estimator INTERVAL TIME_CONSTANT ]
       [ root | ingress | egress | parent CLASSID ]
       [ handle FILTERID ] [ [ FILTER_TYPE ] [ help | OPTIONS ] ]

       tc filter show [ dev STRING ] [ root | ingress | egress | parent CLASSID ]
       tc filter show [ block BLOCK_INDEX ]
Where:
FILTER_TYPE := { rsvp | u32 | bpf | fw | route | etc. }
FILTERID := ... format depends on classifier, see there
OPTIONS := ... try tc filter add <desired FILTER_KIND> help""",
    "chain": """\
Usage: tc chain [ add | del | get | show ] [ dev STRING ]
       tc chain [ add | del | get | show ] [ block BLOCK_INDEX ] ]""",
    "actions": """\
usage: tc actions <ACTSPECOP>*
Where: \tACTSPECOP := ACR | GD | FL
\tACR := add | change | replace <ACTSPEC>*
\tGD := get | delete | <ACTISPEC>*
\tFL := ls | list | flush | <ACTNAMESPEC>
\tACTNAMESPEC :=  action <ACTNAME>
\tACTISPEC := <ACTNAMESPEC> <INDEXSPEC>
\tACTSPEC := action <ACTDETAIL> [INDEXSPEC] [HWSTATSSPEC] [SKIPSPEC]
\tINDEXSPEC := index <32 bit indexvalue>
\tHWSTATSSPEC := hw_stats [ immediate | delayed | disabled ]
\tSKIPSPEC := [ skip_sw | skip_hw ]
\tACTDETAIL := <ACTNAME> <ACTPARAMS>
\t\tExample ACTNAME is gact, mirred, bpf, etc
\t\tEach action has its own parameters (ACTPARAMS)
""",
}
QDISCS = {
    "pfifo": """\
Usage: ... <[p|b]fifo | pfifo_head_drop> [ limit NUMBER ]""",
    "prio": """\
Usage: ... prio bands NUMBER priomap P1 P2...[multiqueue]""",
    "tbf": """\
Usage: ... tbf limit BYTES burst BYTES[/BYTES] rate KBPS [ mtu BYTES[/BYTES] ]
\t[ peakrate KBPS ] [ latency TIME ] [ overhead BYTES ] [ linklayer TYPE ]""",
    "htb": """\
Usage: ... qdisc add ... htb [default N] [r2q N]
                      [direct_qlen P] [offload]
 default  minor id of class to which unclassified packets are sent {0}
 r2q      DRR quantums are computed as rate in Bps/r2q {10}
 debug    string of 16 numbers each 0-3 {0}

 direct_qlen  Limit of the direct queue {in packets}
 offload  enable hardware offload
... class add ... htb rate R1 [burst B1] [mpu B] [overhead O]
                      [prio P] [slot S] [pslot PS]
                      [ceil R2] [cburst B2] [mtu MTU] [quantum Q]
 rate     rate allocated to this class (class can still borrow)
 burst    max bytes burst which can be accumulated during idle period {computed}
 mpu      minimum packet size used in rate computations
 overhead per-packet size overhead used in rate computations
 linklay  adapting to a linklayer e.g. atm
 ceil     definite upper class rate (no borrows) {rate}
 cburst   burst but for ceil {computed}
 mtu      max packet size we create rate map for {1600}
 prio     priority of leaf; lower are served first {0}
 quantum  how much bytes to serve from leaf at once {use r2q}

TC HTB version 3.3""",
    "fq": """\
Usage: ... fq\t[ limit PACKETS ] [ flow_limit PACKETS ]
\t\t[ quantum BYTES ] [ initial_quantum BYTES ]
\t\t[ maxrate RATE  ] [ buckets NUMBER ]
\t\t[ [no]pacing ] [ refill_delay TIME ]
\t\t[ low_rate_threshold RATE ]
\t\t[ orphan_mask MASK]
\t\t[ timer_slack TIME]
\t\t[ ce_threshold TIME ]
\t\t[ horizon TIME ]
\t\t[ horizon_{cap|drop} ]""",
    "fq_codel": """\
Usage: ... fq_codel\t[ limit PACKETS ] [ flows NUMBER ]
[ memory_limit BYTES ]
[ target TIME ] [ interval TIME ]
[ quantum BYTES ] [ [no]ecn ]
[ ce_threshold TIME ]
[ ce_threshold_selector VALUE/MASK ]
[ drop_batch SIZE ]""",
    "codel": """\
Usage: ... codel [ limit PACKETS ] [ target TIME ]
\t\t [ interval TIME ] [ ecn | noecn ]
\t\t [ ce_threshold TIME ]""",
    "netem": """\
Usage: ... netem [ limit PACKETS ]
                 [ delay TIME [ JITTER [CORRELATION]]]
                 [ distribution {uniform|normal|pareto|paretonormal} ]
                 [ corrupt PERCENT [CORRELATION]]
                 [ duplicate PERCENT [CORRELATION]]
                 [ loss random PERCENT [CORRELATION]]
                 [ loss state P13 [P31 [P32 [P23 P14]]]
                 [ loss gemodel PERCENT [R [1-H [1-K]]]
                 [ ecn ]
                 [ reorder PERCENT [CORRELATION] [ gap DISTANCE ]]
                 [ rate RATE [PACKETOVERHEAD] [CELLSIZE] [CELLOVERHEAD]]
                 [ slot MIN_DELAY [MAX_DELAY] [packets MAX_PACKETS] [bytes MAX_BYTES]]
                 [ slot distribution {uniform|normal|pareto|paretonormal|custom}
                   DELAY JITTER [packets MAX_PACKETS] [bytes MAX_BYTES]]""",
    "red": """\
Usage: ... red\tlimit BYTES [min BYTES] [max BYTES] avpkt BYTES [burst PACKETS]
\t\t[adaptive] [probability PROBABILITY] [bandwidth KBPS]
\t\t[ecn] [harddrop] [nodrop]
\t\t[qevent early_drop block IDX] [qevent mark block IDX]""",
    "sfq": """\
Usage: ... sfq\t[ limit NUMBER ] [ perturb SECS ] [ quantum BYTES ]
\t\t[ divisor NUMBER ] [ flows NUMBER] [ depth NUMBER ]
\t\t[ headdrop ]
\t\t[ redflowlimit BYTES ] [ min BYTES ] [ max BYTES ]
\t\t[ avpkt BYTES ] [ burst PACKETS ] [ probability P ]
\t\t[ ecn ] [ harddrop ]""",
    "ingress": "Usage: ... ingress",
    "clsact": "Usage: ... clsact",
}
FILTERS = {
    "u32": """\
Usage: ... u32 [ match SELECTOR ... ] [ link HTID ] [ classid CLASSID ]
               [ action ACTION_SPEC ] [ offset OFFSET_SPEC ]
               [ ht HTID ] [ hashkey HASHKEY_SPEC ]
               [ sample SAMPLE ] [skip_hw | skip_sw]
or         u32 divisor DIVISOR

Where: SELECTOR := SAMPLE SAMPLE ...
       SAMPLE := { ip | ip6 | udp | tcp | icmp | u{32|16|8} | mark }
                 SAMPLE_ARGS [ divisor DIVISOR ]
       FILTERID := X:Y:Z

NOTE: CLASSID is parsed at hexadecimal input.""",
    "matchall": """\
Usage: ... matchall [skip_sw | skip_hw]
                 [ action ACTION_SPEC ] [ classid CLASSID ]

Where: SELECTOR := SAMPLE SAMPLE ...
       FILTERID := X:Y:Z
       ACTION_SPEC := ... look at individual actions

NOTE: CLASSID is parsed as hexadecimal input.""",
    "flower": """\
Usage: ... flower\t[ MATCH-LIST ] [ verbose ]
\t\t\t[ skip_sw | skip_hw ]
\t\t\t[ action ACTION-SPEC ] [ classid CLASSID ]

Where: MATCH-LIST := [ MATCH-LIST ] MATCH
       MATCH      := {\tindev DEV-NAME |
\t\t\tnum_of_vlans VLANS_COUNT |
\t\t\tvlan_id VID |
\t\t\tvlan_prio PRIORITY |
\t\t\tvlan_ethtype [ ipv4 | ipv6 | ETH-TYPE ] |
\t\t\tcvlan_id VID |
\t\t\tcvlan_prio PRIORITY |
\t\t\tcvlan_ethtype [ ipv4 | ipv6 | ETH-TYPE ] |
\t\t\tpppoe_sid PSID |
\t\t\tppp_proto [ ipv4 | ipv6 | mpls_uc | mpls_mc | PPP_PROTO ]\t\t\tdst_mac MASKED-LLADDR |
\t\t\tsrc_mac MASKED-LLADDR |
\t\t\tip_proto [tcp | udp | sctp | icmp | icmpv6 | IP-PROTO ] |
\t\t\tip_tos MASKED-IP_TOS |
\t\t\tip_ttl MASKED-IP_TTL |
\t\t\tmpls LSE-LIST |
\t\t\tmpls_label LABEL |
\t\t\tmpls_tc TC |
\t\t\tmpls_bos BOS |
\t\t\tmpls_ttl TTL |
\t\t\tdst_ip PREFIX |
\t\t\tsrc_ip PREFIX |
\t\t\tdst_port PORT-NUMBER |
\t\t\tsrc_port PORT-NUMBER |
\t\t\ttcp_flags MASKED-TCP_FLAGS |
\t\t\ttype MASKED-ICMP-TYPE |
\t\t\tcode MASKED-ICMP-CODE |
\t\t\tarp_tip IPV4-PREFIX |
\t\t\tarp_sip IPV4-PREFIX |
\t\t\tarp_op [ request | reply | OP ] |
\t\t\tarp_tha MASKED-LLADDR |
\t\t\tarp_sha MASKED-LLADDR |
\t\t\tenc_dst_ip [ IPV4-ADDR | IPV6-ADDR ] |
\t\t\tenc_src_ip [ IPV4-ADDR | IPV6-ADDR ] |
\t\t\tenc_key_id [ KEY-ID ] |
\t\t\tenc_tos MASKED-IP_TOS |
\t\t\tenc_ttl MASKED-IP_TTL |
\t\t\tgeneve_opts MASKED-OPTIONS |
\t\t\tvxlan_opts MASKED-OPTIONS |
                       erspan_opts MASKED-OPTIONS |
\t\t\tgtp_opts MASKED-OPTIONS |
\t\t\tip_flags IP-FLAGS |
\t\t\tenc_dst_port [ port_number ] |
\t\t\tct_state MASKED_CT_STATE |
\t\t\tct_label MASKED_CT_LABEL |
\t\t\tct_mark MASKED_CT_MARK |
\t\t\tct_zone MASKED_CT_ZONE }
\tLSE-LIST := [ LSE-LIST ] LSE
\tLSE := lse depth DEPTH { label LABEL | tc TC | bos BOS | ttl TTL }
\tFILTERID := X:Y:Z
\tMASKED_LLADDR := { LLADDR | LLADDR/MASK | LLADDR/BITS }
\tMASKED_CT_STATE := combination of {+|-} and flags trk,est,new,rel,rpl,inv
\tACTION-SPEC := ... look at individual actions

NOTE:\tCLASSID, IP-PROTO are parsed as hexadecimal input.
NOTE:\tThere can be only used one mask per one prio. If user needs
\tto specify different mask, he has to use different prio.""",
    "basic": """\
Usage: ... basic [ match EMATCH_TREE ]
                 [ action ACTION_SPEC ] [ classid CLASSID ]

Where:\tSELECTOR := SAMPLE SAMPLE ...
\tFILTERID := X:Y:Z
\tACTION_SPEC := ... look at individual actions

NOTE: CLASSID is parsed as hexadecimal input.""",
    "fw": """\
Usage: ... fw [ classid CLASSID ] [ indev DEV ] [ action ACTION_SPEC ]
\tCLASSID := Push matching packets to the class identified by CLASSID with format X:Y
\t\tCLASSID is parsed as hexadecimal input.
\tDEV := specify device for incoming device classification.
\tACTION_SPEC := Apply an action on matching packets.
\tNOTE: handle is represented as HANDLE[/FWMASK].
\t\tFWMASK is 0xffffffff by default.""",
}
ACTIONS = {
    "mirred": """\
Usage: mirred <DIRECTION> <ACTION> [index INDEX] <dev DEVICENAME>
where:
\tDIRECTION := <ingress | egress>
\tACTION := <mirror | redirect>
\tINDEX  is the specific policy instance id
\tDEVICENAME is the devicename""",
    "gact": """\
Usage: ... gact <ACTION> [RAND] [INDEX]
Where: \tACTION := reclassify | drop | continue | pass | pipe |
       \t          goto chain <CHAIN_INDEX> | jump <JUMP_COUNT>
\tRAND := random <RANDTYPE> <ACTION> <VAL>
\tRANDTYPE := netrand | determ
\tVAL : = value not exceeding 10000
\tJUMP_COUNT := Absolute jump from start of action list
\tINDEX := index value used
""",
    "police": """\
Usage: ... police [ rate BPS burst BYTES[/BYTES] ]\x20
\t\t[ pkts_rate RATE pkts_burst PACKETS ] [ mtu BYTES[/BYTES] ]
\t\t[ peakrate BPS ] [ avrate BPS ] [ overhead BYTES ]
\t\t[ linklayer TYPE ] [ CONTROL ]
Where: CONTROL := conform-exceed <EXCEEDACT>[/NOTEXCEEDACT]
\t\t  Define how to handle packets which exceed (<EXCEEDACT>)
\t\t  or conform (<NOTEXCEEDACT>) the configured bandwidth limit.
       EXCEEDACT/NOTEXCEEDACT := { pipe | ok | reclassify | drop | continue |
\t\t\t\t   goto chain <CHAIN_INDEX> }""",
    "vlan": """\
Usage: vlan pop [CONTROL]
       vlan push [ protocol VLANPROTO ] id VLANID [ priority VLANPRIO ] [CONTROL]
       vlan modify [ protocol VLANPROTO ] id VLANID [ priority VLANPRIO ] [CONTROL]
       vlan pop_eth [CONTROL]
       vlan push_eth dst_mac LLADDR src_mac LLADDR [CONTROL]
       VLANPROTO is one of 802.1Q or 802.1AD
            with default: 802.1Q
       CONTROL := reclassify | pipe | drop | continue | pass |
                  goto chain <CHAIN_INDEX>""",
    "skbedit": """\
Usage: ... skbedit <[QM] [PM] [MM] [PT] [IF]>
QM = queue_mapping QUEUE_MAPPING
PM = priority PRIORITY
MM = mark MARK[/MASK]
PT = ptype PACKETYPE
IF = inheritdsfield
PACKETYPE = is one of:
  host, otherhost, broadcast, multicast
QUEUE_MAPPING = device transmit queue to use
PRIORITY = classID to assign to priority field
MARK = firewall mark to set
MASK = mask applied to firewall mark (0xffffffff by default)
note: inheritdsfield maps DS field to skb->priority""",
}
STAB = """\
Usage: ... stab [ mtu BYTES ] [ tsize SLOTS ] [ mpu BYTES ]
                [ overhead BYTES ] [ linklayer TYPE ] ...
   mtu       : max packet size we create rate map for {2047}
   tsize     : how many slots should size table have {512}
   mpu       : minimum packet size used in rate computations
   overhead  : per-packet size overhead used in rate computations
   linklayer : adapting to a linklayer e.g. atm
Example: ... stab overhead 20 linklayer atm"""
ESTIMATOR = """\
Usage: ... estimator INTERVAL TIME-CONST
  INTERVAL is interval between measurements
  TIME-CONST is averaging time constant
Example: ... est 1sec 8sec"""
