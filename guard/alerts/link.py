"""The link to the broker: letters from the outbox in order, then what stands on the board."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from guard.alerts.board import Board, Note
from guard.alerts.mqtt import BackOff, Connection, Dialer, Jitter
from guard.alerts.outbox import Outbox, Row
from guard.alerts.topics import Topics
from guard.config.settings import MqttSettings
from guard.core.errors import DeliveryError
from guard.core.units import Seconds, WallClock
from guard.flow.offload import Worker

logger = structlog.get_logger(__name__)

BATCH = 50
"""Letters read and marked as sent in one transaction."""

SNAPSHOT = timedelta(minutes=30)
"""Letters this young are sent again after any loss of the link, even to a broker that remembers our session:
mosquitto writes its memory to disk every 30 minutes, so a killed one comes back with the session but without
the alerts since."""

PRUNE_EVERY: Seconds = 3600.0

ONLINE, OFFLINE = b"online", b"offline"


@dataclass(frozen=True, slots=True)
class LinkStats:
    """How the link is doing."""

    connected: bool
    protocol: str
    """``V5`` or ``V311``; empty until a broker has answered."""
    connections: int
    sent: int
    """Letters acknowledged by the broker, those sent again included."""
    pending: int
    """Letters waiting for the broker, as last counted."""
    dropped_notes: int


class MqttLink:
    """Keeps the broker told. ``run`` it in one task; ``wake`` it after putting something up.

    While the broker is away nothing is lost and nobody waits. Raises ConfigError when ``mqtt.url`` may not be
    used. ``birth`` is what a new node says of itself.
    """

    def __init__(
        self,
        settings: MqttSettings,
        outbox: Outbox,
        board: Board,
        birth: bytes,
        *,
        retain_for: timedelta,
        wall: WallClock,
        jitter: Jitter = random.random,
    ) -> None:
        self._topics = Topics(settings.node)
        will = Note(self._topics.status, OFFLINE)
        self._dialer = Dialer(settings, f"guard-{settings.node}", will)
        self._outbox = outbox
        self._board = board
        self._birth = birth
        self._retain_for = retain_for
        self._wall = wall
        self._back_off = BackOff(jitter)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._drained = False
        self._prune_at: Seconds = 0.0
        self._connected = False
        self._connections = 0
        self._sent = 0
        self._pending = 0

    def stats(self) -> LinkStats:
        """Figures for health and metrics, from any thread."""
        return LinkStats(
            connected=self._connected,
            protocol=self._dialer.protocol,
            connections=self._connections,
            sent=self._sent,
            pending=self._pending,
            dropped_notes=self._board.dropped,
        )

    def wake(self, letters: int = 0) -> None:
        """Say from any thread that there is something to send, ``letters`` of it in the outbox."""
        self._pending += letters
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has closed: the letters wait for the next run
                loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Connect, send, and connect again, until ``close``; may be called again after a crash."""
        self._loop = asyncio.get_running_loop()
        self._ended.clear()
        try:
            # a thread of its own: in the loop's pool, alerts would wait behind everybody who leaves
            async with Worker("outbox") as disk:
                await self._keep_connected(disk)
        finally:
            self._loop = None
            self._ended.set()

    async def close(self, deadline: Seconds = 5.0) -> bool:
        """Send what waits, say ``offline`` and end ``run``, or give up after ``deadline``.

        False when the broker did not get all of it: letters stay in the outbox. At once when nothing runs.
        """
        self._closing.set()
        self._wake.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), deadline)
        return self._drained

    async def _keep_connected(self, disk: Worker) -> None:
        now = asyncio.get_running_loop().time
        while not self._closing.is_set():
            began = now()
            try:
                await self._serve(disk)
                self._drained = True
            except DeliveryError as error:
                await self._pause(error, now() - began)

    async def _pause(self, error: DeliveryError, held: Seconds) -> None:
        delay = self._back_off.delay(held)
        logger.warning("broker away", error=str(error), again_in_s=round(delay, 2), pending=self._pending)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), delay)

    async def _serve(self, disk: Worker) -> None:
        """One connection, from connecting until it breaks (DeliveryError) or ``close`` is called."""
        self._pending = await disk.run(self._outbox.count_pending)
        async with self._dialer.connect() as connection:
            self._connected = True
            self._connections += 1
            logger.info("broker connected", protocol=self._dialer.protocol)
            lost = asyncio.create_task(connection.until_lost(), name="link-until-lost")
            lost.add_done_callback(lambda _: self._wake.set())
            try:
                await self._greet(connection, disk)
                await self._pump(connection, disk, lost)
                await connection.deliver(Note(self._topics.status, OFFLINE))
            finally:
                self._connected = False
                lost.cancel()
                await asyncio.gather(lost, return_exceptions=True)

    async def _greet(self, connection: Connection, disk: Worker) -> None:
        await connection.deliver(Note(self._topics.status, ONLINE))
        await connection.deliver(Note(self._topics.birth, self._birth))
        span = min(SNAPSHOT, self._retain_for) if connection.session_present else self._retain_for
        again = await disk.run(self._outbox.replay_since, self._wall() - span)
        if again:
            logger.info("letters sent again", letters=again, session_present=connection.session_present)
        self._board.repost()

    async def _pump(self, connection: Connection, disk: Worker, lost: asyncio.Task[None]) -> None:
        while True:
            closing = self._closing.is_set()  # what was written before that is sent in this round
            self._wake.clear()
            if lost.done():
                lost.result()
            await self._send_letters(connection, disk)
            await self._send_notes(connection)
            if closing:
                return
            await self._prune_if_due(disk)
            await self._wake.wait()

    async def _send_letters(self, connection: Connection, disk: Worker) -> None:
        while rows := await disk.run(self._outbox.pending, BATCH):
            newest = {row.alert_id: row for row in rows}
            for row in rows:
                await self._send(connection, row, stands=newest[row.alert_id] is row)
            await disk.run(self._outbox.mark_sent, rows)
            self._sent += len(rows)
        self._pending = await disk.run(self._outbox.count_pending)

    async def _send(self, connection: Connection, row: Row, *, stands: bool) -> None:
        await connection.deliver(Note(self._topics.alert(row.alert_id), row.payload, retain=False))
        if stands:  # for late subscribers; made from the outbox, so that it is right after any crash
            payload = b"" if row.closes else row.payload
            await connection.deliver(Note(self._topics.active(row.alert_id), payload))

    async def _send_notes(self, connection: Connection) -> None:
        while note := self._board.next():
            await connection.deliver(note)
            self._board.sent(note)
            if self._pending:  # alerts go first: the pump comes back for the other notes
                return

    async def _prune_if_due(self, disk: Worker) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY
            await disk.run(self._outbox.prune, self._wall() - self._retain_for)
