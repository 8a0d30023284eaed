"""Health: whether the server lives, and its numbers for a monitor."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aiohttp import web

from importer import __version__
from importer.web.connections import OPEN
from importer.web.guard import STREAMS
from importer.web.refusal import Refused
from importer.web.rooms import rooms
from importer.web.route import PUBLIC, Role, Route

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


async def healthz(_: web.Request) -> web.StreamResponse:
    """Answers as long as the event loop turns."""
    return web.Response(text="ok\n")


async def metrics(request: web.Request) -> web.StreamResponse:
    """Prometheus text. Raises Refused (404) without the extra that makes it."""
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError:
        raise Refused(
            404, "There are no metrics: prometheus-client is not installed.",
            "Install it: pip install 'genesys-task-importer[metrics]'.", code="not.found",
        ) from None  # fmt: skip
    registry = CollectorRegistry()
    registry.register(_Numbers(request))
    return web.Response(
        body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


class _Numbers:
    """What is counted when somebody asks; nothing names a person, a file or a row."""

    def __init__(self, request: web.Request) -> None:
        self._request = request

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

        app, book = self._request.app, rooms(self._request).desk.book
        connections = app[OPEN]
        yield GaugeMetricFamily("importer_connections", "Open connections.", value=len(connections))
        yield CounterMetricFamily("importer_connections_cut", "Connections that were cut.", value=connections.cut)
        yield GaugeMetricFamily(
            "importer_event_streams", "Event streams that are followed.", value=app[STREAMS].total()
        )
        yield GaugeMetricFamily("importer_runs", "Runs in the ledger.", value=len(list(book.runs())))
        yield InfoMetricFamily("importer", "What serves.", value={"version": __version__})


ROUTES = (
    Route("GET", "/healthz", healthz, PUBLIC, "json"),
    Route("GET", "/metrics", metrics, frozenset({Role.OPERATOR}), "json", local=True),
)
