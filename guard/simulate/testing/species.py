"""The table of test variants: what each attack species is called in results."""

from dataclasses import dataclass

from guard.core.types import Family


@dataclass(frozen=True, slots=True)
class Species:
    """One kind of attack in one variant (a PAI species in the sense of ISO/IEC 30107-3)."""

    name: str
    """``species:variant``, as it stands in every result."""
    family: Family
    """The alert that it should raise."""
    summary: str


PHOTO_IN_HAND = Species("photo-in-hand:test", Family.PRESENTATION, "A still photo held to the camera.")
FACE_SWAP = Species("face-swap:test", Family.MANIPULATION, "Another face warped over a moving person's.")

SPECIES: dict[str, Species] = {species.name: species for species in (PHOTO_IN_HAND, FACE_SWAP)}
"""Every test variant by name; ``photo.HeldPhoto`` and ``swap.FaceSwap`` make them."""
