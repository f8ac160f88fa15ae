"""What does relaying cost and delay, against aiortc's own relay and against forwarding datagrams unread?

    python bench/relay.py [--modes stock,rtp] [--seconds 8] [--rounds 2] [--rooms 20] [--core N] [--json]

Every case is three processes on the same one core: publishers, a relay, subscribers; all but the relay's mode
is the same in the cases that are compared, the event loop too. Their windows of ``--seconds`` take turns
(A B A B), each after 1.5 s of warm-up; who is not measured is paused. Clips are drawn, encoded once as VP8
(300 pictures at 30 a second, 360p at 700 kbit/s, 720p at 1.8 Mbit/s, one keyframe at the beginning) and sent
again and again; subscribers decode nothing.

Modes: ``stock`` is aiortc's MediaRelay untouched, which decodes, and encodes for each subscriber; ``rtp``,
``frame`` and ``transcode`` are the product's ``Publication`` with this ``media.relay``. ``+tap`` decodes each
picture beside the relay, as for the analysis; without it nothing is decoded. ``echo`` is a bare forwarder:
publisher and subscriber call each other through two UDP sockets a room and the very same packets pass unread.

CPU is what the relay process alone used, all its threads, user and system (``time.process_time``). Added
milliseconds are from the moment a publisher hands an encoded picture to its sender to the moment the
subscriber takes the picture's last packet (marker bit) from SRTP, loopback, no wait subtracted: sending,
relaying, receiving, and waiting for the one core that all three share. ``echo`` shows how much of that is the
callers' own. Pictures are told apart by small random lags of their timestamps, which all relays hand on.

The last line's keys are about the first of the modes that is ours (``relay``): ``cpu_ratio_*`` stock's CPU
over ours, ``added_ms_*`` at 360p with one subscriber, ``_tap`` with the tap; ``room_cpu_percent`` of a core
for each of ``rooms`` (360p, one subscriber each); ``room_cpu_over_udp_echo`` CPU for each packet delivered
over the forwarder's; ``rss_slope_mib_per_min`` is the least-squares slope of the relay's memory within its
windows, from ``rss_settle_s`` of media on. In those rooms nothing is decoded: it is the way of the packets
alone. What a room of the product costs is ``room_cpu_percent_tap``, in ``rooms_tap`` rooms, fewer since they
share a core with both ends of all calls: each picture is assembled and decoded too, without sound and without
judging. ``cases`` holds what all that comes from.
"""

import argparse
import json
from dataclasses import dataclass
from itertools import chain
from statistics import fmean
from typing import Any

from bench.relaying.cases import WARM_UP_S, Case, quietest_core
from bench.relaying.clip import SIZES, bitrate_of, encoded
from bench.relaying.process import LOOPS
from guard.telemetry.stamps import percentile

OURS = ("rtp", "frame", "transcode")
RSS_SETTLE_S = 30.0
"""Rings fill first, and memory goes on growing a little until their packets have had all sizes."""

RSS_SPAN_S = 10.0
"""Less than this of settled time tells nothing of a slope."""

ROOM_SPAN = 3
"""Windows of many rooms are so many times longer, for the sake of the memory's slope."""

TAPPED_ROOMS = 4
"""At most: one core carries these, their callers, and the decoders."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Cases that are compared with each other."""

    name: str
    size: int
    rooms: int
    subscribers: int
    modes: tuple[str, ...]
    span: int = 1
    """Length of the windows, in ``--seconds``."""


def scenarios(modes: list[str], ours: str, rooms: int) -> list[Scenario]:
    """What is measured for these modes."""
    return [
        Scenario("360p_1to1", 360, 1, 1, (*modes, f"{ours}+tap", "echo")),
        Scenario("720p_1to3", 720, 1, 3, tuple(modes)),
        Scenario("rooms", 360, rooms, 1, (ours, "echo"), ROOM_SPAN),
        Scenario("rooms_tap", 360, min(rooms, TAPPED_ROOMS), 1, (f"{ours}+tap",)),
    ]


def measured(
    scenario: Scenario, units: list[bytes], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """The figures of each mode of a scenario."""
    shape = (scenario.size, scenario.rooms, scenario.subscribers, options.core, units, options.loop)
    cases = [Case(mode, *shape) for mode in scenario.modes]
    try:
        for case in cases:
            case.start()
        for case in cases:
            case.connect()
        for _ in range(options.rounds):
            for case in cases:
                case.measure(options.seconds * scenario.span)
    finally:
        for case in cases:
            case.stop()
    return {case.mode: figures(case) for case in cases}


def figures(case: Case) -> dict[str, Any]:
    """What the windows of a case show together."""
    wall = sum(window.wall_s for window in case.windows)
    cpu = sum(window.cpu_s for window in case.windows)
    delays = sorted(chain.from_iterable(window.delays for window in case.windows))
    late = sorted(chain.from_iterable(window.late_s for window in case.windows))
    calls = case.rooms * case.subscribers
    packets = sum(window.packets for window in case.windows)
    return {
        "cpu_percent": round(100 * cpu / wall, 3),
        "cpu_percent_windows": [round(100 * window.cpu_s / window.wall_s, 2) for window in case.windows],
        "cpu_s_per_stream_minute": round(60 * cpu / wall / case.rooms, 3),
        "added_ms_p50": _ms(delays, 0.5),
        "added_ms_p95": _ms(delays, 0.95),
        "added_ms_p99": _ms(delays, 0.99),
        "added_ms_max": _ms(delays, 1.0),
        "delays": len(delays),
        "fps": round(sum(window.pictures for window in case.windows) / wall / calls, 2),
        "packets_per_s": round(packets / wall / calls, 1),
        "cpu_us_per_packet": round(1e6 * cpu / packets, 2) if packets else None,
        "publisher_late_ms_p99": _ms(late, 0.99),
        "keyframes_wanted": sum(window.keyframes_wanted for window in case.windows),
        "core_busy_percent": round(100 * sum(w.core * w.wall_s for w in case.windows) / wall, 1),
        "rss_mib": round(case.windows[-1].rss[-1][1], 1),
        "rss_slope_mib_per_min": rss_slope(case),
        "told": case.windows[-1].told,
    }


def rss_slope(case: Case) -> float | None:
    """MiB a minute within the windows, whatever came between; None where too little of them has settled."""
    spread, rise, passed, settled = 0.0, 0.0, WARM_UP_S, 0.0
    for window in case.windows:
        samples = [(at, mib) for at, mib in window.rss if passed + at >= RSS_SETTLE_S]
        if len(samples) > 1:
            middle, level = (fmean(values) for values in zip(*samples, strict=True))
            spread += sum((at - middle) ** 2 for at, _ in samples)
            rise += sum((at - middle) * (mib - level) for at, mib in samples)
            settled += samples[-1][0] - samples[0][0]
        passed += WARM_UP_S + window.wall_s
    return round(60 * rise / spread, 3) if settled >= RSS_SPAN_S else None


def summary(cases: dict[str, dict[str, dict[str, Any]]], ours: str, rooms: int) -> dict[str, Any]:
    """The keys that the bench is known by; None where what they need was not run."""

    def figure(scenario: str, mode: str, key: str) -> Any:
        return cases.get(scenario, {}).get(mode, {}).get(key)

    def ratio(over: float | None, under: float | None) -> float | None:
        return round(over / under, 2) if over and under else None

    added = {
        f"{key}{suffix}": figure("360p_1to1", mode, key)
        for mode, suffix in ((ours, ""), (f"{ours}+tap", "_tap"), ("echo", "_echo"))
        for key in ("added_ms_p50", "added_ms_p99")
    }

    def each(scenario: str, mode: str, count: int) -> float | None:
        cpu = figure(scenario, mode, "cpu_percent")
        return round(cpu / count, 3) if cpu else None

    tapped = min(rooms, TAPPED_ROOMS)
    return {
        "relay": ours,
        **{
            f"cpu_ratio_{name}": ratio(
                figure(name, "stock", "cpu_percent"), figure(name, ours, "cpu_percent")
            )
            for name in ("360p_1to1", "720p_1to3")
        },
        **added,
        "room_cpu_over_udp_echo": ratio(
            figure("rooms", ours, "cpu_us_per_packet"), figure("rooms", "echo", "cpu_us_per_packet")
        ),
        "room_cpu_percent": each("rooms", ours, rooms),
        "rooms": rooms,
        "room_cpu_percent_tap": each("rooms_tap", f"{ours}+tap", tapped),
        "rooms_tap": tapped,
        "rss_slope_mib_per_min": figure("rooms", ours, "rss_slope_mib_per_min"),
        "rss_settle_s": RSS_SETTLE_S,
    }


def _ms(ordered: list[float], share: float) -> float | None:
    return round(1e3 * percentile(ordered, share), 2) if ordered else None


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--modes", default="stock,rtp", help="of stock, rtp, frame, transcode")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a window")
    parser.add_argument("--rounds", type=int, default=2, help="windows of each case")
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument(
        "--only", choices=["360p_1to1", "720p_1to3", "rooms", "rooms_tap"], help="one scenario of the four"
    )
    parser.add_argument("--core", type=int, help="by default the quietest when it begins")
    parser.add_argument("--loop", choices=sorted(LOOPS), default="uvloop", help="of all processes")
    parser.add_argument("--json", action="store_true", help="print only the last line")
    options = parser.parse_args()
    options.modes = options.modes.split(",")
    options.core = quietest_core() if options.core is None else options.core
    if unknown := set(options.modes) - {"stock", *OURS}:
        parser.error(f"--modes: expected some of stock, {', '.join(OURS)}, got {', '.join(sorted(unknown))}")
    options.ours = next((mode for mode in options.modes if mode in OURS), None)
    if options.ours is None:
        parser.error(f"--modes: expected one of {', '.join(OURS)} among them, got none")
    return options


def main() -> None:
    """Measure and print."""
    options = read_options()
    clips = {size: encoded(size) for size in SIZES}
    cases: dict[str, dict[str, dict[str, Any]]] = {}
    for scenario in scenarios(options.modes, options.ours, options.rooms):
        if options.only in {None, scenario.name}:
            cases[scenario.name] = measured(scenario, clips[scenario.size], options)
            if not options.json:
                print(json.dumps({scenario.name: cases[scenario.name]}), flush=True)
    told = {
        "loop": options.loop,
        "core": options.core,
        "clip_bit_s": {size: bitrate_of(units) for size, units in clips.items()},
    }
    print(json.dumps(summary(cases, options.ours, options.rooms) | told | {"cases": cases}))


if __name__ == "__main__":
    main()
