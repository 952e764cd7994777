"""`rawns tc`: queueing disciplines, classes, filters and actions, in the words of iproute2's `tc`.

It stands on the mechanism of `rawns.cli.ip` (see there)::

    command, context              options and objects; what a command line of tc has besides
    words, units                  handles, protocols, controls; rates, sizes, times, ticks
    output, rows                  fields of output; the options of kinds as rows: word, attribute, output
    object_words, common          the words in front of a kind; estimators and size tables
    qdisc, classes, filter, chain, actions       the objects
    statistics, rates             counters; struct tc_ratespec and bursts
    kinds, filters                a module for each family of disciplines, and of filters
    action_kind, action_kinds, mirred, police    the actions
"""

from .command import main

__all__ = ["main"]
