/* Metrics of upstreams and endpoints. */
#ifndef GATEWAY_TELEMETRY_METRICS_SERVICES_H
#define GATEWAY_TELEMETRY_METRICS_SERVICES_H

#include <stdio.h>

#include "gateway/telemetry/metrics_input.h"

void metrics_write_services(const struct metrics_input *input, FILE *to);

#endif
