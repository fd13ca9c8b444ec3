# Two stages: the wheel is built in one, the other holds Python, the pinned libraries and that wheel, and runs as nobody
# in particular. The root file system may be read-only: what changes is in /var/lib/idp, or in PostgreSQL.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim-bookworm AS build
WORKDIR /src
COPY requirements/server.txt requirements/image.txt requirements/
RUN python -m venv /opt/idp \
 && /opt/idp/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements/image.txt \
 && pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements/server.txt
COPY pyproject.toml README.md LICENSE ./
COPY idp idp
COPY templates templates
COPY examples/sso examples/sso
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/idp/bin/pip install --no-cache-dir --no-deps /dist/idp-*.whl \
 && /opt/idp/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim-bookworm
RUN groupadd --system --gid 10001 idp \
 && useradd --system --uid 10001 --gid idp --home-dir /var/lib/idp --no-create-home --shell /usr/sbin/nologin idp \
 && install -d -m 0700 -o idp -g idp /var/lib/idp /etc/idp
COPY --from=build /opt/idp /opt/idp
ENV PATH=/opt/idp/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    IDP_DATA_DIR=/var/lib/idp IDP_LISTEN_HOST=0.0.0.0 IDP_LISTEN_PORT=8000
USER 10001:10001
WORKDIR /var/lib/idp
VOLUME /var/lib/idp
EXPOSE 8000
# The server drains on SIGTERM: give it at least drain_seconds and ten more before it is killed.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["idp"]
CMD ["serve"]
