"""Tests of the `workitems` target."""
