import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guard.alerts.outbox import NEWEST, Letter, Outbox, OutboxInUseError, in_use
from guard.core.errors import ConfigError, DeliveryError

pytestmark = pytest.mark.unit

MADE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def letter(number: int, *, alert: str = "a", closes: bool = False, made: datetime = MADE) -> Letter:
    return Letter(f"{alert}.{number}", alert, closes, b"payload %d" % number, made)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite3"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    opened = Outbox(path)
    yield opened
    opened.close()


def payloads(outbox: Outbox) -> list[bytes]:
    return [row.payload for row in outbox.pending(1000)]


def test_letters_come_out_in_the_order_they_came_in(outbox: Outbox):
    outbox.add([letter(1), letter(2)])
    outbox.add([letter(3, closes=True)])
    rows = outbox.pending(10)
    assert [row.payload for row in rows] == [b"payload 1", b"payload 2", b"payload 3"]
    assert [row.closes for row in rows] == [False, False, True]
    assert outbox.count_pending() == 3


def test_what_was_acknowledged_waits_no_longer(outbox: Outbox):
    outbox.add([letter(1), letter(2), letter(3)])
    outbox.mark_sent(outbox.pending(2))
    assert payloads(outbox) == [b"payload 3"]


def test_a_known_id_is_skipped(outbox: Outbox):
    outbox.add([letter(1)])
    outbox.add([letter(1), letter(2)])
    assert payloads(outbox) == [b"payload 1", b"payload 2"]


def test_a_replay_puts_the_retained_window_before_what_is_new(outbox: Outbox):
    outbox.add([letter(1, made=MADE - timedelta(hours=2)), letter(2), letter(3)])
    outbox.mark_sent(outbox.pending(10))
    outbox.add([letter(4)])
    assert outbox.replay_since(MADE - timedelta(hours=1)) == 2
    assert payloads(outbox) == [b"payload 2", b"payload 3", b"payload 4"]


def test_only_old_acknowledged_letters_are_pruned(outbox: Outbox):
    outbox.add([letter(1), letter(2), letter(3, made=MADE + timedelta(hours=1))])
    outbox.mark_sent(outbox.pending(1))
    assert outbox.prune(MADE + timedelta(minutes=1)) == 1
    assert outbox.replay_since(MADE - timedelta(days=1)) == 0
    assert payloads(outbox) == [b"payload 2", b"payload 3"]


def test_letters_survive_closing_and_opening(path: Path):
    first = Outbox(path)
    first.add([letter(1)])
    first.close()
    second = Outbox(path)
    assert payloads(second) == [b"payload 1"]
    second.close()


CRASH = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from guard.alerts.outbox import Letter, Outbox
outbox = Outbox(Path(sys.argv[1]))
for number in range(20):
    outbox.add([Letter(f"a.{number}", "a", False, b"payload %d" % number, datetime.now(UTC))])
    print(number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_every_letter_that_add_returned_from_is_there_after_a_kill(path: Path):
    ended = subprocess.run(
        [sys.executable, "-c", CRASH, str(path)], capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    promised = len(ended.stdout.split())
    outbox = Outbox(path)
    assert payloads(outbox) == [b"payload %d" % number for number in range(promised)]
    assert promised == 20
    outbox.close()


def test_commits_wait_for_the_disk(outbox: Outbox):
    (synchronous,) = outbox._connection.execute("PRAGMA synchronous").fetchone()
    (journal,) = outbox._connection.execute("PRAGMA journal_mode").fetchone()
    assert (synchronous, journal) == (2, "wal")


def test_a_full_disk_is_a_retryable_error_and_loses_nothing_written(outbox: Outbox):
    outbox.add([letter(1)])
    (pages,) = outbox._connection.execute("PRAGMA page_count").fetchone()
    outbox._connection.execute(f"PRAGMA max_page_count = {pages}")
    big = Letter("a.2", "a", closes=False, payload=b"x" * 100_000, made_at=MADE)
    with pytest.raises(DeliveryError, match="write alerts") as failure:
        outbox.add([letter(3), big])
    assert failure.value.retryable
    outbox._connection.execute("PRAGMA max_page_count = 100000")
    assert payloads(outbox) == [b"payload 1"]
    outbox.add([letter(3), big])
    assert len(payloads(outbox)) == 3


def test_a_locked_file_is_a_retryable_error(outbox: Outbox, path: Path):
    outbox._connection.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DeliveryError, match="locked"):
        outbox.add([letter(1)])
    other.execute("ROLLBACK")
    outbox.add([letter(1)])
    assert payloads(outbox) == [b"payload 1"]
    other.close()


def test_threads_may_share_it(outbox: Outbox):
    def work(name: str) -> None:
        for number in range(20):
            outbox.add([letter(number, alert=name)])

    threads = [threading.Thread(target=work, args=(f"alert-{name}",)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = outbox.pending(1000)
    assert len(rows) == 80
    for name in range(4):
        assert [row.payload for row in rows if row.alert_id == f"alert-{name}"] == [
            b"payload %d" % number for number in range(20)
        ]


def test_nobody_else_may_read_it(outbox: Outbox, path: Path):
    outbox.add([letter(1)])
    files = [path, *path.parent.glob("outbox.sqlite3[-.]*")]
    assert len(files) == 4  # with the log, its index and the lock
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


VERSION_1 = """
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
INSERT INTO alerts (message_id, alert_id, closes, payload, made_at, sent)
    VALUES ('a.1', 'a', 0, CAST('old 1' AS BLOB), 1.0, 1), ('b.1', 'b', 0, CAST('old 2' AS BLOB), 2.0, 0);
PRAGMA user_version = 1;
"""


def parts_of(path: Path) -> set[tuple[object, ...]]:
    """Tables and indexes of a closed file, and its version."""
    with closing(sqlite3.connect(path)) as file:
        parts = file.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        return {*parts, tuple(file.execute("PRAGMA user_version").fetchone())}


def test_a_file_of_version_1_is_brought_up_to_date_with_what_it_holds(path: Path, tmp_path: Path):
    with closing(sqlite3.connect(path)) as old:
        old.executescript(VERSION_1)
    for _ in range(2):
        outbox = Outbox(path)
        assert payloads(outbox) == [b"old 2"]
        assert [row.payload for row in outbox.newest(10)] == [b"old 2", b"old 1"]
        outbox.close()
    Outbox(tmp_path / "new.sqlite3").close()
    assert parts_of(path) == parts_of(tmp_path / "new.sqlite3")


def test_a_migration_that_fails_changes_nothing(path: Path):
    with closing(sqlite3.connect(path)) as old:
        old.executescript(f"{VERSION_1} CREATE TABLE life (x);")
    before = parts_of(path)
    with pytest.raises(ConfigError, match="already a table named life"):
        Outbox(path)
    assert parts_of(path) == before


def test_the_newest_letter_of_each_alert_the_newest_first(outbox: Outbox):
    for alert, number in [("a", 1), ("b", 1), ("a", 2), ("c", 1)]:
        outbox.add([letter(number, alert=alert, closes=alert == "c")])
    outbox.mark_sent(outbox.pending(2))
    found = [(row.alert_id, row.payload) for row in outbox.newest(10)]
    assert found == [("c", b"payload 1"), ("a", b"payload 2"), ("b", b"payload 1")]
    assert [row.alert_id for row in outbox.newest(2)] == ["c", "a"]


def test_open_alerts_are_those_whose_newest_letter_does_not_close(outbox: Outbox):
    outbox.add([letter(1), letter(1, alert="b"), letter(2, alert="b", closes=True)])
    outbox.add([letter(1, alert="c", closes=True), letter(2, alert="c")])
    assert [row.alert_id for row in outbox.newest(10, open_only=True)] == ["c", "a"]
    assert [row.alert_id for row in outbox.newest(1, open_only=True)] == ["c"]


def test_the_newest_are_found_by_the_index_alone(outbox: Outbox):
    plan = outbox._connection.execute(f"EXPLAIN QUERY PLAN {NEWEST}", (1, 10)).fetchall()
    assert "SCAN alerts USING COVERING INDEX life" in [step[-1] for step in plan]


def test_whether_a_node_uses_a_file_can_be_asked(outbox: Outbox, path: Path):
    assert in_use(path)
    outbox.close()
    assert not in_use(path)
    assert not in_use(path.parent / "nowhere" / "outbox")


def test_two_nodes_on_one_file_are_refused(outbox: Outbox, path: Path):
    with pytest.raises(OutboxInUseError, match="which a running node uses"):
        Outbox(path)
    outbox.close()
    Outbox(path).close()


HOLD = """
import sys
from pathlib import Path
from guard.alerts.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_node_that_was_killed_holds_its_file_no_longer(path: Path):
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match="which a running node uses"):
            Outbox(path)
        other.kill()
    Outbox(path).close()


def test_others_may_read_the_file_meanwhile(outbox: Outbox, path: Path):
    outbox.add([letter(1)])
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        assert reader.execute("SELECT payload FROM alerts").fetchall() == [(b"payload 1",)]


def test_a_file_that_was_refused_is_let_go(path: Path):
    path.write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(ConfigError):
        Outbox(path)
    path.unlink()
    Outbox(path).close()


def test_a_file_of_a_newer_version_is_refused(path: Path):
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(ConfigError, match="newer call-guard"):
        Outbox(path)


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be looked at" * 40])
def test_a_file_that_is_no_outbox_is_refused(path: Path, content: bytes):
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="outbox_path"):
        Outbox(path)


def test_a_missing_folder_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="give a path in a folder that exists"):
        Outbox(tmp_path / "nowhere" / "outbox.sqlite3")


def test_a_closed_outbox_says_so(path: Path):
    outbox = Outbox(path)
    outbox.close()
    with pytest.raises(DeliveryError):
        outbox.add([letter(1)])
