# syntax=docker/dockerfile:1
# The service, its pages and the command line, with PyTorch for processors. deploy/README.md
# says how to use it with Compose and Kubernetes.
ARG PYTHON=3.11-slim-trixie

FROM python:${PYTHON} AS build
# Without a version: Debian's own updates of its compiler are wanted.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/tastemaker
ENV PATH=/opt/tastemaker/bin:$PATH
WORKDIR /source
COPY constraints.txt ./
# First, and from an index of its own, since the default build for Linux has several gigabytes of
# code for GPUs. Without dependencies: they come from the same place as all others, in the next step
# but one. The version is that of constraints.txt.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" --constraint constraints.txt torch
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY src src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .
RUN set -- /wheels/tastemaker-*.whl \
    && pip install --no-cache-dir --constraint constraints.txt "$1[serve,postgres]"

FROM python:${PYTHON}
# A number, so that Kubernetes can check that it is not root. /runs belongs to it, and so does a
# new volume that is mounted there.
RUN groupadd --gid 10001 tastemaker \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp tastemaker \
    && install --directory --owner 10001 --group 10001 /runs
COPY --from=build /opt/tastemaker /opt/tastemaker
# Everything is written to /runs and /tmp; the rest of the file system may be read-only. Only keys
# protect the service on 0.0.0.0, and it refuses to start before there are any.
ENV PATH=/opt/tastemaker/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TASTEMAKER_HOST=0.0.0.0
USER 10001:10001
WORKDIR /runs
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('TASTEMAKER_PORT', 8000)), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
# A list and not a line for a shell, so that signals reach the service itself.
ENTRYPOINT ["tastemaker"]
CMD ["serve", "/runs/model"]
