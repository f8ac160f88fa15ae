"""All that is fuzzed, by name; the shares make a thousand."""

from tests.fuzz.assembly import ASSEMBLER, TRACK
from tests.fuzz.link import LINK
from tests.fuzz.mdns import MDNS
from tests.fuzz.packets import H264, KEYFRAMES, RTCP, RTP, VP8
from tests.fuzz.relay import RELAY
from tests.fuzz.sdp import ANSWER, FRAGMENT, OFFER
from tests.fuzz.stun import STUN

TARGETS = {
    target.name: target
    for target in (
        *(RTP, RTCP, STUN, VP8, H264, KEYFRAMES, ASSEMBLER, TRACK, RELAY),
        *(OFFER, ANSWER, FRAGMENT, LINK, MDNS),
    )
}
