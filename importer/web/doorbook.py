"""Door book: who may come in by which link, and who is in; one small SQLite file that outlives a restart. No token stands in it."""

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from importer.core.errors import LedgerError, UsageError
from importer.folders import private_folder, private_opener
from importer.ports import Clock
from importer.web.route import Role

NAME_MOST = 100
COST = 2**14
"""Of the slow hash: 16 MiB and about 40 ms each time."""
SEEN_EVERY_S = 60.0
"""So exactly is known when a session was last used; a shorter idle time makes it finer."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS people (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL, roles TEXT NOT NULL, salt BLOB, hash BLOB,
    made REAL NOT NULL, revoked REAL
);
CREATE UNIQUE INDEX IF NOT EXISTS people_by_name ON people (folded) WHERE revoked IS NULL;
CREATE TABLE IF NOT EXISTS sessions (
    hash BLOB PRIMARY KEY, person TEXT NOT NULL, name TEXT NOT NULL, how TEXT NOT NULL, made REAL NOT NULL, seen REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS sessions_by_person ON sessions (person, seen);
CREATE TABLE IF NOT EXISTS keys (name TEXT PRIMARY KEY, key BLOB NOT NULL);
"""

PEOPLE = "SELECT id, name, roles, hash IS NOT NULL, made FROM people WHERE revoked IS NULL ORDER BY folded"
BY_NAME = "SELECT id, name, roles, hash IS NOT NULL, made FROM people WHERE revoked IS NULL AND folded = ?"
BY_ID = "SELECT id, name, roles, hash IS NOT NULL, made FROM people WHERE revoked IS NULL AND id = ?"
END_OLDEST = """
DELETE FROM sessions WHERE person = ? AND name = ? AND rowid NOT IN (
    SELECT rowid FROM sessions WHERE person = ? AND name = ? ORDER BY seen DESC, rowid DESC LIMIT ?
)
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A person who was named by `importer serve user add`."""

    id: str
    name: str
    roles: frozenset[Role]
    has_link: bool
    made: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is in; `person` is a Known's id, or blank for the one person of the identity `os`."""

    person: str
    name: str
    how: str


class DoorBook:
    """People and sessions. May be written by several processes: what one revokes counts in the others at once."""

    def __init__(self, folder: Path, clock: Clock, cost: int = COST) -> None:
        """Opens or makes `folder`/door.sqlite, mode 0600. `cost` is a power of two. Raises LedgerError."""
        self._clock = clock
        self._cost = cost
        private_folder(folder)
        path = folder / "door.sqlite"
        try:
            with open(path, "ab", opener=private_opener):  # SQLite would make it with the umask's mode
                pass
            self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
            self._db.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as problem:
            raise LedgerError(
                f"{path} cannot be used: {problem}.", "Move the file away: everybody logs in anew, by new links."
            ) from problem

    def close(self) -> None:
        self._db.close()

    def key(self, name: str) -> bytes:
        """A secret of this state folder: 32 random bytes, made once."""
        self._db.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (name, secrets.token_bytes(32)))
        return bytes(self._db.execute("SELECT key FROM keys WHERE name = ?", (name,)).fetchone()[0])

    # People

    def add(self, name: str, roles: Iterable[Role], *, link: bool) -> str:
        """Names a person; gives the token of their link, which is kept nowhere, or a blank. Raises UsageError."""
        name = checked_name(name)
        wanted = sorted(set(roles))
        if not wanted:
            raise UsageError("A person without a role can do nothing.", "Add --role preparer, approver or operator.")
        identity, secret, salt = secrets.token_hex(5), secrets.token_urlsafe(32), secrets.token_bytes(16)
        found = self.slow_hash(secret, salt) if link else None
        record = (identity, name, name.casefold(), " ".join(wanted), salt if link else None, found, self._now())
        try:
            self._db.execute("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", record)
        except sqlite3.IntegrityError:
            raise UsageError(
                f"{name} is there already.",
                f"See importer serve user list, or first: importer serve user revoke {name}",
            ) from None
        return f"{identity}.{secret}" if link else ""

    def people(self) -> list[Known]:
        """Everybody who was not revoked, by name."""
        return [_known(row) for row in self._db.execute(PEOPLE)]

    def revoke(self, name: str) -> int:
        """Takes a person's link, roles and sessions away; how many sessions ended. Raises UsageError."""
        known = self.named(name)
        if known is None:
            names = ", ".join(each.name for each in self.people()) or "nobody"
            raise UsageError(f"There is no {name[:NAME_MOST]}; there is: {names}.", "See importer serve user list.")
        self._db.execute("UPDATE people SET revoked = ? WHERE id = ?", (self._now(), known.id))
        return self._db.execute("DELETE FROM sessions WHERE person = ?", (known.id,)).rowcount

    def named(self, name: str) -> Known | None:
        """Somebody by name, in any case."""
        return self._one(BY_NAME, name.strip().casefold())

    def of(self, identity: str) -> Known | None:
        """Somebody by id."""
        return self._one(BY_ID, identity)

    def _one(self, query: str, value: str) -> Known | None:
        row = (
            self._db.execute(query, (value,)).fetchone() if value.isprintable() else None
        )  # SQLite takes no broken text
        return _known(row) if row else None

    def secret_of(self, identity: str) -> tuple[bytes, bytes]:
        """Salt and hash of a link; others of nobody where there is none, so that the work is the same."""
        query = "SELECT salt, hash FROM people WHERE id = ? AND revoked IS NULL AND hash IS NOT NULL"
        row = self._db.execute(query, (identity,)).fetchone() if identity.isprintable() else None
        return (bytes(row[0]), bytes(row[1])) if row else (b"\0" * 16, b"")

    def slow_hash(self, secret: str, salt: bytes) -> bytes:
        """Of what a person may pass on or write down. Have it done in a thread."""
        return hashlib.scrypt(secret.encode("utf-8", "replace"), salt=salt, n=self._cost, r=8, p=1, dklen=32)

    # Sessions

    def begin(self, session: Session, most: int) -> str:
        """A new session; gives its secret, which is kept nowhere. A person's oldest ends where there are more than `most`."""
        secret, now = secrets.token_urlsafe(32), self._now()
        record = (fast_hash(secret), session.person, session.name, session.how, now, now)
        self._db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", record)
        self._db.execute(END_OLDEST, (session.person, session.name, session.person, session.name, most))
        return secret

    def session(self, secret: str, idle_s: float, most_s: float, *, used: bool = True) -> Session | None:
        """Who is in by this secret, unless it has been idle or there for too long; using it counts, looking (not `used`) does not."""
        hashed, now = fast_hash(secret), self._now()
        query = "SELECT person, name, how, made, seen FROM sessions WHERE hash = ?"
        row = self._db.execute(query, (hashed,)).fetchone()
        if row is None:
            return None
        person, name, how, made, seen = row
        if now >= made + most_s or now >= seen + idle_s:
            self._db.execute("DELETE FROM sessions WHERE hash = ?", (hashed,))
            return None
        if used and now >= seen + min(SEEN_EVERY_S, idle_s / 10):
            with suppress(sqlite3.Error):  # a full disk: who is in may look all the same, and is out sooner
                self._db.execute("UPDATE sessions SET seen = ? WHERE hash = ?", (now, hashed))
        return Session(person, name, how)

    def end(self, secret: str) -> None:
        """Ends a session; nothing where there is none."""
        self._db.execute("DELETE FROM sessions WHERE hash = ?", (fast_hash(secret),))

    def sweep(self, idle_s: float, most_s: float) -> None:
        """Throws away sessions that have ended."""
        now = self._now()
        self._db.execute("DELETE FROM sessions WHERE made <= ? OR seen <= ?", (now - most_s, now - idle_s))

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _known(row: tuple[str, str, str, int, float]) -> Known:
    identity, name, roles, has_link, made = row
    return Known(identity, name, frozenset(map(Role, roles.split())), bool(has_link), datetime.fromtimestamp(made, UTC))


def checked_name(name: str) -> str:
    """A name that looks like one thing only: printable, without blanks around. Raises UsageError."""
    name = " ".join(name.split())
    if not name or len(name) > NAME_MOST or not name.isprintable():
        raise UsageError(f"A name is 1 to {NAME_MOST} characters that can be seen.", "Write it as others know it.")
    return name


def fast_hash(secret: str) -> bytes:
    """Of secrets that we made and that nobody can guess."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def is_same(one: bytes, other: bytes) -> bool:
    """Compares in a time that tells nothing."""
    return hmac.compare_digest(one, other)
