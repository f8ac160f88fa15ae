"""Alerts and states as lines for people, whoever sent them."""

from datetime import datetime

from rich.text import Text

from guard.alerts.message import CUE_WORDS, SEVERITIES, SUSPECTED_OF
from guard.alerts.record import AlertRecord
from guard.core.types import Family, State
from guard.core.words import in_words

LONGEST = 120
"""Characters of a foreign word or name that are shown."""

NAME_WIDTH = 18
STRONGEST = 3
"""Cues shown of an alert."""

SEVERITY_STYLES = {1: "dim", 2: "cyan", 3: "yellow", 4: "bold red", 5: "bold white on red"}
STATE_STYLES = {
    State.BONA_FIDE: "green",
    State.SUSPICIOUS: "yellow",
    State.ATTACK: "bold red",
    State.INSUFFICIENT: "dim",
}


def plain(text: str, longest: int = LONGEST) -> str:
    """Foreign text that does nothing to a terminal: no control or direction characters, not too long."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text[:longest])


def clock_time(at: datetime) -> str:
    """Date and time of this machine's zone, or as it came where no calendar here can hold it."""
    try:
        return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError):
        return at.isoformat()[:19].replace("T", " ")


def alert_line(record: AlertRecord, news: str) -> Text:
    """When, how severe, what is new (raised, updated, cleared), who, suspected of what, by which cues."""
    words = [_accusation(record), f"{record.probability:.2f}"]
    cues = _cues(record)
    if cues:
        words.append(f"cues: {cues}")
    if record.acknowledged_by:
        words.append(f"seen to by {plain(record.acknowledged_by)}")
    if record.suppressed_until:
        words.append(f"silent until {clock_time(record.suppressed_until)}")
    return Text.assemble(
        f"{clock_time(record.updated_at)}  ",
        (f"{SEVERITIES[record.severity].upper():<13}", SEVERITY_STYLES[record.severity]),
        f" {news:<8} {_name(record.display_name, record.participant_id)} {' · '.join(words)}",
        (f"  {plain(record.id)}", "dim"),
    )


def state_line(
    *,
    at: datetime,
    state: State,
    who: str,
    participant_id: str,
    liveness: float,
    deepfake: float,
    coverage: float,
    reasons: tuple[str, ...],
) -> Text:
    """When, who, and how they are judged now."""
    why = f" · {plain(in_words(reasons))}" if reasons else ""
    return Text.assemble(
        f"{clock_time(at)}  ",
        (f"{state.replace('_', ' '):<13}", STATE_STYLES[state]),
        f" state    {_name(who, participant_id)} liveness {liveness:.2f} · deepfake {deepfake:.2f} · "
        f"judged {coverage:.0%}{why}",
    )


def _name(name: str, participant_id: str) -> str:
    return f"{plain(name or participant_id)[:NAME_WIDTH]:<{NAME_WIDTH}}"


def _accusation(record: AlertRecord) -> str:
    if record.family is Family.GUARD:
        words = "cannot be judged"
        reasons = in_words(record.reasons)
        words += f" ({reasons})" if reasons else ""
    else:
        words = f"suspected of {SUSPECTED_OF[record.family]}"
    if record.close_reason is not None:
        return f"no longer {words}: {record.close_reason.replace('_', ' ')}"
    return words


def _cues(record: AlertRecord) -> str:
    against = [part for part in record.contributions if part.log_odds > 0][:STRONGEST]
    return ", ".join(f"{CUE_WORDS.get(part.cue, part.cue)} {part.log_odds:+.1f}" for part in against)
