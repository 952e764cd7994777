"""The command line: floor 7, on top of the public names.  Each command is a module of its own, loaded when it is typed."""
