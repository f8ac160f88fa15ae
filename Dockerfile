# call-guard in a container.
#
#   docker build -t call-guard .                       engines on the CPU
#   docker build --target gpu -t call-guard:gpu .      with TensorRT's libraries; read the note there first
#   docker run --rm call-guard demo                    try it
#   docker run --rm --network host --read-only --tmpfs /tmp -v guard-data:/var/lib/guard \
#       -e GUARD__WEB__TOKEN_KEY_FILE=/run/token_key -v "$PWD/token_key:/run/token_key:ro" call-guard
#
# configs/deploy/compose.yaml runs it with a broker. It writes to /var/lib/guard (alerts that wait) and /tmp only.
# No engine for containers was at hand when this was written: the steps of the CPU target were run in a Debian 12
# root made by debootstrap, as they stand here; the GPU target was never run.

# ---- the package and all that it needs, in an environment of its own
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY guard guard
COPY engines engines
RUN python3 -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python3 -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir "$(ls /wheels/call_guard-*.whl)[demo,models]" \
    && /venv/bin/python -m pip uninstall --yes pip

# ---- the same with TensorRT and pycuda, for Ubuntu's Python
#
# Never built and never run, for want of a GPU and of NVIDIA's index where this was written. This release has no
# TensorRT backend yet: in this image, too, engines run on the CPU, and `guard doctor` says whether TensorRT, pycuda
# and the GPU are there. tensorrt-cu13 is a stub on PyPI that fetches its libraries from pypi.nvidia.com;
# pycuda is built here, for which it needs the headers and nvcc of the devel image.
FROM nvidia/cuda:13.0.3-devel-ubuntu24.04 AS gpu-build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        g++ python3-dev python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /wheels
RUN python3 -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir "$(ls /wheels/call_guard-*.whl)[demo,models]" \
        "tensorrt-cu13>=11.4,<12" "pycuda>=2025.1.2" \
    && /venv/bin/python -m pip uninstall --yes pip

FROM nvidia/cuda:13.0.3-runtime-ubuntu24.04 AS gpu
LABEL org.opencontainers.image.title="call-guard (GPU)" \
    org.opencontainers.image.description="A real-time guard for video calls, with TensorRT's libraries" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="0.1.0"
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        libegl1 libgl1 libgles2 libglib2.0-0t64 python3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 guard \
    && useradd --uid 10001 --gid guard --no-create-home --home-dir /tmp --shell /usr/sbin/nologin guard \
    && install --directory --owner=guard --group=guard --mode=0700 /var/lib/guard
COPY --from=gpu-build /venv /venv
COPY configs/deploy/guard.toml /etc/guard/guard.toml
COPY configs/deploy/livez.py /usr/local/share/guard/livez.py
ENV GUARD_BOOTSTRAPPED=1 HOME=/tmp PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
WORKDIR /var/lib/guard
VOLUME ["/var/lib/guard"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/usr/local/share/guard/livez.py"]
ENTRYPOINT ["guard"]
CMD ["serve", "--config", "/etc/guard/guard.toml"]

# ---- the default: engines on the CPU
FROM python:3.11-slim-bookworm AS cpu
LABEL org.opencontainers.image.title="call-guard" \
    org.opencontainers.image.description="A real-time guard for video calls: relays WebRTC, judges every face" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="0.1.0"
# MediaPipe and OpenCV load these libraries from the system; a slim image has none of them.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        libegl1 libgl1 libgles2 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 guard \
    && useradd --uid 10001 --gid guard --no-create-home --home-dir /tmp --shell /usr/sbin/nologin guard \
    && install --directory --owner=guard --group=guard --mode=0700 /var/lib/guard
COPY --from=build /venv /venv
COPY configs/deploy/guard.toml /etc/guard/guard.toml
COPY configs/deploy/livez.py /usr/local/share/guard/livez.py
ENV GUARD_BOOTSTRAPPED=1 HOME=/tmp PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/guard
VOLUME ["/var/lib/guard"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/usr/local/share/guard/livez.py"]
ENTRYPOINT ["guard"]
CMD ["serve", "--config", "/etc/guard/guard.toml"]
