"""A ledger that another program holds, or that lies on a network share."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from importer.core.errors import LedgerError
from importer.core.stages import Stage
from importer.ledgers.share import kind_of
from importer.ledgers.sqlite import SqliteLedger
from tests.ledgers.conftest import AT, Opens


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another program writes and does not come to an end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_busy_ledger_stops_a_claim_with_advice(ledger: SqliteLedger, opens: Opens, path: Path) -> None:
    """A claim that cannot be written for long is refused and told as such; afterwards the ledger goes on."""
    run = opens()
    with closing(SqliteLedger(path, busy_s=0.05)) as hurried:
        entries = await hurried.entries(run, [Stage.READY], -1, 1)
        with held(path):
            with pytest.raises(LedgerError) as problem:
                await hurried.claim(entries, AT)
            assert "Another program holds the ledger" in problem.value.fix
        assert (await hurried.claim(entries, AT)).call is not None


def test_busy_ledger_is_told_at_the_start(ledger: SqliteLedger, path: Path) -> None:
    """A start that would write to a ledger that is held ends with the same advice, and leaves it as it is."""
    with held(path), closing(SqliteLedger(path, busy_s=0.05)) as hurried:
        with pytest.raises(LedgerError) as problem:
            hurried.trusted()
        assert "Another program holds the ledger" in problem.value.fix


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /home nfs4 rw 0 0
/dev/sdb1 /home/ada/disk ext4 rw 0 0
//server/share /mnt/my\\040share cifs rw 0 0
tmpfs /tmp tmpfs rw 0 0
me@host: /mnt/over fuse.sshfs rw 0 0
/dev/sdc1 /mnt/over ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/state", None), ("/home/ada/state", "nfs4"), ("/home/ada/disk/state", None), ("/homes/ada", None),
        ("/mnt/my share/state", "cifs"), ("/tmp/state", None), ("/mnt/over/state", None), ("/", None),
    ],
)  # fmt: skip
def test_share_is_recognised_by_the_mount_it_lies_in(folder: str, kind: str | None) -> None:
    """The innermost mount counts, the later of two on one point, and names with blanks are names."""
    assert kind_of(Path(folder), MOUNTS) == kind


def test_share_is_none_where_the_table_makes_no_sense() -> None:
    """Lines that are no mounts are no reason to fail."""
    assert kind_of(Path("/var/state"), "\n\nnonsense\n/ \n") is None
