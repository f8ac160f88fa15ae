"""A network camera on loopback: RTSP over TCP (RFC 2326), H.264 as interleaved RTP."""

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Self

from aiortc.codecs.h264 import H264Encoder

from guard.media.assembler import Codec
from tests.support.media import encoded_units

SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
)
TICKS = 90_000


class Camera:
    """Sends drawn pictures at 30 a second to one client at a time, and hangs up after each of ``showings``.

    When no showing is left it refuses. ``asked`` holds the requests of all clients.
    """

    def __init__(self, *showings: int, size: tuple[int, int] = (160, 120)) -> None:
        self.asked: list[str] = []
        self._showings = list(showings)
        self._units = encoded_units(Codec.H264, max(1, *showings), width=size[0], height=size[1])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    @property
    def url(self) -> str:
        """Where it is, with its password as such addresses have it."""
        return f"rtsp://admin:hunter2@127.0.0.1:{self._listener.getsockname()[1]}/stream"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with suppress(OSError):  # closed already: it had nothing left to show
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while self._showings and not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                try:
                    self._serve(client)
                except OSError:
                    continue
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        while request := self._request(client):
            method, number = request
            self.asked.append(method)
            if method == "TEARDOWN":
                return
            client.sendall(self._answer(method, number))
            if method == "PLAY":
                self._play(client, self._showings.pop(0))
                return

    def _request(self, client: socket.socket) -> tuple[str, str] | None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = client.recv(4096)
            if not part:
                return None
            head += part
        lines = head.decode().split("\r\n")
        number = next(line.partition(":")[2].strip() for line in lines if line.lower().startswith("cseq"))
        return lines[0].split(" ")[0], number

    def _answer(self, method: str, number: str) -> bytes:
        fields = {
            "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
            "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
            "PLAY": "Session: 1\r\n",
        }
        body = SDP if method == "DESCRIBE" else ""
        return f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{fields[method]}\r\n{body}".encode()

    def _play(self, client: socket.socket, count: int) -> None:
        sequence, began = 0, time.monotonic()
        for number, unit in enumerate(self._units[:count]):
            if self._stopping.wait(max(0.0, began + number / 30 - time.monotonic())):
                return
            payloads = H264Encoder._packetize(H264Encoder._split_bitstream(unit.payload))
            for place, payload in enumerate(payloads):
                marker = 0x80 if place == len(payloads) - 1 else 0
                head = struct.pack("!BBHII", 0x80, 96 | marker, sequence & 0xFFFF, number * TICKS // 30, 1)
                sequence += 1
                packet = head + payload
                client.sendall(struct.pack("!cBH", b"$", 0, len(packet)) + packet)
