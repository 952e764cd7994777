"""`rawns ip`: the kernel's namespaces, links and addresses, in the words of iproute2's `ip`.

Floor 7.  Args in, one record out, several renderers::

    command   options, the object, -batch      words   the grammar: rows of data      values   what a word may be
    session   netlink, names, standard error   show    renderers: rows of data        names    iproute2's name tables
    link addr netns    an object each: ``run(args)``, loaded when it is named, with link_set and kinds for the words
                       of links, listing and filters for what is shown, show_link, show_addr, show_stats for how,
                       execute for ``netns exec``

A new object is a row of `command.OBJECTS` and a module; a new option is a row of a table.
"""

from .command import main

__all__ = ["main"]
