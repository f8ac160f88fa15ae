"""The pages as they are sent, and what their files may hold."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from guard.alerts.lifecycle import CloseReason
from guard.alerts.message import SEVERITIES
from guard.core.types import Cue, Family, Reason, State
from guard.web import pages, problems

pytestmark = pytest.mark.unit

TEXTS = {name: asset.body.decode() for name, asset in pages.ASSETS.items()}
HTML = sorted(name for name in TEXTS if name.endswith(".html"))
MODULES = sorted(name for name in TEXTS if name.endswith(".js"))
ADDRESSES = ["/", "/join/standup", *(f"/static/{name}" for name in sorted(TEXTS))]

TOUCHES_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|DOMParser|setHTML|document\.write"
    r"|\beval\(|new Function|srcdoc|\"style\""
)
"""Ways in which a foreign text could become markup, code or style."""


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    app.include_router(pages.router)
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://guard") as client:
        yield client


class Tags(HTMLParser):
    """The tags of a page with their attributes, and what stands inside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.lasttag in {"script", "style"} and data.strip():
            self.inline.append(data)

    @property
    def ids(self) -> list[str]:
        """Every id."""
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


def listed(name: str) -> dict[str, str]:
    """A list of words.js."""
    found = re.search(rf"export const {name} = \{{\n(.*?)\n\}};", TEXTS["words.js"], re.DOTALL)
    assert found, name
    return dict(re.findall(r'^  (\w+): "(.+)",$', found[1], re.MULTILINE))


def imported(module: str) -> set[str]:
    """A module and all that it imports, directly or not."""
    found = {module}
    for name in re.findall(r'^import .* from "\./([\w.]+)";$', TEXTS[module], re.MULTILINE):
        found |= imported(name)
    return found


@pytest.mark.parametrize("address", ADDRESSES)
async def test_every_answer_has_its_type_and_its_policy(client: httpx.AsyncClient, address: str) -> None:
    answer = await client.get(address)
    assert answer.status_code == 200
    wanted = pages.MEDIA_TYPES[Path(address).suffix if "static" in address else ".html"]
    assert answer.headers["content-type"] == wanted
    policy = answer.headers["content-security-policy"].split("; ")
    assert "unsafe" not in " ".join(policy)
    assert policy[:9] == [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "camera=(self), microphone=(self)" in answer.headers["permissions-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_known_file_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/static/join.js")
    again = await client.get("/static/join.js", headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (await client.head("/")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/nothing.js",
        "/static/../pages.py",
        "/static/../../config/settings.py",
        "/static//etc/passwd",
        "/static/..",
        "/static/..\\pages.py",
        "/static/join.js\x00.html",
        "/static/join.js/",
        "/static/JOIN.JS",
        "/static/pages.py",
        "/join/a/b",
        "/join/../../etc/passwd",
    ],
)
async def test_nothing_else_is_served(app: FastAPI, path: str) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [],
        "root_path": "",
    }
    await app(scope | {"raw_path": path.encode(), "http_version": "1.1", "scheme": "http"}, receive, send)
    assert sent[0]["status"] in {307, 404}, path
    assert b"import" not in b"".join(message.get("body", b"") for message in sent)


def test_only_kinds_that_are_known_are_read(tmp_path: Path) -> None:
    for name in ("page.html", "notes.txt", "key.pem"):
        (tmp_path / name).write_text("x")
    assert list(pages.read_assets(tmp_path)) == ["page.html"]


@pytest.mark.parametrize("name", HTML)
def test_a_page_holds_nothing_inline_and_loads_only_ours(name: str) -> None:
    page = Tags(TEXTS[name])
    assert page.inline == []
    for tag, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on") or key == "style"], tag
        assert tag not in {"style", "iframe", "object", "embed", "base"}
        for link in (attributes.get("src"), attributes.get("href")):
            if link is not None and not link.startswith(("#", "data:image/svg+xml,")):
                assert link.removeprefix("/static/") in TEXTS, link


@pytest.mark.parametrize("name", HTML)
def test_a_page_can_be_read_by_everybody(name: str) -> None:
    page = Tags(TEXTS[name])
    assert len(set(page.ids)) == len(page.ids)
    assert ("html", {"lang": "en"}) in page.tags
    assert ("a", {"class": "skip", "href": "#main"}) in page.tags
    labelled = {attributes.get("for") for tag, attributes in page.tags if tag == "label"}
    for tag, attributes in page.tags:
        if tag in {"input", "select"}:
            assert attributes["id"] in labelled
        if (pointed := attributes.get("aria-labelledby")) is not None:
            assert pointed in page.ids
        assert not attributes.get("tabindex", "").strip("-").strip("01")


@pytest.mark.parametrize(("page", "module"), [("join.html", "join.js"), ("console.html", "console.js")])
def test_scripts_find_what_they_look_for(page: str, module: str) -> None:
    ids = set(Tags(TEXTS[page]).ids)
    for name in imported(module):
        assert set(re.findall(r'byId\("([\w-]+)"\)', TEXTS[name])) <= ids, name


@pytest.mark.parametrize("name", MODULES)
def test_no_foreign_text_becomes_markup_and_nothing_comes_from_elsewhere(name: str) -> None:
    assert TOUCHES_MARKUP.findall(TEXTS[name]) == []
    assert set(re.findall(r"https?://[\w.]+", TEXTS[name])) <= {"http://www.w3.org"}
    assert set(re.findall(r'from "([^"]+)"', TEXTS[name])) <= {f"./{ours}" for ours in MODULES}
    assert len(TEXTS[name].splitlines()) < 250


def test_every_module_is_used() -> None:
    assert imported("join.js") | imported("console.js") == set(MODULES)


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("STATES", State),
        ("MEANINGS", State),
        ("REASONS", Reason),
        ("CUES", Cue),
        ("FAMILIES", Family),
        ("SEVERITIES", map(str, SEVERITIES)),
        ("CLOSINGS", CloseReason),
    ],
)
def test_every_code_has_its_words(name: str, codes: Iterator[str]) -> None:
    assert set(listed(name)) == set(codes)


def test_severities_are_called_as_in_the_alerts() -> None:
    assert listed("SEVERITIES") == {str(number): word for number, word in SEVERITIES.items()}


def luminance(colour: str) -> float:
    """Relative luminance of ``#rgb`` or ``#rrggbb`` (WCAG 2.2)."""
    digits = colour.strip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out(scheme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\}", TEXTS["base.css"], re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", blocks[scheme]))
    texts = ("ink", "muted", "accent", "bona-fide", "suspicious", "attack", "insufficient")
    weak = {
        (text, ground): round(contrast(colours[text], colours[ground]), 2)
        for text in texts
        for ground in ("ground", "surface", "sunk")
        if contrast(colours[text], colours[ground]) < 4.5
    }
    assert weak == {}
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert all(contrast(colours[line], colours["ground"]) >= 3 for line in ("liveness", "deepfake"))


def test_openapi_names_no_pages(app: FastAPI) -> None:
    assert json.dumps(app.openapi()["paths"]) == "{}"
