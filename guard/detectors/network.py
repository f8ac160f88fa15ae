"""Any engine as a detector: crop, normalise, infer, calibrate."""

from guard.core.types import Cue, FaceView, Reason, Score
from guard.core.units import Seconds
from guard.inference.engine import Engine
from guard.inference.manifest import Manifest

UNDECIDED = 0.5


class NetworkDetector:
    """Judges each face picture by itself with a learned engine.

    Holds no state, so that one engine may serve every face track of the process, also from several threads
    where its backend allows that (ONNX Runtime does). A face that cannot be judged costs no inference and
    gives a score of weight 0 with the reason, never None: an abstention is an answer and counts as such.
    """

    def __init__(self, engine: Engine, manifest: Manifest, cue: Cue) -> None:
        self.cue = cue
        self._engine = engine
        self._manifest = manifest

    def observe(self, face: FaceView, now: Seconds) -> Score | None:  # noqa: ARG002 -- each picture stands alone
        """Score one face picture; weight 0 where its quality or size forbids a judgement."""
        weight = self._manifest.calibration.weight(face.quality.size_px)
        if not face.quality.good:
            return Score(self.cue, UNDECIDED, 0.0, face.quality.reasons[0])
        if weight == 0.0:
            return Score(self.cue, UNDECIDED, 0.0, Reason.TOO_SMALL)
        value = self._manifest.calibration.probability(self._logit(face))
        return Score(self.cue, value, weight, Reason.LEARNED_SCORE)

    def reset(self) -> None:
        """Nothing to forget."""

    def _logit(self, face: FaceView) -> float:
        crop = face.crop(self._manifest.crop.scale, self._manifest.input.size)
        feeds = {self._manifest.input.name: self._manifest.tensor(crop[None])}
        return float(self._engine.infer(feeds)[self._manifest.output.name].reshape(()))
