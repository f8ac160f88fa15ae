"""WHIP and WHEP over HTTP: offer out, answer in, DELETE at the end (RFC 9725, draft-ietf-wish-whep)."""

import asyncio
import json
import ssl
from typing import Final

import httpx

from guard.core.addresses import without_secrets
from guard.core.errors import CapacityError, GuardError, NotFoundError, SignallingError, UnsupportedCodec
from guard.core.units import Seconds
from guard.core.words import printable
from guard.media.signalling import MAX_SDP_BYTES
from guard.media.turn import IceServer, links_in, servers_in

HTTP_TIMEOUT: Seconds = 15.0
DELETE_TIMEOUT: Seconds = 2.0
"""Whoever leaves does not wait longer to say so."""

MAX_PROBLEM_TEXT = 500
SDP = "application/sdp"
DEFAULT_PORTS = {"http": 80, "https": 443}

REDIRECTS = {httpx.codes.TEMPORARY_REDIRECT, httpx.codes.PERMANENT_REDIRECT}
"""Those that keep the method (RFC 9725 section 4.5)."""

ERRORS: Final[dict[int, type[GuardError]]] = {
    404: NotFoundError,
    406: UnsupportedCodec,
    415: UnsupportedCodec,
    429: CapacityError,
    503: CapacityError,
}


class Resource:
    """One session at a WHIP or WHEP endpoint; an empty ``token`` is not sent.

    ``http`` replaces the network in tests. Proxies of the environment stay unused: media cannot take them.
    """

    def __init__(self, url: str, token: str, http: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = http
        self._client: httpx.AsyncClient | None = None
        self._location: httpx.URL | None = None
        self.related: str | None = None
        """Address that the endpoint named with ``rel="related"``: where to watch a publisher by WHEP."""

    async def servers(self) -> tuple[IceServer, ...]:
        """The STUN and TURN servers that the endpoint names ahead of an offer (RFC 9725 section 4.6).

        None where it has none or does not tell; raise SignallingError where there is no endpoint.
        """
        response, _ = await self._exchange("OPTIONS")
        links = response.headers.get_list("Link") if response.is_success else []
        return servers_in(links_in(links))

    async def post(self, offer_sdp: str) -> str:
        """Send the offer, return the answer; raise a GuardError that carries the endpoint's words."""
        response, body = await self._exchange("POST", offer_sdp)
        if response.status_code != httpx.codes.CREATED:
            raise _refusal(self._url, response, body)
        self._location = _joined(response.url, response.headers.get("Location"))
        told = "Authorization" in response.request.headers  # else it was sent on to somebody else
        if not (told and self._location and _same_place(response.url, self._location)):
            self._authorization = {}
        related = (link for link in links_in(response.headers.get_list("Link")) if link.means("related"))
        addresses = (_joined(response.url, link.target) for link in related)
        self.related = next((str(address) for address in addresses if address), None)
        return body

    async def delete(self) -> None:
        """End the session, if it has an address; an endpoint that is gone has ended it already."""
        if self._client is None or self._client.is_closed:
            return
        try:
            if self._location is not None:
                async with asyncio.timeout(DELETE_TIMEOUT):
                    await self._client.delete(self._location, headers=self._authorization)
        except (httpx.HTTPError, TimeoutError):
            pass
        finally:
            await self._client.aclose()

    async def _exchange(self, method: str, sdp: str | None = None) -> tuple[httpx.Response, str]:
        """Send a request, to where it is redirected too, but once; return the response and its text."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers={"Accept-Encoding": "identity"},
                timeout=HTTP_TIMEOUT,
                trust_env=False,
                # Certificates are read from disk, which must not hold up the event loop.
                verify=await asyncio.to_thread(ssl.create_default_context),
                transport=self._http,
            )
        try:
            async with asyncio.timeout(HTTP_TIMEOUT):
                return await self._send(self._client, method, sdp)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            msg = f"{without_secrets(self._url)}: expected an answer, {_why(error)}"
            raise SignallingError(msg) from error

    async def _send(
        self, client: httpx.AsyncClient, method: str, sdp: str | None
    ) -> tuple[httpx.Response, str]:
        headers = self._authorization | ({"Content-Type": SDP} if sdp else {})
        request = client.build_request(method, self._url, content=sdp, headers=headers)
        response = await client.send(request, stream=True)
        if response.status_code in REDIRECTS and response.next_request is not None:
            # httpx has taken the token out of it, unless it goes to the same place.
            await response.aclose()
            response = await client.send(response.next_request, stream=True)
        try:
            return response, await _text(response)
        finally:
            await response.aclose()


def _joined(base: httpx.URL, target: str | None) -> httpx.URL | None:
    """The whole address of one given relative to another; None where there is none."""
    try:
        return None if target is None else base.join(target)
    except (httpx.InvalidURL, ValueError):
        return None


def _same_place(one: httpx.URL, other: httpx.URL) -> bool:
    """Whether what was told one address may be told the other: it is of its origin, or the same by TLS."""
    if one.host != other.host:
        return False
    ports = [url.port or DEFAULT_PORTS.get(url.scheme) for url in (one, other)]
    same = one.scheme == other.scheme and ports[0] == ports[1]
    return same or ((one.scheme, other.scheme) == ("http", "https") and ports == [80, 443])


def _why(error: Exception) -> str:
    """What came instead of an answer, and what to look at."""
    words = printable(str(error), MAX_PROBLEM_TEXT) or type(error).__name__
    match error:
        case TimeoutError() | httpx.TimeoutException():
            return f"got none within {HTTP_TIMEOUT:g} s; is the server running there?"
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return "got no address of a server; give one that begins with http:// or https://"
        case httpx.ConnectError() if "SSL" not in words:
            return f"got no connection ({words}); is the server running there?"
    return f"got something else ({words}); is this an address of WHIP or WHEP?"


async def _text(response: httpx.Response) -> str:
    """The beginning of the body, a little more than the longest SDP; nothing of one that is packed."""
    received = bytearray()
    if response.headers.get("Content-Encoding", "identity") == "identity":
        async for part in response.aiter_bytes():
            received += part
            if len(received) > MAX_SDP_BYTES:
                break
    return received[: MAX_SDP_BYTES + 1].decode(errors="replace")


def _refusal(url: str, response: httpx.Response, body: str) -> GuardError:
    url = without_secrets(url)
    status, media_type = response.status_code, response.headers.get("Content-Type", "")
    if status == httpx.codes.NOT_ACCEPTABLE and media_type.startswith(SDP):
        # an early draft of WHEP let the server make an offer of its own
        msg = f"{url}: expected 201 Created with an answer, got 406 with another offer; use one that answers"
        return SignallingError(msg)
    kind = ERRORS.get(status, SignallingError)
    return kind(f"{url}: expected 201 Created, got {status}: {_problem_text(media_type, body)}")


def _problem_text(media_type: str, body: str) -> str:
    """The detail of a problem document (RFC 9457), else the beginning of the body; harmless on a terminal."""
    if "json" in media_type:
        try:
            problem = json.loads(body)
        except (ValueError, RecursionError):
            problem = None
        if isinstance(problem, dict):
            body = str(problem.get("detail") or problem.get("title") or problem)
    return printable(body, MAX_PROBLEM_TEXT)
