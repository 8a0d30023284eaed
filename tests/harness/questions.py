"""Questions: worlds of workitems, one for each answer to what the platform's definition leaves open (facts, section 16).

Each is a scenario without uniqueness, as TOML; every fault of the harness is to be borne in all of them.
"""

BASE = """
unique = false
index_lag_s = 0.2
[limit]
calls = 0
[workitems]
bulk_queued = [0, 0.05]
bulk_running = [0, 0.05]
"""
AUDITED = """
[services]
workitem_audits = true
audit_lag_s = 0.1
audit_queued_s = 0
audit_running_s = 0.1
"""
QUICK_LIFE = "[workitems.life]\n" + "".join(
    f"{moment} = [0, 0.01]\n"
    for moment in ("started", "alerting", "flash", "connected", "working", "disconnected", "closed")
)
"""Workitems that are worked on and closed within a moment."""

WORLDS = {
    "as the definition suggests": BASE,
    "no IN for external tags": BASE + "in_external_tag = false\n",
    "few values for IN": BASE + "in_values_max = 3\n",
    "results in another order": BASE + "results_shuffled = true\n",
    "404 after 201": BASE + "status_404_after_create_s = 0.2\n",
    "empty pages, half full ones": BASE + "empty_pages = 2\npage_fill = 0.5\n",
    "one bulk job at a time": BASE + "bulk_jobs_concurrent = 1\n",
    "external tags in any case": BASE + "tag_case_sensitive = false\n",
    "unknown properties refused": BASE + 'unknown_property = "refused"\nclient_is_user = false\n',
    "workitems audited": BASE + AUDITED,
    "all of it": BASE
    + "in_external_tag = false\nresults_shuffled = true\nstatus_404_after_create_s = 0.2\nempty_pages = 1\n"
    + AUDITED,
}
"""By the answer that each of them gives."""
