"""Whether the node in this container lives: exit status 0 where /livez answers 200. Standard library only."""

import http.client
import os
import ssl
import sys
from urllib.parse import urlsplit

TIMEOUT_S = 4


def main() -> int:
    """Ask GUARD_LIVEZ (http://127.0.0.1:8080/livez); give an https:// address where the node has a certificate."""
    url = urlsplit(os.environ.get("GUARD_LIVEZ", "http://127.0.0.1:8080/livez"))
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is made out to another name
        connection = http.client.HTTPSConnection(url.netloc, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(url.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("GET", url.path or "/livez")
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except OSError as error:
        print(f"{url.geturl()}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
