# The stand-in for the patient and the reception service (tests/hospital/service.c), built with the gateway's tools.
ARG TOOLS
FROM ${TOOLS} AS build
COPY . .
RUN make build/hospital/service && deploy/collect build/hospital/service /service-image

FROM scratch
COPY --from=build /service-image/ /
USER 65532:65532
ENTRYPOINT ["/service"]
