"""Whether the node in this container lives: exit status 0 where /livez answers 200. Standard library only."""
# ruff: noqa: INP001 -- a script that the image carries, no part of a package

import http.client
import os
import ssl
import sys
from urllib.parse import urlsplit

TIMEOUT_S = 4


def main() -> int:
    """Ask the node on this machine; GUARD_LIVEZ is another address, https:// where it has a certificate."""
    port = os.environ.get("GUARD__WEB__PORT", "8080")
    url = urlsplit(os.environ.get("GUARD_LIVEZ", f"http://127.0.0.1:{port}/livez"))
    connection = _connection(url.scheme, url.netloc)
    try:
        connection.request("GET", url.path)
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"{url.geturl()}: {error}\n")
        return 1
    finally:
        connection.close()


def _connection(scheme: str, place: str) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(place, timeout=TIMEOUT_S)
    context = ssl.create_default_context()
    context.check_hostname = False  # the certificate is made out to the name that callers use
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(place, timeout=TIMEOUT_S, context=context)


if __name__ == "__main__":
    sys.exit(main())
