# The gateway's image: the program, the shared libraries it uses, a user, a configuration and nothing else: no shell,
# no package manager.
#
#   docker build -t hospital/gateway .
#   docker build -t hospital/gateway --build-arg BASE=registry.example/debian:bookworm-slim .
#
# It runs as an unprivileged user and still takes port 80: Docker 20.10 and later start containers with
# net.ipv4.ip_unprivileged_port_start=0. It needs no writable file system and no capability.

ARG BASE=debian:bookworm-slim

FROM ${BASE} AS tools
WORKDIR /source
# Only the Makefile decides about packages, so a change of the sources does not install them again.
COPY Makefile VERSION ./
RUN apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends make \
	&& make deps-build \
	&& rm -rf /var/lib/apt/lists/*

FROM tools AS build
COPY . .
RUN make && deploy/collect build/gateway /image libcurl.so.4

FROM scratch
COPY --from=build /image/ /
COPY deploy/gateway.yml /etc/gateway/gateway.yml
USER 65532:65532
EXPOSE 80
STOPSIGNAL SIGTERM
# Asks the admin listener's /livez, which never depends on an upstream: swarm must not replace a gateway that is well.
HEALTHCHECK --interval=5s --timeout=2s --start-period=5s --retries=3 CMD ["/gateway", "--healthcheck"]
ENTRYPOINT ["/gateway"]
CMD ["--config", "/etc/gateway/gateway.yml"]
