"""The server that stands for Genesys Cloud's `tasks` API; it shares no code with the importer that it tests."""
