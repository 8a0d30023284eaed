"""Sample spreadsheets, made from a seed: small ones that each show something, and large ones to measure with."""

from importer.samples.bulk import make_file
from importer.samples.folder import make_samples

__all__ = ["make_file", "make_samples"]
