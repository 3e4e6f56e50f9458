/* Metrics of the process and its workers. */
#ifndef GATEWAY_TELEMETRY_METRICS_PROCESS_H
#define GATEWAY_TELEMETRY_METRICS_PROCESS_H

#include <stdio.h>

#include "gateway/telemetry/metrics_input.h"

void metrics_write_process(const struct metrics_input *input, FILE *to);

#endif
