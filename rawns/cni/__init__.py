"""Plugins of the Container Network Interface: what container engines call to connect a container (CNI specification 1.1).

Each plugin is one class with one description of its keys (`keys.ConfigKey`): what a network configuration may contain, its
checks and defaults, the help and the manual's reference are read from it.  `program.run` carries out one call of an engine.
"""
