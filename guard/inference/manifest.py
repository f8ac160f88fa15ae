"""engine.toml as a frozen Manifest: the facts of a model that code would otherwise hold as magic numbers."""

import tomllib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from guard.core.errors import ConfigError, ModelError, ShapeError
from guard.core.types import Border
from guard.inference.calibration import CalibrationSection, Positive, Section
from guard.inference.engine import Tensor

MANIFEST_NAME = "engine.toml"

ENGINE_NAME = r"^[A-Za-z0-9_-]{1,64}$"
FILE_NAME = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"
SHA256 = r"^[0-9a-f]{64}$"


class EngineSection(Section):
    """What the model is, and who may use it."""

    name: str = Field(pattern=ENGINE_NAME)
    """Also the name of its folder."""
    version: str
    task: Literal["manipulation", "presentation"]
    model: str = Field(pattern=FILE_NAME)
    """File name of the ONNX graph, beside engine.toml."""
    sha256: str = Field(pattern=SHA256)
    model_fp16: str | None = Field(None, pattern=FILE_NAME)
    """Its twin in half precision, for backends that read precision from the file; same inputs and outputs."""
    sha256_fp16: str | None = Field(None, pattern=SHA256)
    licence: str
    data_terms: str
    commercial_use: bool

    @model_validator(mode="after")
    def _twin_is_whole(self) -> "EngineSection":
        if (self.model_fp16 is None) != (self.sha256_fp16 is None):
            msg = "expected model_fp16 and sha256_fp16 together or neither"
            raise ValueError(msg)
        return self

    def terms(self) -> str:
        """Who may use the weights, in one line."""
        use = "commercial use allowed" if self.commercial_use else "no commercial use"
        return f"{self.name} {self.version}: {self.licence}; {self.data_terms}; {use}"


class InputSection(Section):
    """How pixels become the input tensor: x = (pixel 0..255 - mean) / std, for each channel."""

    name: str
    size: int = Field(ge=8, le=1024)
    """Side of the square crop, px."""
    layout: Literal["NCHW"]
    colour: Literal["RGB"]
    mean: tuple[float, float, float]
    std: tuple[Positive, Positive, Positive]


class CropSection(Section):
    """Which square of the frame the model sees."""

    scale: float = Field(gt=0.0, le=8.0)
    """Side of the square over the longer side of the landmark box."""
    border: Border
    """How the crop stays in the frame; with ``shift``, the scale is over each side of the landmark box."""


class OutputSection(Section):
    """What the model says: one logit."""

    name: str
    attack: Literal["positive"]
    """A larger logit speaks for an attack."""


class Manifest(Section):
    """Everything that code must know of one model."""

    engine: EngineSection
    input: InputSection
    crop: CropSection
    output: OutputSection
    calibration: CalibrationSection

    def tensor(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Normalise RGB crops, uint8 (n, size, size, 3), to the input tensor, float32 (n, 3, size, size)."""
        side = self.input.size
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[1:] != (side, side, 3):  # noqa: PLR2004 -- a batch of colour pictures has four axes
            msg = (
                f"{self.engine.name}: expected pictures uint8 (n, {side}, {side}, 3), "
                f"got {pictures.dtype} {pictures.shape}; cut crops at the size that the manifest states"
            )
            raise ShapeError(msg)
        mean = np.array(self.input.mean, np.float32)
        std = np.array(self.input.std, np.float32)
        normalised = (pictures.astype(np.float32) - mean) / std
        return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the engine in ``folder``.

    Raises:
        ModelError: engine.toml cannot be read.
        ConfigError: it is no TOML, or a key is missing, unknown or out of range.
    """
    path = folder / MANIFEST_NAME
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest.model_validate(tables)
    except OSError as error:
        msg = f"{path}: expected an engine manifest, got {error.strerror}; see `guard engines list`"
        raise ModelError(msg) from error
    except ValidationError as error:
        msg = f"{path}: " + "; ".join(_fault(**fault) for fault in error.errors())
        raise ConfigError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: expected TOML, got {error}; mend the file at that place"
        raise ConfigError(msg) from error
    if manifest.engine.name != folder.resolve().name:
        msg = (
            f"{path}: expected engine.name = {folder.resolve().name!r} as its folder is called, "
            f"got {manifest.engine.name!r}; rename one of them"
        )
        raise ConfigError(msg)
    return manifest


def _fault(*, type: str, loc: tuple[int | str, ...], msg: str, input: object, **_: object) -> str:  # noqa: A002 -- the names of pydantic's ErrorDetails
    """One fault of a manifest in our words."""
    key = ".".join(map(str, loc))
    if type == "missing":
        return f"{key}: expected this key, got nothing; add it"
    if type == "extra_forbidden":
        return f"{key}: unknown key, got {input!r}; remove it or mend its name"
    return f"{key}: {msg[0].lower()}{msg[1:]}, got {input!r}"
