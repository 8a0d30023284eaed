"""Genesys Cloud's workitems, after its own definition (facts of 2026-10): one noun a module, no decision about rows."""
