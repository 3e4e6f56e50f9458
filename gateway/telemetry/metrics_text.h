/* All counters as Prometheus text (exposition format 0.0.4): summed over workers at the moment somebody asks. */
#ifndef GATEWAY_TELEMETRY_METRICS_TEXT_H
#define GATEWAY_TELEMETRY_METRICS_TEXT_H

#include <stdio.h>

#include "gateway/telemetry/metrics_input.h"

void metrics_write(const struct metrics_input *input, FILE *to);

#endif
