"""The world on disk: what is back after a restart, a kill, or a torn line."""

from pathlib import Path

import pytest
from aiohttp import ClientSession

from importer.sandbox.clock import HandClock, WallClock
from importer.sandbox.scenario import Life, Limit, QueueSpec, Scenario
from importer.sandbox.server import Sandbox
from importer.sandbox.world import Identity, World
from importer.sandbox.worldfile import WorldFile, WorldFileError, restore
from tests.sandbox.conftest import UNLIMITED, Caller, body

CALM = Scenario(limit=UNLIMITED)


def opened(file: WorldFile, seed: int | None = None, scenario: Scenario = CALM) -> World:
    """The world of an open file."""
    return restore(file, seed, scenario, HandClock())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a world does not exist yet."""
    return tmp_path / "worlds" / "world.jsonl"


def test_world_comes_back_as_it_was(path: Path) -> None:
    """Identity, tasks, their lives and changed queues are the same after a restart; new tasks get new IDs."""
    with WorldFile(path) as file:
        world = opened(file)
        queue = world.put_queue(QueueSpec(name="New", members=2))
        world.turn_queue("New", "transitional")
        world.turn_queue("New", "open")
        tasks = [world.create(body(queue.id, f"É-{n}"), now=1000.0 + n, key=f"k{n}") for n in range(3)]
        before = [world.steps(task, now=2000.0) for task in tasks]
    with WorldFile(path) as file:
        again = opened(file, scenario=Scenario(life=Life(closed=(100, 200))))
        assert (again.identity, again.tasks, again.queues) == (world.identity, world.tasks, world.queues)
        assert [again.steps(task, now=2000.0) for task in again.tasks.values()] == before
        assert again.create(body(queue.id, "new"), now=3000.0).id not in world.tasks


def test_world_file_is_private(path: Path) -> None:
    """Only its owner can read the file."""
    with WorldFile(path) as file:
        opened(file)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("torn", [b"{", b'{"kind":"task","id":"x"}'])
def test_world_drops_a_torn_last_line(path: Path, torn: bytes) -> None:
    """A last line without its end is cut off, and what follows is written in its place."""
    with WorldFile(path) as file:
        world = opened(file)
        world.create(body(next(iter(world.queues))), now=1000.0)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with WorldFile(path) as file:
        assert opened(file).tasks == world.tasks
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "line", [b"no json\n", b'{"kind":"riddle"}\n', b'{"kind":"task"}\n', b"[]\n", b'{"kind":"clock","advance_s":-1}\n']
)
def test_world_refuses_a_damaged_file(path: Path, line: bytes) -> None:
    """A whole line that makes no sense is an error with its number; the file is kept as it is."""
    with WorldFile(path) as file:
        opened(file)
    path.write_bytes(path.read_bytes() + line)
    with WorldFile(path) as file, pytest.raises(WorldFileError, match="line 3"):
        opened(file)


@pytest.mark.parametrize("first", [b'{"kind":"world","version":99}\n', b'{"a":1}\n', b"[]\n"])
def test_world_refuses_another_kind_of_file(path: Path, first: bytes) -> None:
    """A file that is no world of this version is refused."""
    path.parent.mkdir()
    path.write_bytes(first)
    with WorldFile(path) as file, pytest.raises(WorldFileError, match="line 1: not a"):
        opened(file)


def test_world_refuses_another_seed(path: Path) -> None:
    """A world has one seed; asking for another is an error, asking for none is not."""
    with WorldFile(path) as file:
        opened(file, seed=7)
    with WorldFile(path) as file:
        assert opened(file).identity.seed == 7
        with pytest.raises(WorldFileError, match="has the seed 7, not 8"):
            opened(file, seed=8)


def test_world_id_follows_from_the_seed() -> None:
    """With a seed the identity is the same each time, without one it is another each time."""
    assert Identity.seeded(7) == Identity.seeded(7) != Identity.seeded(8)
    assert Identity.seeded(None) != Identity.seeded(None)


def test_world_queues_have_the_same_ids_in_every_world() -> None:
    """Spreadsheets can name the default queues by ID, whatever the seed."""
    assert World(Identity.seeded(1), CALM).queues == World(Identity.seeded(2), CALM).queues


def test_world_file_is_one_sandboxes_at_a_time(path: Path) -> None:
    """The second sandbox on a world is told that it is in use."""
    with WorldFile(path), pytest.raises(WorldFileError, match="in use"):
        WorldFile(path)


def test_world_without_its_disk_changes_nothing() -> None:
    """A task whose record cannot be written does not exist."""

    def full(record: object) -> None:
        raise OSError("no space left")

    world = World(Identity.seeded(1), CALM, full)
    with pytest.raises(OSError, match="no space"):
        world.create(body(next(iter(world.queues))), now=1000.0)
    assert not world.tasks


async def test_sandbox_finds_its_tasks_tomorrow(path: Path, clock: HandClock) -> None:
    """The next start on the same file has the same client and knows the tasks of yesterday, closed by now."""
    async with Sandbox(CALM, clock=clock, world=path) as first, ClientSession() as session:
        caller = Caller(first, session)
        await caller.log_in()
        _, task = await caller.create()
    clock.advance(86_400)
    async with Sandbox(CALM, clock=clock, world=path) as second, ClientSession() as session:
        assert (second.client_id, second.world.id) == (first.client_id, first.world.id)
        assert second.client_secret != first.client_secret
        caller = Caller(second, session)
        await caller.log_in()
        assert (await caller.call("GET", f"/api/v2/tasks/{task['id']}"))[1]["state"] in ("closed", "cancelled")


async def test_sandbox_time_never_goes_back(path: Path) -> None:
    """What the clock was put forward is remembered in the world."""
    async with Sandbox(CALM, clock=WallClock(), world=path) as first:
        first.service.advance(86_400)
        before = first.clock.now()
    async with Sandbox(Scenario(limit=Limit()), clock=WallClock(), world=path) as second:
        assert second.clock.now() >= before
