# call-guard on the CPU. Build: docker build -t call-guard .   Try: docker run --rm call-guard demo
FROM python:3.11-slim

# MediaPipe and its OpenCV load these from the system; a slim image has none of them.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libegl1 libgles2 libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY guard guard
COPY engines engines
RUN pip install --no-cache-dir ".[demo]" && rm -rf guard engines

# Nothing is written but what a command is asked for; mount a volume here to keep it.
RUN useradd --uid 10001 --create-home guard && mkdir /calls && chown guard /calls
USER guard
WORKDIR /calls

ENV GUARD_BOOTSTRAPPED=1 PYTHONUNBUFFERED=1
ENTRYPOINT ["guard"]
CMD ["demo"]
