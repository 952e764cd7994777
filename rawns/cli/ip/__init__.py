"""`rawns ip`: namespaces, links, addresses, routes and more, in the words of iproute2's `ip`.

Words become one record, and a record is rendered as text or JSON::

    command     options and objects of `ip`         grammar    abbreviations, errors of wrong words
    program     what `bridge` and others share      keywords   rows of words and the function that reads them
    context     netlink, names, standard error      arguments  values of words
    render      rows of output, text and JSON       name_tables, help_texts  iproute2's names and help

Each object is a module with ``run(args)`` (an `ObjectVerbs`), loaded when it is named; ``kinds`` has a module for each family
of kinds of links.  An object's output is a tuple of rows, which `render.fields` shows one by one and `render.Renderer` for
lists.  A new object is a row of `command.OBJECTS` and a module; a new option is a row.
"""

from .command import main

__all__ = ["main"]
