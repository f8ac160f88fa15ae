"""What tests of the pages share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.browser import Desk, chromium
from tests.support.served import Served, served


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as node:
        yield node


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with chromium() as desk:
        yield desk
        assert desk.complaints == []
