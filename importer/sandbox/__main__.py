"""`python -m importer.sandbox`: the sandbox as a process of its own."""

import argparse
import sys
from pathlib import Path

from importer.sandbox.scenario import built_in_names
from importer.sandbox.server import SandboxOptions, serve


def main() -> int:
    """Read the arguments and serve; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m importer.sandbox", description="A server that stands for Genesys Cloud."
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--seed", type=int, help="makes a new world repeatable")
    parser.add_argument("--scenario", help=f"a TOML file, or one of {', '.join(built_in_names())}")
    parser.add_argument("--world", type=Path, help="file that keeps the world from one start to the next")
    parser.add_argument("--journal", type=Path, help="file to which a line is added for all that really happens")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when stdin ends")
    return serve(SandboxOptions(**vars(parser.parse_args())))


if __name__ == "__main__":
    sys.exit(main())
