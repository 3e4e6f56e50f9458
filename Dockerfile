# The gateway's image: the program, the shared libraries it uses, a user, a configuration and nothing else: no shell,
# no package manager.
#
#   docker build -t hospital/gateway .
#   docker build -t hospital/gateway --build-arg BASE=registry.example/debian:trixie-slim .
#   docker build -t hospital/autoscaler --target autoscaler .
#   docker build -t hospital/service --target service .      the lab's patient, reception, ward and finance
#
# /usr/share/sbom/ in an image lists the Debian packages that its libraries are from (SPDX).
#
# It runs as an unprivileged user and still takes port 80: Docker 20.10 and later start containers with
# net.ipv4.ip_unprivileged_port_start=0. It needs no writable file system and no capability.

ARG BASE=debian:trixie-slim

FROM ${BASE} AS tools
WORKDIR /source
# Only the Makefile decides about packages, so a change of the sources does not install them again.
COPY Makefile VERSION ./
RUN apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends make ca-certificates \
	&& make deps-build \
	&& rm -rf /var/lib/apt/lists/*

FROM tools AS build
COPY . .
# The repository is not sent along: --build-arg COMMIT=$(git rev-parse --short=12 HEAD) puts the commit into --version.
ARG COMMIT=
RUN make build/gateway && deploy/collect build/gateway /image libcurl.so.4 libjose.so.0 libpcre2-8.so.0 'libhiredis.so.*' \
	&& install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

FROM scratch AS gateway
ARG COMMIT=
LABEL org.opencontainers.image.title="gateway" \
	org.opencontainers.image.description="An API gateway with circuit breakers" \
	org.opencontainers.image.version="0.1.0" \
	org.opencontainers.image.revision="${COMMIT}" \
	org.opencontainers.image.licenses="MIT"
COPY --from=build /image/ /
COPY deploy/gateway.yml /etc/gateway/gateway.yml
USER 65532:65532
EXPOSE 80
STOPSIGNAL SIGTERM
# Asks the admin listener's /livez, which never depends on an upstream: swarm must not replace a gateway that is well.
HEALTHCHECK --interval=5s --timeout=2s --start-period=5s --retries=3 CMD ["/gateway", "--healthcheck"]
ENTRYPOINT ["/gateway"]
CMD ["--config", "/etc/gateway/gateway.yml"]

# The autoscaler: only this one is given the engine's socket, which is root's, so it runs as root, without a capability
# (deploy/monitoring-stack.yml).
FROM build AS build-autoscaler
ARG COMMIT=
RUN make autoscaler && deploy/collect build/autoscaler /autoscaler-image libcurl.so.4

FROM scratch AS autoscaler
ARG COMMIT=
LABEL org.opencontainers.image.title="autoscaler" \
	org.opencontainers.image.description="Scales swarm services when alerts of Prometheus ask for it" \
	org.opencontainers.image.version="0.1.0" \
	org.opencontainers.image.revision="${COMMIT}" \
	org.opencontainers.image.licenses="MIT"
COPY --from=build-autoscaler /autoscaler-image/ /
EXPOSE 9093
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=2s --start-period=5s --retries=3 CMD ["/autoscaler", "--healthcheck"]
ENTRYPOINT ["/autoscaler"]

# The hospital's services, which are one program: patient unless told otherwise. VERSION is what an answer shows of an update;
# BROKEN=yes makes a release that never becomes healthy.
FROM tools AS build-service
RUN apt-get update && make deps-run && rm -rf /var/lib/apt/lists/*
COPY . .
RUN make build/hospital/service && deploy/collect build/hospital/service /service-image

FROM scratch AS service
ARG VERSION=v1
ARG BROKEN=
ENV HOSPITAL_VERSION=${VERSION} HOSPITAL_BROKEN=${BROKEN}
COPY --from=build-service /service-image/ /
USER 65532:65532
EXPOSE 2222
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=2s --start-period=60s --retries=3 CMD ["/service", "--check", "http://127.0.0.1:2222/actuator/health"]
ENTRYPOINT ["/service"]
CMD ["--name", "patient", "--listen", "0.0.0.0:2222"]

# What is built unless a target is named. (An engine without BuildKit builds all that stands before: name the target there.)
FROM gateway
