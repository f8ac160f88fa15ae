"""Any engine as a detector: crop, normalise, infer, calibrate; abstain where a score moves with the crop."""

import numpy as np

from guard.core.types import Cue, FaceView, Reason, Score
from guard.core.units import Seconds
from guard.inference.calibration import InstabilitySection
from guard.inference.engine import Engine
from guard.inference.manifest import Manifest

UNDECIDED = 0.5


class NetworkDetector:
    """Judges each picture of one face track with a learned engine.

    One engine may serve every face track of the process, also from several threads where its backend allows
    that (ONNX Runtime does); a detector belongs to one track, and so to one thread. A face that cannot be
    judged costs no inference and gives a score of weight 0 with the reason, never None: an abstention is an
    answer and counts as such.

    Where the manifest says so, every few scores the same face is judged once more, cut a little tighter, in
    the same batch. Where the probability moves too far, the detector abstains until the next such look, and
    costs no inference either.
    """

    def __init__(self, engine: Engine, manifest: Manifest, cue: Cue) -> None:
        self.cue = cue
        self._engine = engine
        self._manifest = manifest
        self._scored = 0
        self._unstable = False

    def observe(self, face: FaceView, now: Seconds) -> Score | None:  # noqa: ARG002 -- it counts scores, not seconds
        """Score one face picture; weight 0 where its quality, size or instability forbids a judgement."""
        if not face.quality.good:
            return self._abstain(face.quality.reasons[0])
        weight, weakness = self._manifest.calibration.trust(face.quality)
        if weight == 0.0:
            return self._abstain(weakness)
        look = self._look_due()
        if self._unstable and look is None:
            return self._abstain(Reason.UNSTABLE)
        value = self._probability(face, look)
        if self._unstable:
            return self._abstain(Reason.UNSTABLE)
        return Score(self.cue, value, weight, Reason.LEARNED_SCORE)

    def reset(self) -> None:
        """Forget how steady the track was: the next picture is looked at twice."""
        self._scored = 0
        self._unstable = False

    def _abstain(self, reason: Reason) -> Score:
        return Score(self.cue, UNDECIDED, 0.0, reason)

    def _look_due(self) -> InstabilitySection | None:
        """The rule where this picture is to be looked at twice; asked once for each that can be judged."""
        rule = self._manifest.calibration.instability
        due = rule is not None and self._scored % rule.every == 0
        self._scored += 1
        return rule if due else None

    def _probability(self, face: FaceView, look: InstabilitySection | None) -> float:
        if look is None:
            return self._probabilities(face, 1.0)[0]
        plain, tighter = self._probabilities(face, 1.0, look.zoom)
        self._unstable = abs(plain - tighter) >= look.most
        return plain

    def _probabilities(self, face: FaceView, *zooms: float) -> list[float]:
        """P(attack) of crops of these sizes over the manifest's, in one batch."""
        crop, side = self._manifest.crop, self._manifest.input.size
        crops = [face.crop(crop.scale * zoom, side, crop.border) for zoom in zooms]
        feeds = {self._manifest.input.name: self._manifest.tensor(np.stack(crops))}
        logits = self._engine.infer(feeds)[self._manifest.output.name].reshape(len(zooms))
        return [self._manifest.calibration.probability(float(logit)) for logit in logits]
