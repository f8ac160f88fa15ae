"""Frames of one stream to tracked faces: near ones on a small picture, far ones on crops."""

from functools import partial
from typing import Self

from guard.config.settings import FaceSettings
from guard.core.geometry import Box
from guard.core.types import Border, FaceView, Picture, VideoFrame
from guard.core.units import FaceId, Seconds
from guard.faces.far import FarFaces, mesh_box
from guard.faces.identity import Identities, without_doubles
from guard.faces.landmarker import Landmarker, Mesh
from guard.faces.pictures import cut_inside, cut_square, face_luma, laplacian_variance, small_picture
from guard.faces.quality import SHARPNESS_SIZE, at_one_exposure, inside_share, judge_quality


class FaceTracker:
    """Follows the faces of one video track; made, used and closed in one thread.

    Not ``following``: every frame stands alone, as pictures of different people do.
    """

    def __init__(self, settings: FaceSettings, model: bytes, *, following: bool = True) -> None:
        self._settings = settings
        self._following = following
        self._landmarker = Landmarker(model, settings.max_faces, following=following)
        self._far = FarFaces(model, settings.max_faces, settings.far_search_interval_s)
        self._identities = Identities(settings.gap_s)

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[FaceView, ...]:
        """Every face seen in the frame, in the order of their ids; ``now`` should grow from call to call."""
        meshes = self._meshes(frame, now)
        boxes = [mesh_box(mesh, frame.width, frame.height) for mesh in meshes]
        ids = self._identities.assign([_by_height(box, frame.height) for box in boxes], now)
        views = [
            self._view(frame, mesh, box, face_id)
            for mesh, box, face_id in zip(meshes, boxes, ids, strict=True)
        ]
        return tuple(sorted(views, key=lambda view: view.face_id))

    def close(self) -> None:
        """Release the models."""
        self._landmarker.close()
        self._far.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _meshes(self, frame: VideoFrame, now: Seconds) -> list[Mesh]:
        if not self._following:
            self._far.forget()
        near = self._landmarker.detect(small_picture(frame, self._settings.track_width), now)
        if not near:
            return list(self._far.observe(frame, now))
        self._far.forget()
        kept = without_doubles([mesh_box(mesh, frame.width, frame.height) for mesh in near])
        return [near[index] for index in kept]

    def _view(self, frame: VideoFrame, mesh: Mesh, box: Box, face_id: FaceId) -> FaceView:
        luma = face_luma(frame, box, SHARPNESS_SIZE)
        light = float(luma.mean())
        quality = judge_quality(
            box,
            mesh.pose,
            sharpness=at_one_exposure(laplacian_variance(luma), light),
            luma=light,
            inside=inside_share(box, frame.width, frame.height),
            settings=self._settings,
        )
        return FaceView(
            face_id=face_id,
            box=box,
            landmarks=mesh.landmarks,
            blendshapes=mesh.blendshapes,
            pose=mesh.pose,
            quality=quality,
            frame=frame,
            crop=partial(crop_face, frame, box),
        )


def _by_height(box: Box, height: int) -> Box:
    """In heights of the frame: senders change their resolution in mid-call, and faces stay who they are."""
    return Box(*(side / height for side in box))


def crop_face(frame: VideoFrame, box: Box, scale: float, size: int, border: Border = "reflect", /) -> Picture:
    """``box`` and its surroundings, as ``Cropper`` says, in RGB, uint8 (size, size, 3)."""
    if border == "shift":
        return cut_inside(frame, box.grown_inside(scale, frame.width, frame.height), size)
    return cut_square(frame, box.square(scale), size)
