"""The local preview endpoint: POST /api/preview and GET /api/schema, on loopback alone. No side effects."""

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

from aiohttp import web

from importer import wiring
from importer.core.errors import ImporterError, NotAuthorised, UsageError
from importer.flow.facts import Lookups
from importer.flow.run import PREVIEW_SCOPES
from importer.web.requests import MalformedRequest, judged, schema

if TYPE_CHECKING:
    from importer.ports import Ledger
    from importer.wiring import Connection

BODY_MOST = 1024 * 1024
REQUESTS_MOST = 1000
HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


def application(connection: "Connection", ledger: "Ledger") -> web.Application:
    """The endpoint for one target."""
    clock = wiring.clock()
    app = web.Application(client_max_size=BODY_MOST, middlewares=[_guarded])

    async def preview(request: web.Request) -> web.Response:
        body, many = await _body(request)
        lookups = Lookups(connection.target, ledger, connection.environment, clock)
        await connection.target.log_in(PREVIEW_SCOPES)
        answers = await judged(body, lookups, connection.target.limits)
        return web.json_response(answers if many else answers[0])

    async def described(_: web.Request) -> web.Response:
        return web.json_response(schema(connection.target.limits), content_type="application/schema+json")

    app.router.add_post("/api/preview", preview)
    app.router.add_get("/api/schema", described)
    return app


async def _body(request: web.Request) -> tuple[list[Any], bool]:
    """The requests, and whether they came as a list. Raises MalformedRequest, HTTPException."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send application/json")
    data = await request.read()
    try:
        body = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise MalformedRequest(f"the body is not JSON: {problem}") from problem
    requests = body if isinstance(body, list) else [body]
    if not requests:
        raise MalformedRequest("the list is empty")
    if len(requests) > REQUESTS_MOST:
        raise web.HTTPRequestEntityTooLarge(REQUESTS_MOST, len(requests), text=f"at most {REQUESTS_MOST} requests")
    return requests, isinstance(body, list)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


@web.middleware
async def _guarded(request: web.Request, handler: Any) -> web.StreamResponse:
    """Foreign Host headers are refused (DNS rebinding); every failure has a body that says what to do."""
    if (request.host or "").rsplit(":", 1)[0] not in HOSTS and request.host not in HOSTS:
        return _error(403, "forbidden", f"the host {request.host!r} is not this machine", "Ask 127.0.0.1.")
    try:
        response: web.StreamResponse = await handler(request)
    except MalformedRequest as problem:
        return _error(400, "bad.request", str(problem), "See GET /api/schema.")
    except web.HTTPRequestEntityTooLarge:
        most = f"at most {BODY_MOST // 1024} KiB and {REQUESTS_MOST} requests are taken"
        return _error(413, "too.large", most, "Send fewer requests at once.")
    except web.HTTPException as problem:
        return _error(problem.status, "refused", problem.text or problem.reason, "See GET /api/schema.")
    except NotAuthorised as problem:
        return _error(502, "not.authorised", str(problem), problem.fix)
    except ImporterError as problem:
        return _error(503, "unavailable", str(problem), problem.fix)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _error(status: int, code: str, message: str, fix: str) -> web.Response:
    body = {"status": status, "code": code, "message": message, "fix": fix}
    return web.json_response(body, status=status, headers={"X-Content-Type-Options": "nosniff"})


def serve(port: int, connection: "Connection", ledger: "Ledger") -> int:
    """Serves until Ctrl-C. Raises UsageError where the port is taken."""
    code: int = connection.run(_serve(port, application(connection, ledger)))
    return code


async def _serve(port: int, app: web.Application) -> int:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    try:
        await site.start()
    except OSError as problem:
        await runner.cleanup()
        raise UsageError(f"Port {port} cannot be used: {problem.strerror}.", "Choose another with --port.") from problem
    host, bound = runner.addresses[0][:2]
    print(f"listening on http://{host}:{bound} (POST /api/preview, GET /api/schema); Ctrl-C ends", flush=True)  # noqa: T201
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform != "win32":
            loop.add_signal_handler(number, stopped.set)
    try:
        await stopped.wait()
    finally:
        await runner.cleanup()
    return 0
