"""Alerts and states as lines for people, whoever sent them."""

from datetime import datetime

from rich.text import Text

from guard.alerts.lifecycle import CloseReason
from guard.alerts.message import SEVERITIES, SUSPECTED_OF, cue_in_words
from guard.alerts.record import AlertRecord
from guard.core.types import Family, State
from guard.core.words import in_words, printable

LONGEST = 120
"""Characters of a foreign word or name that are shown."""

NAME_WIDTH = 18
NOT_TOLD = "\N{EN DASH}"
"""In place of a score for which there was too little to judge by."""

STRONGEST = 3
"""Cues shown of an alert."""

SEVERITY_STYLES = {1: "dim", 2: "cyan", 3: "yellow", 4: "bold red", 5: "bold white on red"}
STATE_STYLES = {
    State.BONA_FIDE: "green",
    State.SUSPICIOUS: "yellow",
    State.ATTACK: "bold red",
    State.INSUFFICIENT: "dim",
}

SUSPECTED: dict[CloseReason | None, str] = {
    None: "suspected of {}",
    CloseReason.CLEARED: "no longer suspected of {}",
    CloseReason.PARTICIPANT_LEFT: "was suspected of {}; left while under suspicion",
    CloseReason.NODE_RESTARTED: "was suspected of {}; the guard was restarted",
}
"""An alert by why it was closed; only one that cleared acquits."""

UNJUDGED: dict[CloseReason | None, str] = {
    None: "cannot be judged{}",
    CloseReason.CLEARED: "can be judged again",
    CloseReason.PARTICIPANT_LEFT: "could not be judged{}; left meanwhile",
    CloseReason.NODE_RESTARTED: "could not be judged{}; the guard was restarted",
}


def plain(text: str, longest: int = LONGEST) -> str:
    """Foreign text that does nothing to a terminal: no control or direction characters, not too long."""
    return printable(text, longest)


def clock_time(at: datetime) -> str:
    """Date and time of this machine's zone, or as it came where no calendar here can hold it."""
    try:
        return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError):
        return at.isoformat()[:19].replace("T", " ")


def alert_line(record: AlertRecord, news: str) -> Text:
    """When, how severe, what is new (raised, updated, cleared), who, suspected of what, by which cues."""
    words = [_accusation(record)]
    if record.family is not Family.GUARD:  # whose probability is but the share that could not be judged
        words.append(f"{record.probability:.2f}")
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
    liveness: float | None,
    deepfake: float | None,
    coverage: float,
    reasons: tuple[str, ...],
) -> Text:
    """When, who, and how they are judged now; a score that is not told is a dash."""
    why = f" · {plain(in_words(reasons))}" if reasons else ""
    return Text.assemble(
        f"{clock_time(at)}  ",
        (f"{state.replace('_', ' '):<13}", STATE_STYLES[state]),
        f" state    {_name(who, participant_id)} liveness {_score(liveness)} · deepfake {_score(deepfake)} · "
        f"judged {coverage:.0%}{why}",
    )


def _score(value: float | None) -> str:
    """Two decimals, where it is told."""
    return NOT_TOLD if value is None else f"{value:.2f}"


def _name(name: str, participant_id: str) -> str:
    return f"{plain(name or participant_id)[:NAME_WIDTH]:<{NAME_WIDTH}}"


def _accusation(record: AlertRecord) -> str:
    if record.family is Family.GUARD:
        reasons = in_words(record.reasons)
        return UNJUDGED[record.close_reason].format(f" ({reasons})" if reasons else "")
    return SUSPECTED[record.close_reason].format(SUSPECTED_OF[record.family])


def _cues(record: AlertRecord) -> str:
    against = [part for part in record.contributions if part.log_odds > 0][:STRONGEST]
    return ", ".join(f"{cue_in_words(part)} {part.log_odds:+.1f}" for part in against)
