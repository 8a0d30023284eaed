"""Sabotage: one-line damages to the importer, each of which a named test must notice. `python -m tests.sabotage` tries all."""
