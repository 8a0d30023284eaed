"""Genesys Cloud's workitems API, as far as its definition and its documentation tell it, for the sandbox."""
