/* Spring's values (durations, sizes, numbers, switches), and how gateway.yml writes them. */
#ifndef GATEWAY_IMPORT_VALUE_H
#define GATEWAY_IMPORT_VALUE_H

#include <stdint.h>

#include "gateway/import/property.h"

/* False: it is none. `unit_ms`: what a number without a unit counts. Also ISO 8601 (PT1.5S). A negative one is *ms
 * -1. */
bool value_duration(const char *text, int64_t unit_ms, int64_t *ms);
bool value_size(const char *text, uint64_t *bytes); /* 5MB, 512KB, 100 */
bool value_count(const char *text, uint64_t *count);
bool value_share(const char *text, uint32_t *bp); /* 50 or 12.5, in percent */
/* As Spring reads them. Both are false for NULL, and for a text that is neither. */
bool value_is_true(const char *text);
bool value_is_false(const char *text);

/* Without blanks at the end. */
const char *value_trimmed(struct arena *arena, const char *text);
/* For comments and messages: what is not text is "?", what would break the line a blank. */
const char *value_safe(struct arena *arena, const char *text);
/* In double quotes, escaped for YAML. `text` is live already. */
const char *value_quoted(struct arena *arena, const char *text);
/* Without quotes where it can do without. */
const char *value_plain(struct arena *arena, const char *text);
const char *value_ms(struct arena *arena, uint64_t ms);
const char *value_bytes(struct arena *arena, uint64_t bytes);

#endif
