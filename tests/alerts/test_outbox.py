import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guard.alerts.outbox import Letter, Outbox
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


def test_a_locked_file_is_a_retryable_error(outbox: Outbox, path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.alerts.outbox.BUSY_TIMEOUT_S", 0.0)
    other = Outbox(path)
    outbox._connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(DeliveryError, match="locked"):
        other.add([letter(1)])
    outbox._connection.execute("ROLLBACK")
    other.add([letter(1)])
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
    files = [path, *path.parent.glob("outbox.sqlite3-*")]
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


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
