"""The objects of rtnetlink, one module each: link, vlan, qdisc, address, route, rule, neighbour, nsid.

Each module has a record, which gives a decoded message typed attributes, and functions that build the `Request` for each verb.
"""
