import pytest

from tests.fuzz.loop import CORPUS, corpus, feed
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.unit

MAX_BYTES = 200_000


@pytest.mark.parametrize("name", TARGETS)
async def test_every_case_of_the_corpus_is_answered_or_refused(name: str):
    target, cases = TARGETS[name], corpus(name)
    assert cases
    faults = {path.name: feed(target, [one]).finding for path, one in cases.items()}
    assert {file: finding for file, finding in faults.items() if finding} == {}


@pytest.mark.parametrize("name", TARGETS)
async def test_what_uses_the_limits_up_stays_cheap(name: str):
    assert feed(TARGETS[name], TARGETS[name].costly()).finding is None


def test_every_folder_of_the_corpus_has_its_target():
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)


def test_the_corpus_stays_small():
    assert sum(path.stat().st_size for path in CORPUS.rglob("*.*")) < MAX_BYTES


def test_the_shares_make_a_thousand():
    assert sum(target.share for target in TARGETS.values()) == 1000
