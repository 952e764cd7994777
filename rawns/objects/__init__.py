"""The nouns of rtnetlink, one module each: link, vlan, qdisc, address, route, rule, neighbour, nsid.

Floor 3, pure.  Each has a record, which is a view of a decoded message under readable names, and functions that build
the `Request` for each verb.  Nothing here sends anything.
"""
