"""Office: a real `importer serve` with a state folder of its own, the people who may come in, and a sandbox behind it."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.bench import World
from tests.harness.scene import clean_environment

COMMAND = (sys.executable, "-m", "importer.cli")
PEOPLE = {"anna": "preparer", "boris": "approver", "clara": "operator", "dora": "preparer"}
PATIENCE_S = 180
STORY = "unique = false\nindex_lag_s = 0.05\n[limit]\ncalls = 0\n[life]\n" + "".join(
    f"{state} = [0.01, 0.01]\n"
    for state in ("queued", "assigned", "accepted", "working", "wrapup", "closed", "cancelled")
)
"""A world in which a run ends within seconds."""


@dataclass
class Office:
    """The server, started again at will; its state outlives it."""

    folder: Path
    world: World
    settings: Mapping[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)  # the token of each person's link
    url: str = ""
    process: "subprocess.Popen[str] | None" = None

    @property
    def environment(self) -> dict[str, str]:
        """What server and command line are told."""
        told = self.world.environment(self.folder / "state")
        own = {"IMPORTER_OUT": str(self.folder / "reports"), "IMPORTER_REQUIRE_APPROVAL": "true"}
        return clean_environment() | told | own | dict(self.settings)

    def commands(self, *arguments: str | Path) -> str:
        """What a command of the same settings prints."""
        ended = subprocess.run(
            [*COMMAND, *map(str, arguments)], env=self.environment, cwd=self.folder, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert ended.returncode in (0, 5), ended.stdout + ended.stderr
        return ended.stdout

    def previews(self, file: Path) -> str:
        """The ID of the plan that the command line makes of a file."""
        body: dict[str, Any] = json.loads(self.commands("preview", file, "--format", "json"))
        return str(body["plan"])

    def lets_in(self, people: Mapping[str, str]) -> None:
        """Makes a link for each: name and role."""
        for name, role in people.items():
            said = self.commands("serve", "user", "add", name, "--role", role)
            self.links[name] = re.findall(r"token=(\S+)", said)[-1]

    def link(self, name: str) -> str:
        """Where somebody comes in."""
        return f"{self.url}/login?token={self.links[name]}"

    def opens(self, port: int = 0) -> None:
        """Starts the server, or starts it again: then at the port that it had, as the browsers know it."""
        port = port or int(self.url.rpartition(":")[2] or 0)
        command = [*COMMAND, "serve", "--port", str(port), "--identity", "token"]
        log = (self.folder / "server.log").open("a", encoding="utf-8")
        self.process = subprocess.Popen(
            command, env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
        log.close()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line + (self.folder / "server.log").read_text("utf-8")
        self.url = found[0]

    def dies(self) -> None:
        """Kills the server as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def closes(self) -> None:
        """Ends the server in an orderly way."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def office(folder: Path, world: World, settings: Mapping[str, str] | None = None) -> Iterator[Office]:
    """An open office with its people; closed with the block."""
    made = Office(folder, world, settings or {})
    try:
        made.lets_in(PEOPLE)
        made.opens()
        yield made
    finally:
        made.closes()
