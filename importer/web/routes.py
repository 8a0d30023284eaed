"""Routes: everything that the page answers, in one table. Each module of pages has its own part."""

from importer.web.pages import (
    api,
    columns,
    door,
    downloads,
    events,
    fixing,
    health,
    history,
    plans,
    progress,
    rows,
    runs,
    sheets,
    static,
    uploads,
    values,
)
from importer.web.route import EVERYONE, PUBLIC, Role, Route

__all__ = ["EVERYONE", "PUBLIC", "ROUTES", "Role", "Route"]

ROUTES: tuple[Route, ...] = (
    *door.ROUTES, *static.ROUTES, *health.ROUTES, *api.ROUTES,
    *uploads.ROUTES, *sheets.ROUTES, *columns.ROUTES, *values.ROUTES, *progress.ROUTES, *rows.ROUTES, *fixing.ROUTES,
    *plans.ROUTES, *downloads.ROUTES, *history.ROUTES, *runs.ROUTES, *events.ROUTES,
)  # fmt: skip
