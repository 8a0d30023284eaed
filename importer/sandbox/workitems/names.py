"""The names of the platform's operations, by which faults are aimed and calls are counted. Pure."""

WORKITEMS = (
    "workitem_create",
    "workitem_get",
    "workitem_patch",
    "workitem_terminate",
    "workitem_query",
    "workitem_versions",
    "workitem_version",
    "workitem_history",
)
QUERY_JOBS = ("query_job_create", "query_job_get", "query_job_results")
BULK_ADD = (
    "bulk_add_create",
    "bulk_add_get",
    "bulk_add_patch",
    "bulk_add_delete",
    "bulk_add_results",
    "bulk_jobs_mine",
)
WORKTYPES = ("worktype_query", "worktype_get", "worktype_statuses", "workbin_query", "workbin_get")
SCHEMAS = ("schemas", "schema_get", "schema_versions", "schema_version", "schema_limits", "schema_coretypes")
SERVICES = (
    *("organization", "divisions", "token_get", "token_head", "token_delete", "users_search", "users_me"),
    *("queue_list", "queue_views", "queue_views_all", "queue_mine", "queue_get", "queue_wrapup_codes"),
    *("skills", "languages", "wrapup_codes", "utilization_labels", "contacts", "contact_get"),
    *("limits", "limit_defaults", "limit_docs"),
    *("audit_query", "audit_get", "audit_results", "audit_realtime", "audit_related"),
    *("audit_mapping", "audit_realtime_mapping"),
    *("topics", "channel_create", "channel_list", "channel_head"),
    *("subscription_add", "subscription_replace", "subscription_list", "subscription_clear"),
)
"""Those of directory, limits, audits and notifications."""
OPERATION_NAMES = (*WORKITEMS, *QUERY_JOBS, *BULK_ADD, *WORKTYPES, *SCHEMAS, *SERVICES)
CREATES = frozenset({"workitem_create", "bulk_add_create"})
"""Those whose bodies ask for something that could be done twice."""
