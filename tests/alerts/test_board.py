import pytest

from guard.alerts import board as board_module
from guard.alerts.board import Board, Note

pytestmark = pytest.mark.unit


def drain(board: Board) -> list[Note]:
    sent = []
    while note := board.next():
        board.sent(note)
        sent.append(note)
    return sent


def test_the_newest_note_of_a_topic_wins():
    board = Board()
    for payload in (b"1", b"2", b"3"):
        board.post(Note("t", payload))
    assert [note.payload for note in drain(board)] == [b"3"]


def test_a_note_posted_while_an_older_one_is_under_way_still_goes_out():
    board = Board()
    board.post(Note("t", b"1"))
    under_way = board.next()
    board.post(Note("t", b"2"))
    assert under_way is not None
    board.sent(under_way)
    assert [note.payload for note in drain(board)] == [b"2"]


def test_a_broker_that_forgot_is_told_what_is_retained_and_nothing_else():
    board = Board()
    board.post(Note("kept", b"1"))
    board.post(Note("emptied", b"1"))
    board.post(Note("passing", b"1", qos=0, retain=False))
    drain(board)
    board.post(Note("emptied", b""))
    drain(board)
    board.repost()
    assert [(note.topic, note.payload) for note in drain(board)] == [("kept", b"1")]


def test_a_repost_does_not_hide_what_is_newer():
    board = Board()
    board.post(Note("t", b"old"))
    drain(board)
    board.post(Note("t", b"new"))
    board.repost()
    assert [note.payload for note in drain(board)] == [b"new"]


def test_it_is_bounded_and_counts_what_it_drops(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(board_module, "MOST_TOPICS", 3)
    board = Board()
    for number in range(5):
        board.post(Note(f"t{number}", b"x"))
    assert [note.topic for note in drain(board)] == ["t2", "t3", "t4"]
    assert board.dropped == 2
