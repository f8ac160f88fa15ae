"""Closes the alerts of those who leave: whoever leaves while others are written goes with the next ones."""

import asyncio

from guard.alerts.desk import AlertDesk
from guard.alerts.lifecycle import AlertEvent, Participant
from guard.core.units import Clock, ParticipantId


class Leaving:
    """One transaction at a time for any number of leavers: a slow disk costs all of them two waits at most.

    Belongs to the event loop.
    """

    def __init__(self, desk: AlertDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting: dict[ParticipantId, Participant] = {}
        self._closed: dict[ParticipantId, list[AlertEvent]] = {}

    async def close_alerts(self, participant: Participant) -> list[AlertEvent]:
        """Close what is open of somebody who left; return what that told."""
        who = participant.participant_id
        self._waiting[who] = participant
        async with self._turn:
            if who in self._waiting:
                await self._write()
        return self._closed.pop(who, [])

    async def _write(self) -> None:
        leavers, self._waiting = list(self._waiting.values()), {}
        for event in await asyncio.to_thread(self._desk.participants_left, leavers, self._clock()):
            self._closed.setdefault(event.participant.participant_id, []).append(event)
