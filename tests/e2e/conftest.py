"""One browser for all tests of a worker; without one they are skipped, or fail where IMPORTER_E2E=required says that they must run."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest
import pytest_asyncio

from tests.e2e.browser import PLAIN, Look, Watch, chromium, missing, person

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

REQUIRED = os.environ.get("IMPORTER_E2E") == "required"


class Opens(Protocol):
    """Opens a window for somebody: a context that ends with the block."""

    def __call__(self, look: Look = PLAIN) -> "AbstractAsyncContextManager[Page]": ...


@pytest.fixture(scope="session", autouse=True)
def needed() -> None:
    """Nobody waits for a server whose page cannot be looked at."""
    reason = missing()
    if reason and REQUIRED:
        pytest.fail(f"IMPORTER_E2E=required, and there is {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(needed: None) -> "AsyncIterator[Browser]":
    """Chromium."""
    async with chromium() as running:
        yield running


@pytest.fixture
def watch() -> Watch:
    """What went wrong in the browser during a test; whoever uses it looks at it."""
    return Watch()


@pytest_asyncio.fixture(loop_scope="session")
async def opens(browser: "Browser", watch: Watch) -> AsyncIterator[Opens]:
    """Opens windows, and fails the test in the end for anything that went wrong in one of them."""

    @asynccontextmanager
    async def opened(look: Look = PLAIN) -> "AsyncIterator[Page]":
        async with person(browser, look, watch) as page:
            yield page

    yield opened
    assert watch.wrong == []
