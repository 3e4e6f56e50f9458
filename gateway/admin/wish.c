#include "gateway/admin/wish.h"

#include <string.h>

#include "gateway/admin/peer_answer.h"

static const uint64_t SPAN_DEFAULT_MS = UINT64_C(15) * 60 * 1000;

static bool has_unknown_member(json_t *body)
{
	json_t *value;
	const char *key;

	json_object_foreach(body, key, value)
		if (strcmp(key, "updateState") != 0 && strcmp(key, "for") != 0 && strcmp(key, "reason") != 0)
			return true;
	return false;
}

const char *wish_read(json_t *body, struct override_entry *entry, uint64_t *span_ms)
{
	const json_t *span = json_object_get(body, "for"), *reason = json_object_get(body, "reason");

	if (has_unknown_member(body))
		return "it takes updateState, for and reason";
	if (!override_parse_word(json_string_value(json_object_get(body, "updateState")), &entry->state))
		return "updateState must be CLOSE, FORCE_OPEN, DISABLE or METRICS_ONLY";
	if (span != NULL && entry->state == BREAKER_CLOSED)
		return "CLOSE has no end: leave `for` out";
	*span_ms = entry->state == BREAKER_CLOSED ? 0 : SPAN_DEFAULT_MS;
	if (span != NULL && (!json_is_string(span) || !override_parse_span(json_string_value(span), span_ms)))
		return "for is a time from 1s to 24h, as in 90s, 15m, 2h";
	if (reason != NULL && !peer_is_text(json_string_value(reason), sizeof entry->reason))
		return "reason is a text of at most 200 bytes in one line";
	if (reason != NULL)
		strcpy(entry->reason, json_string_value(reason));
	return NULL;
}
