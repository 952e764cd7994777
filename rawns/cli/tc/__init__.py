"""`rawns tc`: queueing disciplines, classes, filters and actions, in the words of iproute2's `tc`.

It stands on the mechanism of `rawns.cli.ip` (see there)::

    command     options and objects             context   what a command line of tc has besides
    words       handles, protocols, options     units     rates, sizes, times, ticks
    qdisc, classes, filter, actions             the objects
    statistics, common                          counters; words that several objects read
    kinds       a module for each family of disciplines
    filters     a module for each family of filters
    action_kinds                                the actions
"""

from .command import main

__all__ = ["main"]
