# The stand-in for the patient and the reception service (tests/hospital/service.c), built in the gateway's build stage.
ARG BUILD
FROM ${BUILD} AS build
RUN make build/hospital/service && deploy/collect build/hospital/service /service-image

FROM scratch
COPY --from=build /service-image/ /
USER 65532:65532
ENTRYPOINT ["/service"]
