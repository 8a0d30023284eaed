"""OpenAPI: the routes for programs, described from the table of routes and from the schema of the target."""

from typing import Any

from importer import __version__
from importer.core.limits import Limits
from importer.web.requests import schema

VERSION = "3.1.0"
PROBLEM = {
    "type": "object",
    "description": "Why it was not done, and what to do.",
    "properties": {
        "status": {"type": "integer"}, "code": {"type": "string"}, "message": {"type": "string"}, "fix": {"type": "string"},
    },
    "required": ["status", "code", "message", "fix"],
}  # fmt: skip
RUN = {
    "type": "object",
    "properties": {
        "words": {"type": "string"}, "going_on": {"type": "boolean"}, "doing": {"type": "string"}, "wait": {"type": "string"},
        "problem": {"type": "string"}, "fix": {"type": "string"}, "to_send": {"type": "integer"}, "settled": {"type": "integer"},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "states": {"type": "object", "additionalProperties": {"type": "integer"}},
        "rate": {"type": "number", "description": "Rows a second."},
        "calls": {"type": "integer", "description": "In the cap's window now."}, "cap": {"type": "integer"},
        "window_s": {"type": "number"}, "left_s": {"type": ["integer", "null"]},
        "reports": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["words", "going_on", "counts", "to_send", "settled", "states"],
}  # fmt: skip
REFUSALS = {
    "400": "It is not what was asked for.", "401": "Nobody is logged in.", "403": "The host, the origin or the role is not allowed.",
    "408": "It came too slowly.", "413": "It is too large.", "415": "It is not JSON, or it is compressed.",
    "429": "Too many at once.", "502": "The target does not let the importer in.", "503": "The target does not answer.",
}  # fmt: skip


def described(limits: Limits) -> dict[str, Any]:
    """The whole description, for one target."""
    whole = schema(limits)
    request, answer = whole["$defs"]["TaskRequest"], whole["$defs"]["Answer"]
    refused = {
        code: {"description": words, "content": _json({"$ref": "#/components/schemas/Problem"})}
        for code, words in REFUSALS.items()
    }
    one = {"$ref": "#/components/schemas/TaskRequest"}
    reply = {"$ref": "#/components/schemas/Answer"}
    wanted = {"oneOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": 1000}]}
    given = {"oneOf": [reply, {"type": "array", "items": reply}]}
    paths = {
        "/api/preview": {
            "post": {
                "operationId": "preview",
                "summary": "Verdicts for one task request or a list. Changes nothing.",
                "requestBody": {"required": True, "content": _json(wanted)},
                "responses": {"200": _given("One answer for each request, in order.", given), **refused},
            }
        },
        "/api/schema": _get("schema", "The JSON Schema of POST /api/preview.", "application/schema+json", refused),
        "/api/openapi.json": _get("openapi", "This description.", "application/json", refused),
        "/runs/{run}/state": {
            "get": {
                "parameters": [{"name": "run", "in": "path", "required": True, "schema": {"type": "string"}}],
                "operationId": "state",
                "summary": "How far a run is, for a page that gets no stream of events. Asks for a log-in.",
                "responses": {
                    "200": _given("The numbers of the run's page.", {"$ref": "#/components/schemas/Run"}),
                    **refused,
                    "404": {"description": "There is no such run.", "content": _json(PROBLEM)},
                },
            },
        },
        "/healthz": _get(
            "healthz", "Whether the server lives.", "text/plain", {"403": refused["403"]}, {"type": "string"}
        ),
    }
    return {
        "openapi": VERSION,
        "info": {"title": "Task importer for Genesys Cloud", "version": __version__},
        "paths": paths,
        "components": {"schemas": {"TaskRequest": request, "Answer": answer, "Problem": PROBLEM, "Run": RUN}},
    }


def _get(
    name: str, summary: str, kind: str, refused: dict[str, Any], shape: dict[str, Any] | None = None
) -> dict[str, Any]:
    given = {"description": summary, "content": {kind: {"schema": shape or {"type": "object"}}}}
    return {"get": {"operationId": name, "summary": summary, "responses": {"200": given, **refused}}}


def _given(words: str, shape: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": _json(shape)}


def _json(shape: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": shape}}
