"""The command line: reads arguments, calls the flow, prints. Decides nothing about rows."""

import sys


def main() -> None:
    """The door of the program: every failure ends in a message and an exit code, never in a traceback for a user's mistake."""
    from importer.cli.door import guarded

    sys.exit(guarded(sys.argv[1:]))
