"""Hands: how somebody uses the page: with a mouse, or with the keys of the keyboard and nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from playwright.async_api import Locator

STEPS_MOST = 600
"""So often somebody presses Tab before they say that a thing cannot be reached."""
FOCUSED = "each => each === document.activeElement"
CHOSEN = "each => each.selectedOptions[0].label.trim()"


class Hands(Protocol):
    """What one does on a page. What is used must be seen, and must be named for those who do not see."""

    async def presses(self, what: "Locator") -> None:
        """A button, a link, a box to tick."""

    async def fills(self, what: "Locator", text: str) -> None:
        """A field, whatever stood there."""

    async def chooses(self, what: "Locator", label: str) -> None:
        """One of a list; its label begins so."""

    async def picks(self, what: "Locator") -> None:
        """One of several round buttons."""

    async def gives(self, what: "Locator", file: Path) -> None:
        """A file to an upload."""


class Mouse:
    """Points and clicks."""

    async def presses(self, what: "Locator") -> None:
        await what.click()

    async def fills(self, what: "Locator", text: str) -> None:
        await what.fill(text)

    async def chooses(self, what: "Locator", label: str) -> None:
        labels = [each.strip() for each in await what.locator("option").all_inner_texts()]
        await what.select_option(index=next(n for n, each in enumerate(labels) if each.startswith(label)))

    async def picks(self, what: "Locator") -> None:
        await what.check()

    async def gives(self, what: "Locator", file: Path) -> None:
        await what.set_input_files(file)


class Keys:
    """Tab, Enter, Space, arrows and letters; nothing is pointed at."""

    async def reaches(self, what: "Locator") -> None:
        """Tabs on until the thing has the focus. Fails where it never gets it."""
        await what.wait_for()
        for _ in range(STEPS_MOST):
            if await what.evaluate(FOCUSED):
                return
            await what.page.keyboard.press("Tab")
        raise AssertionError(f"{what} is not reached by Tab")

    async def presses(self, what: "Locator") -> None:
        await self.reaches(what)
        ticked = await what.get_attribute("type") == "checkbox"
        await what.page.keyboard.press("Space" if ticked else "Enter")

    async def fills(self, what: "Locator", text: str) -> None:
        await self.reaches(what)
        await what.page.keyboard.press("Control+a")
        await what.page.keyboard.press("Delete")
        await what.page.keyboard.type(text)

    async def chooses(self, what: "Locator", label: str) -> None:
        await self.reaches(what)
        await what.page.keyboard.type(label)
        assert str(await what.evaluate(CHOSEN)).startswith(label)

    async def picks(self, what: "Locator") -> None:
        """Tab stops once in a group; arrows go on from there."""
        group = await what.get_attribute("name")
        await self.reaches(what.page.locator(f'input[type=radio][name="{group}"]:checked'))
        for _ in range(STEPS_MOST):
            if await what.is_checked():
                return
            await what.page.keyboard.press("ArrowUp")
        raise AssertionError(f"{what} is not reached by arrows")

    async def gives(self, what: "Locator", file: Path) -> None:
        async with (
            what.page.expect_file_chooser() as chooser
        ):  # from before the first step on: it takes the browser a moment
            await self.reaches(what)
            await what.page.keyboard.press("Enter")
        await (await chooser.value).set_files(file)
