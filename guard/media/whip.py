"""WHIP and WHEP over HTTP: offer out, answer in, DELETE at the end (RFC 9725, draft-ietf-wish-whep)."""

import asyncio
import ssl
from typing import Final
from urllib.parse import urljoin

import httpx

from guard.core.errors import CapacityError, GuardError, NotFoundError, SignallingError, UnsupportedCodec
from guard.core.units import Seconds

HTTP_TIMEOUT: Seconds = 15.0
MAX_PROBLEM_TEXT = 500

ERRORS: Final[dict[int, type[GuardError]]] = {
    404: NotFoundError,
    406: UnsupportedCodec,
    415: UnsupportedCodec,
    429: CapacityError,
    503: CapacityError,
}


class Resource:
    """One session at a WHIP or WHEP endpoint.

    ``http`` replaces the network in tests. Proxies of the environment stay unused: media cannot take them.
    """

    def __init__(self, url: str, token: str, http: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = http
        self._client: httpx.AsyncClient | None = None
        self._location: str | None = None
        self.related: str | None = None
        """Address that the endpoint named with ``rel="related"``: where to watch a publisher by WHEP."""

    async def post(self, offer_sdp: str) -> str:
        """Send the offer, return the answer; raise a GuardError that carries the endpoint's words."""
        self._client = httpx.AsyncClient(
            headers=self._headers,
            timeout=HTTP_TIMEOUT,
            trust_env=False,
            verify=await _trust(self._url),
            transport=self._http,
        )
        try:
            response = await self._client.post(
                self._url, content=offer_sdp, headers={"Content-Type": "application/sdp"}
            )
        except httpx.HTTPError as error:
            await self._client.aclose()
            msg = f"{self._url}: expected an answer to the offer, got {error!r}; is the guard running there?"
            raise SignallingError(msg) from error
        if response.status_code != httpx.codes.CREATED:
            await self._client.aclose()
            raise _refusal(self._url, response)
        self._location = urljoin(self._url, response.headers.get("Location", ""))
        related = response.links.get("related")
        self.related = urljoin(self._url, related["url"]) if related else None
        return response.text

    async def delete(self) -> None:
        """End the session; an endpoint that is gone has ended it already."""
        if self._client is None or self._client.is_closed:
            return
        try:
            if self._location is not None:
                await self._client.delete(self._location)
        except httpx.HTTPError:
            pass
        finally:
            await self._client.aclose()


async def _trust(url: str) -> ssl.SSLContext:
    # Certificates are read from disk, which must not hold up the event loop; plain HTTP needs none.
    if url.startswith("https:"):
        return await asyncio.to_thread(ssl.create_default_context)
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _refusal(url: str, response: httpx.Response) -> GuardError:
    kind = ERRORS.get(response.status_code, SignallingError)
    return kind(f"{url}: expected 201 Created, got {response.status_code}: {_problem_text(response)}")


def _problem_text(response: httpx.Response) -> str:
    """The detail of a problem document (RFC 9457), else the beginning of the body."""
    if "json" in response.headers.get("Content-Type", ""):
        try:
            problem = response.json()
        except ValueError:
            problem = None
        if isinstance(problem, dict):
            return str(problem.get("detail") or problem.get("title") or problem)[:MAX_PROBLEM_TEXT]
    return response.text[:MAX_PROBLEM_TEXT]
