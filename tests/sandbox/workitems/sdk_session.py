"""A program that uses the official Python SDK as its documentation has it, and prints what each step gave as JSON.

It is a process of its own because the SDK watches the home directory from a thread as soon as it is imported. The
sandbox's clock is turned by the sandbox's own address; nothing of the SDK is changed but its configuration.
"""

import json
import sys
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import PureCloudPlatformClientV2 as Sdk

Step = Callable[[], Any]
HOUR = timedelta(hours=1)


class Session:
    """What a person would do one step after the other. Its state: `known`, IDs that later steps need."""

    def __init__(self, host: str, worktype: str, tag: str) -> None:
        self.host, self.worktype, self.tag = host, worktype, tag
        self.known: dict[str, str] = {}
        self.client = Sdk.api_client.ApiClient()
        self.workitems: Any = None
        self.audits: Any = None

    def token(self, client_id: str, secret: str) -> Any:
        """Log in; the base address is all that is told."""
        self.client = self.client.get_client_credentials_token(client_id, secret)
        self.workitems = Sdk.TaskManagementApi(self.client)
        self.audits = Sdk.AuditApi(self.client)
        return {
            "token": bool(self.client.access_token),
            "me": Sdk.TokensApi(self.client).get_tokens_me().o_auth_client.id,
        }

    def create(self) -> Any:
        body = Sdk.WorkitemCreate()
        body.name, body.type_id, body.external_tag, body.priority = "Made by the SDK", self.worktype, self.tag, 5
        workitem = self.workitems.post_taskmanagement_workitems(body)
        self.known["workitem"] = workitem.id
        return workitem.to_dict()

    def get(self) -> Any:
        return self.workitems.get_taskmanagement_workitem(self.known["workitem"], expands=["type", "status"]).to_dict()

    def bulk(self) -> Any:
        """Create a job of three, run it, wait for it, read the results."""
        api, request, update = self.workitems, Sdk.BulkJobAddRequest(), Sdk.BulkJobUpdate()
        request.entities = [self._entity(n) for n in range(3)]
        job = api.post_taskmanagement_workitems_bulk_add_jobs(request)
        update.state = "Queued"
        queued = api.patch_taskmanagement_workitems_bulk_add_job(job.id, update)
        self._time_passes(60)
        done = api.get_taskmanagement_workitems_bulk_add_job(job.id)
        results = api.get_taskmanagement_workitems_bulk_add_job_results(job.id)
        names = [each.entity.name for each in results.results]
        return {"states": [job.state, queued.state, done.state], "successful": done.successful_count, "names": names}

    def query(self) -> Any:
        """All workitems of the worktype, two a page, by following the cursor through empty pages too."""
        tags, pages, after = [], 0, None
        while pages == 0 or after:
            body = Sdk.WorkitemQueryPostRequest()
            body.page_size, body.after = 2, after
            body.filters = [_filter(Sdk.WorkitemFilter(), "typeId", self.worktype)]
            page = self.workitems.post_taskmanagement_workitems_query(body)
            tags += [each.external_tag for each in page.entities]
            pages, after = pages + 1, page.after
        return {"tags": sorted(tags), "pages": pages}

    def history(self) -> Any:
        changes = self.workitems.get_taskmanagement_workitem_history(self.known["workitem"], page_size=200).entities
        states = [each.delta.assignment_state.new_value for each in changes if each.delta.assignment_state]
        return {"versions": [each.version for each in changes], "states": states}

    def audit(self) -> Any:
        """Ask asynchronously for what our client did, and read the results by cursor, without redirects."""
        mapping = self.audits.get_audits_query_servicemapping()
        asked = self._asked_audits()
        done = self.audits.get_audits_query_transaction_id(asked.id)
        entries, more = [], {"allow_redirect": False}
        while more:
            page = self.audits.get_audits_query_transaction_id_results(asked.id, page_size=2, **more)
            entries += [[each.entity_type, each.action] for each in page.entities]
            more = {"allow_redirect": False, "cursor": page.cursor} if page.cursor else {}
        names = [entity.name for service in mapping.services for entity in service.entities]
        return {"states": [asked.state, done.state], "entries": sorted(entries), "listed": names}

    def download(self) -> Any:
        """The same results as one large page, for which the SDK follows a redirect by itself."""
        page = self.audits.get_audits_query_transaction_id_results(self._asked_audits().id, page_size=500)
        return sorted([each.entity_type, each.action] for each in page.entities)

    def realtime(self) -> Any:
        """The same question, answered at once."""
        body = self._question(Sdk.AuditRealtimeQueryRequest())
        body.page_number, body.page_size = 1, 500
        page = self.audits.post_audits_query_realtime(body)
        return {"total": page.total, "entries": sorted([each.entity_type, each.action] for each in page.entities)}

    def _asked_audits(self) -> Any:
        asked = self.audits.post_audits_query(self._question(Sdk.AuditQueryRequest()))
        self._time_passes(60)
        return asked

    def _question(self, body: Any) -> Any:
        by_client = Sdk.AuditQueryFilter()
        by_client.pcProperty, by_client.value = "ClientId", self.known["client"]
        end = self.workitems.get_taskmanagement_workitem(self.known["workitem"]).date_created + HOUR
        body.interval, body.filters = f"{(end - 2 * HOUR).isoformat()}/{end.isoformat()}", [by_client]
        body.service_name = "TaskManagement"
        return body

    def _entity(self, n: int) -> Any:
        entity = Sdk.WorkitemCommonCreate()
        entity.name, entity.type_id, entity.external_tag = f"Bulk {n}", self.worktype, f"{self.tag}-{n}"
        return entity

    def _time_passes(self, seconds: float) -> None:
        body = json.dumps({"advance_s": seconds}).encode()
        request = urllib.request.Request(f"{self.host}/sandbox/clock", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()


def _filter(filled: Any, name: str, value: str) -> Any:
    filled.name, filled.type, filled.operator, filled.values = name, "String", "EQ", [value]
    return filled


def _tried(step: Step) -> Any:
    """What a step gives, or the error that it ends with, so that the other steps are tried as well."""
    try:
        return step()
    except Exception as problem:  # noqa: BLE001 - the door of a process: told to the test, which fails by it
        return {"error": f"{type(problem).__name__}: {problem}"}


def main() -> None:
    """Read the address, credentials, worktype and tag as JSON from stdin; write the outcome of each step to stdout."""
    given = json.load(sys.stdin)
    Sdk.configuration.host = given["host"]
    session = Session(given["host"], given["worktype"], given["tag"])
    session.known["client"] = given["client_id"]
    steps: dict[str, Step] = {
        "token": lambda: session.token(given["client_id"], given["client_secret"]),
        "create": session.create,
        "get": session.get,
        "bulk": session.bulk,
        "query": session.query,
        "history": session.history,
        "audit": session.audit,
        "download": session.download,
        "realtime": session.realtime,
    }
    json.dump({name: _tried(step) for name, step in steps.items()}, sys.stdout, default=str)


if __name__ == "__main__":
    main()
