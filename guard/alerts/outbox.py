"""The outbox: alerts wait here, on disk, until the broker has acknowledged them.

MQTT's QoS 1 is not durability: a broker acknowledges from memory. So rows stay for the retained window after
they were sent, to be sent again when the broker may have lost them.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from guard.core.errors import ConfigError, DeliveryError

SCHEMA_STEPS = (
    """
CREATE TABLE alerts (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    alert_id TEXT NOT NULL,
    closes INTEGER NOT NULL,
    payload BLOB NOT NULL,
    made_at REAL NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX unsent ON alerts (row) WHERE sent = 0;
""",
    "CREATE INDEX life ON alerts (alert_id, row, closes);",
)
"""What makes each version of the file of the one before it; version 0 is an empty file."""

NEWEST = """
SELECT row, alert_id, closes, payload FROM alerts WHERE row IN (
    SELECT row FROM (SELECT max(row) AS row, closes FROM alerts GROUP BY alert_id)
    WHERE closes <= ? ORDER BY row DESC LIMIT ?
) ORDER BY row DESC
"""
"""SQLite takes ``closes`` from the row that max() found; the inner part reads the index ``life`` only."""

BUSY_TIMEOUT_S = 2.0
"""Another process may read the file; writers never wait longer for it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message for the broker."""

    message_id: str
    alert_id: str
    closes: bool
    """Whether the alert is over with this message, or was before it."""
    payload: bytes
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """A letter in the outbox; rows grow in the order in which letters were added."""

    row: int
    alert_id: str
    closes: bool
    payload: bytes


class OutboxInUseError(ConfigError):
    """The file belongs to another node that runs."""


def in_use(path: Path) -> bool:
    """Whether a running node has this file; a moment later it may be otherwise. Reads the disk."""
    try:
        with _claimed(path):
            return False
    except OutboxInUseError:
        return True
    except OSError:  # who opens it will hear what is wrong
        return False


class Outbox:
    """Durable and ordered. Any thread may call it, but never the event loop: a call may wait for the disk.

    Raises ConfigError when the file cannot be opened or was made by a newer version, OutboxInUseError when it
    belongs to another node that runs, DeliveryError when the disk does not take or give rows (full, locked,
    broken): the same call may succeed later. Others may read the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            with ExitStack() as opened:
                opened.enter_context(_claimed(path))
                # payloads hold names: nobody else on the machine may read them
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
                connection = sqlite3.connect(
                    path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
                )
                self._connection = opened.enter_context(closing(connection))
                self._prepare()
                self._opened = opened.pop_all()
        except (OSError, sqlite3.Error) as error:
            msg = (
                f"alerts.outbox_path: expected a file that can be written, got {str(path)!r} ({error}); "
                f"give a path in a folder that exists and is writable"
            )
            raise ConfigError(msg) from error

    def add(self, letters: Sequence[Letter]) -> None:
        """Write letters in one transaction; they are on disk when this returns. Known ids are skipped."""
        rows = [
            (one.message_id, one.alert_id, one.closes, one.payload, one.made_at.timestamp())
            for one in letters
        ]
        with self._transaction("write alerts") as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO alerts (message_id, alert_id, closes, payload, made_at)"
                " VALUES (?, ?, ?, ?, ?)",
                rows,
            )

    def pending(self, limit: int) -> list[Row]:
        """The oldest letters not yet acknowledged."""
        return self._rows(
            "SELECT row, alert_id, closes, payload FROM alerts WHERE sent = 0 ORDER BY row LIMIT ?", (limit,)
        )

    def newest(self, limit: int, *, open_only: bool = False) -> list[Row]:
        """The newest letter of each alert, acknowledged or not, the newest first.

        With ``open_only`` those of alerts that are not over. What was pruned is gone.
        """
        return self._rows(NEWEST, (0 if open_only else 1, limit))

    def count_pending(self) -> int:
        """How many letters wait."""
        with self._transaction("count alerts") as connection:
            (count,) = connection.execute("SELECT count(*) FROM alerts WHERE sent = 0").fetchone()
        return int(count)

    def mark_sent(self, rows: Sequence[Row]) -> None:
        """Remember that the broker acknowledged these."""
        with self._transaction("mark alerts as sent") as connection:
            connection.executemany("UPDATE alerts SET sent = 1 WHERE row = ?", [(one.row,) for one in rows])

    def replay_since(self, since: datetime) -> int:
        """Send again what was made at or after ``since``; return how many letters wait again."""
        with self._transaction("replay alerts") as connection:
            return connection.execute(
                "UPDATE alerts SET sent = 0 WHERE sent = 1 AND made_at >= ?", (since.timestamp(),)
            ).rowcount

    def prune(self, before: datetime) -> int:
        """Forget acknowledged letters made before ``before``; return how many."""
        with self._transaction("prune alerts") as connection:
            return connection.execute(
                "DELETE FROM alerts WHERE sent = 1 AND made_at < ?", (before.timestamp(),)
            ).rowcount

    def close(self) -> None:
        """Close the file; later calls raise DeliveryError."""
        with self._lock:
            self._opened.close()

    def _rows(self, query: str, values: tuple[int, ...]) -> list[Row]:
        with self._transaction("read alerts") as connection:
            found = connection.execute(query, values).fetchall()
        return [Row(row, alert_id, bool(closes), payload) for row, alert_id, closes, payload in found]

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit returns after the disk has it; NORMAL would lose the last ones with the power
        self._connection.execute("PRAGMA synchronous = FULL")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        newest = len(SCHEMA_STEPS)
        if version > newest:
            msg = (
                f"alerts.outbox_path: expected schema version {newest} or older, got {version} in "
                f"{str(self._path)!r}; it was written by a newer call-guard: upgrade, or give another path"
            )
            raise ConfigError(msg)
        if version < newest:
            steps = "".join(SCHEMA_STEPS[version:])
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {newest}; COMMIT;"
            )

    @contextmanager
    def _transaction(self, purpose: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                msg = (
                    f"outbox: cannot {purpose} in {str(self._path)!r} ({error}); "
                    f"free disk space there, or end the process that holds the file"
                )
                raise DeliveryError(msg) from error

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # closed, or SQLite has rolled back by itself
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


@contextmanager
def _claimed(path: Path) -> Iterator[None]:
    """Keep other nodes off, in this process and others: two on one file would send each other's letters.

    The lock stands on a file of its own, for SQLite's locks keep readers off too, and it ends with the
    process. The file stays: whoever removed it could remove that of the next node.
    """
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = (
                f"alerts.outbox_path: expected a file of this node's own, got {str(path)!r}, which a running "
                f"node uses; give each node a path of its own, or end the other one"
            )
            raise OutboxInUseError(msg) from error
        yield
    finally:
        os.close(lock)
