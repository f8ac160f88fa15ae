"""call-guard: relay a video call, judge every face in it, raise alerts over MQTT.

How a frame flows through the package, top floor last:

    media      packets in, packets out; a tap turns access units into VideoFrames
    faces      VideoFrame -> FaceView (landmarks, identity, quality, crops)
    detectors  FaceView -> Score, one cue each; learned cues ask inference
    decision   Scores -> Assessment, raise and clear
    alerts     raise/clear -> outbox -> MQTT
    session    the only place that knows this order
    web, cli   how people and programs reach it
"""

__version__ = "0.1.0"
