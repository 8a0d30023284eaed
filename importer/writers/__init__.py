"""Writers: each writes one report into a folder and returns its path. A new report is a module and a line here."""

WRITERS: dict[str, str] = {
    "xlsx": "importer.writers.results_xlsx:write_results",
    "json": "importer.writers.results_json:write_results_json",
    "csv": "importer.writers.results_csv:write_results_csv",
    "rejects": "importer.writers.rejects:write_rejects",
}
"""The reports of a run by name, as `module:function`: nothing heavy is loaded before one is wanted."""
