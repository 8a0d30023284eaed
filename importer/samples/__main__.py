"""The door of `python -m importer.samples`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from importer.samples import make_file, make_samples


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the samples, or with --rows one large file; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m importer.samples", description="Makes sample spreadsheets.")
    parser.add_argument("--out", type=Path, help="the folder (samples), or with --rows the file, .csv or .xlsx")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same content (1)")
    parser.add_argument("--rows", type=int, help="make one file of so many rows instead")
    parser.add_argument("--bad", type=float, default=0.0, help="with --rows: the share of invalid rows, 0 to 1 (0)")
    given = parser.parse_args(arguments)
    if given.rows is None:
        made = make_samples(given.out or Path("samples"), given.seed)
    else:
        try:
            made = [make_file(given.out or Path(f"tasks-{given.rows}.csv"), given.rows, given.seed, bad=given.bad)]
        except ValueError as problem:
            parser.error(str(problem))
    sys.stdout.writelines(f"{path}\n" for path in made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
