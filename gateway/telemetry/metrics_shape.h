/* The shape of the text format: heads of families, labels and what stands in them; and which service a route is of. */
#ifndef GATEWAY_TELEMETRY_METRICS_SHAPE_H
#define GATEWAY_TELEMETRY_METRICS_SHAPE_H

#include <stdbool.h>
#include <stdio.h>

#include "gateway/telemetry/metrics_input.h"

/* HELP and TYPE. */
void metrics_head(FILE *to, const char *name, const char *type, const char *help);
/* name="value", the value escaped. The name of all labels but the first begins with a comma. */
void metrics_label(FILE *to, const char *name, const char *value);
/* "OK", "SERVICE_UNAVAILABLE", as HttpStatus of Spring Framework 6. False: Spring has no name for it; the text is the number. */
bool metrics_status_name(char *text, size_t size, unsigned status);

/* NULL: the upstream is one of an earlier configuration. */
const struct metrics_service *metrics_find_service(const struct metrics_input *input, const char *upstream);

#endif
