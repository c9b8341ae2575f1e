# syntax=docker/dockerfile:1
# The server in a container: built in one stage, run in another that has no compiler and no pip.
# docs/kiosk.md says how to run it; compose.yaml holds the options it wants.

FROM python:3.12-slim-bookworm AS build
# The versions are those of the Debian release; a pinned one is gone from its mirrors after the next update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential cmake git ninja-build \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/aura/.venv
ENV PATH=/opt/aura/.venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY pyproject.toml ./
COPY scripts/requirements.py scripts/
# llama.cpp by itself: it takes minutes, and is built anew only when pyproject.toml changes. For whichever
# processor of this kind, not for the one that builds: an image travels.
ENV CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF \
-DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF"
RUN python scripts/requirements.py --only llama-cpp-python > llama.txt \
    && pip install --requirement llama.txt
COPY . .
RUN python scripts/requirements.py starter > starter.txt \
    && python scripts/requirements.py --without-dependencies starter > alone.txt \
    && pip install . --requirement starter.txt \
    && pip install --no-deps --requirement alone.txt \
    && pip uninstall --yes pip

FROM python:3.12-slim-bookworm
# libgomp1: llama.cpp's threads. The base image's own pip has no work here.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && pip uninstall --yes --root-user-action ignore pip \
    && groupadd --system --gid 10001 aura \
    && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin aura \
    && install --directory --owner aura --group aura --mode 0700 /data /keys /backups
COPY --from=build /opt/aura/.venv /opt/aura/.venv
COPY scripts/kiosk/health scripts/kiosk/backup /opt/aura/
ENV PATH=/opt/aura/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AURA_HOME=/data \
    AURA_MASTER_KEY_FILE=/keys/master.key
USER 10001:10001
WORKDIR /data
VOLUME ["/data", "/keys", "/backups"]
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=20s --start-period=5m --retries=3 \
    CMD ["python", "/opt/aura/health", "http://127.0.0.1:8765"]
ENTRYPOINT ["aura"]
CMD ["serve", "--host", "0.0.0.0", "--json-logs"]
