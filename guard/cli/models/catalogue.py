"""What can be fetched, from where, with which digest, under which terms."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One file of weights, and the engine that it becomes."""

    file: str
    sha256: str
    engine: str
    scale: float
    """Of their face box, as their code cuts it."""
    expected: tuple[float, ...]
    """Log-odds of an attack that PyTorch computes from this file for the eight golden inputs, ± 0.00001."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Weights of others under one name."""

    name: str
    says: str
    version: str
    task: str
    source: str
    """Address of the folder that holds the files."""
    licence: str
    data_terms: str
    commercial_use: bool
    parts: tuple[Part, ...]

    def terms(self) -> str:
        """Who may use them, in one line."""
        use = "commercial use allowed" if self.commercial_use else "no commercial use"
        return f"{self.licence}; {self.data_terms}; {use}"


MINIFASNET = Offer(
    name="minifasnet",
    says="MiniFASNetV2 and V1SE of Minivision: printed photos, screens",
    version="b6d5f04",
    task="presentation",
    source="https://raw.githubusercontent.com/minivision-ai/Silent-Face-Anti-Spoofing/"
    "b6d5f04ad78778917853b25c778acef6d5626d15/resources/anti_spoof_models",
    licence="Apache-2.0",
    data_terms="trained on private data of Minivision, whose terms are not published",
    commercial_use=True,
    parts=(
        Part(
            "2.7_80x80_MiniFASNetV2.pth",
            "a5eb02e1843f19b5386b953cc4c9f011c3f985d0ee2bb9819eea9a142099bec0",
            "minifasnet-v2",
            2.7,
            (1.56578, 0.84347, 1.85618, 3.33048, 2.93217, 3.09236, -4.61408, 1.11179),
        ),
        Part(
            "4_0_0_80x80_MiniFASNetV1SE.pth",
            "84ee1d37d96894d5e82de5a57df044ef80a58be2b218b5ed7cdfd875ec2f5990",
            "minifasnet-v1se",
            4.0,
            (-0.16649, -1.13698, 1.04939, 3.37877, 0.7543, 3.53519, -6.23631, -0.38236),
        ),
    ),
)

CATALOGUE = {offer.name: offer for offer in (MINIFASNET,)}
