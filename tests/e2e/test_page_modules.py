"""Single modules of the pages, in a real Chromium."""

import pytest

from tests.support.browser import Desk
from tests.support.served import Served

pytestmark = pytest.mark.e2e

STREAM = (
    "\ufeff: hello\r\nevent: one\r\ndata: {\r\ndata:}\r\rdata: ü\n\n: ping\n\n"
    "event: empty\n\nid: 7\ndata\n\ndata: cut"
)

READ_STREAM = """async ([bytes, cuts]) => {
  const { readEvents } = await import("/static/sse.js");
  const ends = [...cuts, bytes.length];
  const source = new ReadableStream({
    start(controller) {
      ends.forEach((end, at) => controller.enqueue(new Uint8Array(bytes.slice(ends[at - 1] ?? 0, end))));
      controller.close();
    },
  });
  const found = [];
  for await (const { type, data } of readEvents(source)) found.push([type, data]);
  return found;
}"""

ALERTS_OVERTAKEN = """async () => {
  const { Alerts } = await import("/static/alerts.js");
  const alert = {
    id: "1", family: "presentation", severity: 4, participant_id: "p_1", display_name: "Eve", text: "Eve",
    probability: 0.9, coverage: 1, reasons: [], contributions: [], acknowledged_by: null,
    suppressed_until: null, close_reason: null, raised_at: "2026-01-01T00:00:00Z", cleared_at: null,
  };
  const open = (id, at) => ({ ...alert, id, status: "open", updated_at: at });
  const closing = { status: "cleared", close_reason: "cleared" };
  const cleared = (id, at) => ({ ...open(id, at), ...closing, cleared_at: at });
  const told = [];
  let count;
  const alerts = new Alerts("", (text) => told.push(text), (open) => (count = open));
  alerts.put(open("1", "2026-01-01T00:00:00Z"));
  alerts.put(cleared("1", "2026-01-01T00:00:02.5Z"));
  alerts.add([open("1", "2026-01-01T00:00:02Z"), cleared("2", "2025-12-31T00:00:00Z")]);
  alerts.put(open("1", "2026-01-01T00:00:01Z"));
  return [count, told, document.querySelectorAll("#closed-alerts .alert").length];
}"""

PLOTTED = """async () => {
  const { Plot } = await import("/static/plot.js");
  const plot = new Plot();
  [0.9, 0.8, null, 0.7, 0.6].forEach((score, at) => plot.add(1000 * at, score, null));
  plot.draw(4000);
  return ["liveness", "deepfake"].map((name) => plot.root.querySelector(`.${name}`).getAttribute("d"));
}"""

FIGURES = """async () => {
  const { Alerts } = await import("/static/alerts.js");
  const alert = {
    status: "open", severity: 2, participant_id: "p_1", display_name: "Eve", text: "Eve", probability: 0.9,
    coverage: 0.1, reasons: [], contributions: [], acknowledged_by: null, suppressed_until: null,
    close_reason: null, raised_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z",
  };
  const alerts = new Alerts("", () => {}, () => {});
  alerts.add(["guard", "presentation"].map((family) => ({ ...alert, id: family, family })));
  return [...document.querySelectorAll("#open-alerts .alert > .note")].map((note) => note.textContent).sort();
}"""


async def test_an_answer_that_events_overtook_reopens_no_alert(node: Served, desk: Desk) -> None:
    tab = await desk.tab()
    await tab.open(node.url)
    told = ["Alert, High: Eve", "Alert, closed: Eve"]
    assert await tab.run(ALERTS_OVERTAKEN) == [0, told, 2]


async def test_an_alert_about_video_that_cannot_be_judged_has_no_probability(
    node: Served, desk: Desk
) -> None:
    tab = await desk.tab()
    await tab.open(node.url)
    assert await tab.run(FIGURES) == ["Coverage 10 %", "Probability 90 %, coverage 10 %"]


async def test_a_plot_has_a_gap_where_there_is_no_score(node: Served, desk: Desk) -> None:
    tab = await desk.tab()
    await tab.open(node.url)
    liveness, deepfake = await tab.run(PLOTTED)
    assert [letter for letter in liveness if letter.isalpha()] == ["M", "L", "M", "L"]
    assert deepfake == ""


async def test_events_are_read_wherever_the_pieces_are_cut(node: Served, desk: Desk) -> None:
    tab = await desk.tab()
    await tab.open(node.url)
    raw = list(STREAM.encode())
    wanted = [["one", "{\n}"], ["message", "ü"], ["message", ""]]
    for cuts in [[], *([at] for at in range(1, len(raw))), list(range(1, len(raw)))]:
        assert await tab.run(READ_STREAM, [raw, cuts]) == wanted, cuts


async def test_links_of_ice_servers_are_read(node: Served, desk: Desk) -> None:
    tab = await desk.tab()
    await tab.open(node.url)
    header = (
        '</whep/dev/p_1>; rel="related", <stun:s.example:3478>; rel="ice-server", '
        '<turn:t.example:3478?transport=udp>; rel=ice-server; username="1,2;\\"x"; credential="a>b"; '
        'credential-type="password", <http://x.example>; rel="ice-server"'
    )
    script = """async (header) => {
      const { iceServers } = await import("/static/whip.js");
      return iceServers(new Response(null, { headers: header ? { Link: header } : {} }));
    }"""
    assert await tab.run(script, header) == [
        {"urls": "stun:s.example:3478"},
        {"urls": "turn:t.example:3478?transport=udp", "username": '1,2;"x', "credential": "a>b"},
    ]
    assert await tab.run(script, "") == []
