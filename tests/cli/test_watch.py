"""``guard watch``: news from a real broker, repetitions, brokers that go away, hostile payloads."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from guard.alerts.board import Note
from guard.alerts.lifecycle import AlertBook
from guard.alerts.mqtt import BrokerMessage
from guard.cli.alert_lines import NOT_TOLD
from guard.cli.watch import MOST_SEEN, LinkWords, News, filters, follow, json_line
from guard.config.settings import AlertSettings, MqttSettings
from guard.core.errors import SignallingError
from guard.core.types import Family, State
from tests.support.alerts import NODE, WHO, clearing, free_port, mosquitto, raising
from tests.support.command import Command
from tests.support.media import eventually
from tests.support.served import ran, running
from tests.support.telling import NOW, TOPICS, at_alert, at_state, life, notes_of, tell

pytestmark = [pytest.mark.media, pytest.mark.peers]


def with_field(message: BrokerMessage, path: str, value: object) -> BrokerMessage:
    """The same message with one field of its JSON replaced, ``data.time`` for example."""
    tree = json.loads(message.payload)
    place = tree
    *way, last = path.split(".")
    for key in way:
        place = place[key]
    place[last] = value
    return BrokerMessage(message.topic, json.dumps(tree).encode(), message.retained)


def text_of(message: BrokerMessage) -> str:
    line = News().line(message)
    assert line is not None
    return line.plain


def test_an_alert_says_when_how_severe_who_suspected_of_what_and_by_which_cues():
    raised, cleared = (text_of(at_alert(event)) for event in life())
    assert f"{NOW.astimezone():%Y-%m-%d %H:%M:%S}  MEDIUM" in raised
    assert "raised   Ada " in raised
    assert "suspected of a manipulated face (swapped or reenacted) · 0.93" in raised
    assert "cues: learned manipulation score +3.5" in raised
    assert raised.endswith("0193-alert node-1")
    assert "cleared  Ada " in cleared
    assert "no longer suspected of a manipulated face (swapped or reenacted) · 0.93" in cleared


def test_a_participant_who_cannot_be_judged_is_not_suspected_and_has_no_probability():
    shown = text_of(at_alert(life(family=Family.GUARD)[0]))
    assert "cannot be judged (the trained model speaks for an attack) · cues: " in shown


@pytest.mark.parametrize(
    ("family", "reason", "words"),
    [
        (Family.MANIPULATION, "participant_left", "was suspected of {}; left while under suspicion · 0.93"),
        (Family.MANIPULATION, "node_restarted", "was suspected of {}; the guard was restarted · 0.93"),
        (Family.GUARD, "cleared", "can be judged again"),
        (
            Family.GUARD,
            "participant_left",
            "could not be judged (the trained model speaks for an attack); left",
        ),
    ],
)
def test_only_an_alert_that_cleared_acquits(family: Family, reason: str, words: str):
    shown = text_of(with_field(at_alert(life(family=family)[0]), "data.status_detail", reason))
    assert words.format("a manipulated face (swapped or reenacted)") in shown
    assert "no longer" not in shown


def test_a_message_that_comes_twice_is_told_once():
    news, message = News(), at_alert(life()[0])
    retained = BrokerMessage(TOPICS.active("0193-alert"), message.payload, retained=True)
    assert [news.line(one) is None for one in (message, message, retained)] == [False, True, True]


def test_the_memory_for_repetitions_is_bounded():
    news, message = News(), at_alert(life()[0])
    for number in range(MOST_SEEN + 5):
        news._is_new(str(number), None)
    assert len(news._seen) == MOST_SEEN
    assert news.line(message) is not None


def test_a_state_is_told_when_it_changes():
    news = News()
    told = [news.line(at_state(state)) for state in (State.BONA_FIDE, State.BONA_FIDE, State.ATTACK)]
    lines = [line.plain for line in told if line is not None]
    assert len(lines) == 2
    assert "bona fide     state    Ada " in lines[0]
    assert "liveness 0.93 · deepfake 0.07 · judged 80% · the face is turned away node-1" in lines[0]


def test_a_score_that_is_not_told_is_a_dash():
    assert f"liveness {NOT_TOLD} · deepfake {NOT_TOLD} · judged 80%" in text_of(at_state(State.INSUFFICIENT))


def test_every_state_is_told_to_programs():
    news = News(every_state=True)
    assert all(news.line(at_state()) is not None for _ in range(3))


def test_a_participant_who_leaves_is_told_and_forgotten():
    news, left = News(), BrokerMessage(TOPICS.state("c-1", "p-7"), b"", retained=False)
    assert news.line(at_state()) is not None
    line = news.line(left)
    assert line is not None
    assert "left" in line.plain
    assert news.line(at_state()) is not None


def test_an_emptied_alert_is_no_news():
    assert News().line(BrokerMessage(TOPICS.active("0193-alert"), b"", retained=True)) is None


def test_only_an_alert_that_is_open_alarms():
    book = AlertBook(AlertSettings(), lambda _: "0193-alert")
    (raised,) = book.handle(WHO, raising(1.0, Family.MANIPULATION), 1.0, NOW)
    (cleared,) = book.handle(WHO, clearing(9.0), 9.0, NOW)
    acknowledged = book.acknowledge("0193-alert", "Grace", "called back", now=10.0, wall=NOW)
    news = News()
    news.line(at_state(State.ATTACK))
    for event in (cleared, acknowledged):
        assert news.line(at_alert(event)) is not None
        assert not news.alarmed
    news.line(at_alert(raised))
    assert news.alarmed


HARMFUL_NAME = "A\x1b]0;x\x07\u202e\x9b31m\r\nroot"


@pytest.mark.parametrize(
    "message",
    [
        at_alert(life()[0]),
        with_field(at_alert(life()[0]), "data.resources", [{"uid": "p", "name": HARMFUL_NAME}]),
        with_field(at_alert(life()[0]), "data.resources", [{"uid": HARMFUL_NAME}]),
        with_field(at_alert(life()[0]), "subject", HARMFUL_NAME * 50),
        with_field(at_alert(life()[0]), "time", "0001-01-01T00:00:00+14:00"),
        with_field(at_alert(life()[0]), "time", "9999-12-31T23:59:59-14:00"),
        with_field(at_alert(life()[0]), "time", "2026-11-22T09:00:00"),
        with_field(at_state(), "display_name", HARMFUL_NAME),
        with_field(at_state(), "reasons", [HARMFUL_NAME] * 100),
        with_field(at_state(), "at", "0001-01-01T00:00:00Z"),
        BrokerMessage(f"guard/v1/{HARMFUL_NAME}/alert/x", at_alert(life()[0]).payload, retained=False),
    ],
)
def test_whatever_a_message_says_its_line_does_nothing_to_a_terminal(message: BrokerMessage):
    shown = text_of(message)
    assert shown.replace("\ufffd", "").isprintable()
    assert len(shown) < 1000


@pytest.mark.parametrize(
    "payload",
    [
        b"\x00" * 10,
        b"\xff\xfe",
        b"[" * 60_000,
        b"{}",
        b"null",
        b"\x1b[2J",
        b"9" * 65536,
        b"9" * 65537,
        with_field(at_alert(life()[0]), "data.start_time", 10**30).payload,
        with_field(at_alert(life()[0]), "data.start_time", -1).payload,
        with_field(at_alert(life()[0]), "data.end_time", 10**16).payload,
        with_field(at_alert(life()[0]), "severity", 9).payload,
        with_field(at_alert(life()[0]), "data.unmapped.guard.family", "astrology").payload,
    ],
)
@pytest.mark.parametrize("topic", [TOPICS.alert("x"), TOPICS.state("c-1", "p-7")])
def test_what_is_none_of_ours_is_refused_with_a_sentence(topic: str, payload: bytes):
    with pytest.raises(SignallingError) as raised:
        News().line(BrokerMessage(topic, payload, retained=False))
    assert len(str(raised.value)) < 500


@given(st.binary(max_size=200), st.sampled_from(["/alert/x", "/active/x", "/session/c/p/p/state"]))
def test_random_bytes_are_refused_or_nothing(payload: bytes, topic: str):
    try:
        line = News().line(BrokerMessage(f"guard/v1/n{topic}", payload, retained=False))
    except SignallingError:
        return
    assert payload == b""
    assert line is None or line.plain.endswith("left")


def test_a_line_for_programs_is_ascii_json_with_what_newer_nodes_add():
    message = with_field(at_alert(life()[0]), "data.message", "Ad\u00e0 \u202e")
    message = with_field(message, "data.later", {"new": [1, None]})
    line = json_line(message)
    assert line.isascii()
    assert " " not in line.partition('"message":')[0]
    read = json.loads(line)
    assert (read["topic"], read["retained"]) == (TOPICS.alert("0193-alert"), False)
    assert read["message"] == json.loads(message.payload)


def test_json_that_is_none_is_refused():
    payload = at_alert(life()[0]).payload.replace(b'"specversion"', b'"later":NaN,"specversion"', 1)
    with pytest.raises(SignallingError, match="RFC 8259"):
        json_line(BrokerMessage("guard/v1/n/alert/x", payload, retained=False))


def test_topics_are_chosen_by_node_and_wish():
    assert list(filters("+", states=False, active=False)) == ["guard/v1/+/alert/+"]
    assert list(filters("edge-7", states=True, active=True)) == [
        "guard/v1/edge-7/alert/+",
        "guard/v1/edge-7/active/+",
        "guard/v1/edge-7/session/+/p/+/state",
    ]
    with pytest.raises(SignallingError, match="topic segment"):
        list(filters("#", states=False, active=False))


class Screen:
    """What is shown and said."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.said: list[str] = []

    async def show(self, _message: BrokerMessage, line: Text) -> None:
        self.shown.append(line.plain)


@asynccontextmanager
async def watched(settings: MqttSettings, chosen: list[str]) -> AsyncIterator[Screen]:
    screen = Screen()
    link = LinkWords(settings.url, screen.said.append)
    task = asyncio.create_task(follow(settings, chosen, News(), screen.show, link))
    try:
        yield screen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_alerts_are_shown_as_they_come_and_once(tmp_path: Path):
    raised, cleared = life()
    async with mosquitto(tmp_path) as broker:
        settings = MqttSettings(url=broker.url)
        chosen = list(filters("+", states=False, active=True))
        async with watched(settings, chosen) as screen:
            await eventually(lambda: screen.said)
            await tell(
                settings, *notes_of(raised), Note(TOPICS.alert("x"), b"{", retain=False), *notes_of(cleared)
            )
            await eventually(lambda: len(screen.shown) == 2)
    assert screen.said[0] == f"watching {broker.url}"
    assert screen.said[1].startswith("not understood at guard/v1/node-1/alert/x: ")


async def test_open_alerts_are_shown_first_where_asked(tmp_path: Path):
    async with mosquitto(tmp_path) as broker:
        settings = MqttSettings(url=broker.url)
        await tell(settings, notes_of(life()[0])[1])
        async with watched(settings, list(filters(NODE, states=False, active=True))) as screen:
            await eventually(lambda: screen.shown)
    assert "raised   Ada " in screen.shown[0]


async def test_a_broker_that_goes_away_and_comes_back_is_said_once_each(tmp_path: Path):
    async with mosquitto(tmp_path) as broker:
        settings = MqttSettings(url=broker.url)
        async with watched(settings, list(filters("+", states=False, active=False))) as screen:
            await eventually(lambda: len(screen.said) == 1)
            await broker.end(signal.SIGKILL)
            await eventually(lambda: len(screen.said) == 2)
            await broker.start()
            await eventually(lambda: len(screen.said) == 3)
            await tell(settings, notes_of(life()[0])[0])
            await eventually(lambda: screen.shown)
    assert "trying again" in screen.said[1]
    assert screen.said[2] == f"watching {broker.url}"


async def test_the_command_prints_lines_for_programs_until_ctrl_c(tmp_path: Path):
    async with (
        mosquitto(tmp_path) as broker,
        running(tmp_path, "watch", "--json", "--url", broker.url) as command,
    ):
        assert "watching" in await command.line(of_errors=True)
        await tell(MqttSettings(url=broker.url), *notes_of(life()[0]))
        line = json.loads(await command.line())
        command.interrupt()
        done = await command.end()
    assert line["topic"] == "guard/v1/node-1/alert/0193-alert"
    assert line["message"]["data"]["finding_info"]["uid"] == "0193-alert"
    assert (done.status, done.out) == (0, "")
    assert "Traceback" not in done.error


async def test_a_script_can_wait_for_an_alert(tmp_path: Path):
    async with mosquitto(tmp_path) as broker:
        arguments = ("watch", "--until-alert", "60", "--states", "--url", broker.url)
        async with running(tmp_path, *arguments) as command:
            assert "watching" in await command.line(of_errors=True)
            state = at_state()
            await tell(MqttSettings(url=broker.url), Note(state.topic, state.payload), notes_of(life()[0])[0])
            done = await command.end()
    assert done.status == 0
    assert "raised   Ada" in done.out


def test_waiting_in_vain_for_an_alert_ends_with_one(guard: Command):
    done = guard("watch", "--until-alert", "0.3", "--url", f"mqtt://127.0.0.1:{free_port()}")
    assert done.status == 1
    assert done.error.count("trying again") == 1
    assert "outbox" not in done.error
    assert "was not reached" in done.error


async def test_waiting_in_vain_at_a_broker_that_answers_is_not_told_as_a_failure(tmp_path: Path):
    async with mosquitto(tmp_path) as broker:
        done = await ran(tmp_path, "watch", "--until-alert", "3", "--url", broker.url)
    assert done.status == 1
    assert "watching" in done.error
    assert "was not reached" not in done.error


async def test_behind_head_it_ends_well(tmp_path: Path):
    async with mosquitto(tmp_path) as broker:
        settings = MqttSettings(url=broker.url)
        async with running(tmp_path, "watch", "--json", "--url", broker.url) as command:
            assert "watching" in await command.line(of_errors=True)
            raised, cleared = life()
            await tell(settings, notes_of(raised)[0])
            assert await command.line()
            command.stop_reading()
            await tell(settings, notes_of(cleared)[0])
            done = await command.end()
    assert (done.status, done.error) == (0, "")


async def test_a_reader_who_left_is_no_alert(tmp_path: Path):
    async with mosquitto(tmp_path) as broker:
        arguments = ("watch", "--until-alert", "60", "--states", "--json", "--url", broker.url)
        async with running(tmp_path, *arguments) as command:
            assert "watching" in await command.line(of_errors=True)
            command.stop_reading()
            state = at_state()
            await tell(MqttSettings(url=broker.url), Note(state.topic, state.payload))
            done = await command.end()
    assert done.status == 1


async def test_a_reader_that_takes_nothing_does_not_hinder_ctrl_c(tmp_path: Path):
    async with mosquitto(tmp_path) as broker:
        settings = MqttSettings(url=broker.url)
        async with running(tmp_path, "watch", "--states", "--json", "--url", broker.url) as command:
            assert "watching" in await command.line(of_errors=True)
            state = at_state()
            await tell(settings, *[Note(state.topic, state.payload)] * 1500)
            command.interrupt()
            await command.ended()
            done = await command.end()
    assert done.status == 0
    assert "Traceback" not in done.error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "mqtt://ada:hunter2@127.0.0.1"], "credentials do not belong there"),
        (["--url", "http://127.0.0.1"], "mqtt://HOST"),
        (["--node", "a/b"], "topic segment"),
    ],
)
def test_wrong_use_is_told_without_repeating_a_password(
    guard: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
):
    monkeypatch.setenv("COLUMNS", "200")
    done = guard("watch", *arguments)
    assert done.status == 2
    assert words in done.error
    assert "hunter2" not in done.error
