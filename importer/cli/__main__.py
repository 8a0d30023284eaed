"""`python -m importer.cli`: the same as the command `importer`."""

from importer.cli import main

main()
