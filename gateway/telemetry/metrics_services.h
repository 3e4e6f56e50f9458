/* The parts of the metrics text that are no timers: calls, breakers, bulkheads, endpoints, the process. Used by metrics_text.c. */
#ifndef GATEWAY_TELEMETRY_METRICS_SERVICES_H
#define GATEWAY_TELEMETRY_METRICS_SERVICES_H

#include "gateway/telemetry/metrics_text.h"

/* HELP and TYPE. */
void metrics_head(FILE *to, const char *name, const char *type, const char *help);
/* name="value", the value escaped. The name of all labels but the first begins with a comma. */
void metrics_label(FILE *to, const char *name, const char *value);
/* "OK", "SERVICE_UNAVAILABLE", as Spring's HttpStatus; the number where Spring has no name for it. */
void metrics_status_name(char *text, size_t size, unsigned status);

/* NULL: the upstream is one of an earlier configuration. */
const struct metrics_service *metrics_find_service(const struct metrics_input *input, const char *upstream);

void metrics_write_calls(const struct metrics_input *input, FILE *to); /* metrics_calls.c */
void metrics_write_services(const struct metrics_input *input, FILE *to);
void metrics_write_process(const struct metrics_input *input, FILE *to);

#endif
