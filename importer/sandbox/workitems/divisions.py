"""The divisions of the built-in organisation: a home division that has nearly everything, and one beside it. Pure."""

from dataclasses import dataclass

from importer.sandbox.life import seeded_id


@dataclass(frozen=True, slots=True)
class Division:
    """A division; exactly one is home."""

    id: str
    name: str
    is_home: bool = False

    def json(self) -> dict[str, str]:
        """A reference to it, as entities carry it."""
        return {"id": self.id, "name": self.name, "selfUri": f"/api/v2/authorization/divisions/{self.id}"}


HOME = Division(seeded_id("division", "Home"), "Home", is_home=True)
NORTH = Division(seeded_id("division", "North"), "North")
DIVISIONS = {division.id: division for division in (HOME, NORTH)}
