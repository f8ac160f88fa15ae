import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guard.alerts.topics import Topics, segment
from guard.core.errors import SignallingError

pytestmark = pytest.mark.unit


def test_topics_are_those_of_the_design():
    topics = Topics("node-1")
    assert topics.status == "guard/v1/node-1/status"
    assert topics.state("s1", "p1") == "guard/v1/node-1/session/s1/p/p1/state"
    assert topics.score("s1", "p1") == "guard/v1/node-1/session/s1/p/p1/score"
    assert topics.alert("a-1") == "guard/v1/node-1/alert/a-1"
    assert topics.active("a-1") == "guard/v1/node-1/active/a-1"


@given(st.text(max_size=80))
@example("")
@example("a\x00b")
@example("+")
@example("#")
@example("$SYS/broker")
@example("a/b")
@example("a\n")
@example("x" * 65)
@example("\u202eevil")
@example("\uff41")
def test_a_segment_is_plain_or_refused(text: str):
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        assert segment(text) == text
        return
    with pytest.raises(SignallingError) as refusal:
        segment(text)
    assert str(refusal.value).isprintable()
    assert str(refusal.value).isascii()


@given(st.text(max_size=20), st.text(max_size=20))
@example("a\x00", "p")
@example("s", "../p")
def test_every_topic_has_its_own_shape_and_no_other(session: str, participant: str):
    try:
        topic = Topics("n").state(session, participant)
    except SignallingError:
        return
    assert re.fullmatch(r"guard/v1/n/session/[\w-]+/p/[\w-]+/state", topic, re.ASCII)


def test_a_node_name_is_checked_as_well():
    with pytest.raises(SignallingError, match="topic segment"):
        Topics("node/1")
