/*
 * Any bytes as the body of an operator's POST: never a crash, what is refused has words, and what is taken holds for no longer
 * than a day, can be told to the other gateways, which read the same, and stays text in the timeline, wherever that is cut.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/peer_answer.h"
#include "gateway/admin/self.h"
#include "gateway/admin/timeline.h"
#include "gateway/admin/wish.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOLD_AT_MS = 1000 };

/* As self.c tells it. */
static void check_told(const struct override_entry *entry, uint64_t span_ms)
{
	json_t *self = json_pack("{s:i, s:s, s:[{s:s, s:s, s:s, s:s, s:I}]}", "format", SELF_FORMAT, "instance", "a",
	                         "overrides", "breaker", entry->breaker, "state", override_word(entry->state), "stamp",
	                         "018bcfe568000000", "reason", entry->reason, "leftMs", (json_int_t)span_ms);
	char *text = json_dumps(self, JSON_COMPACT);
	struct peer_answer answer;
	const char *error;

	CHECK(text != NULL && peer_answer_read(text, strlen(text), TOLD_AT_MS, &answer, NULL, &error));
	CHECK(answer.override_count == 1 && answer.overrides[0].entry.state == entry->state);
	CHECK(strcmp(answer.overrides[0].entry.reason, entry->reason) == 0);
	CHECK(answer.overrides[0].entry.until_ms == (span_ms == 0 ? 0 : TOLD_AT_MS + span_ms));
	peer_answer_free(&answer);
	free(text);
	json_decref(self);
}

static void check_timeline(const struct override_entry *entry, size_t size)
{
	static struct timeline timeline;
	json_t *text;

	timeline_add(&timeline, TIMELINE_OVERRIDE, entry->breaker, "%*s%s", (int)(size % TIMELINE_TEXT), "", entry->reason);
	text = json_string(timeline_at(&timeline, timeline_count(&timeline) - 1)->text);
	CHECK(text != NULL);
	json_decref(text);
}

static void check_wish(json_t *body, size_t size)
{
	struct override_entry entry = { .breaker = "patient" };
	uint64_t span_ms;
	const char *error = wish_read(body, &entry, &span_ms);

	if (error != NULL) {
		CHECK(error[0] != '\0');
		return;
	}
	CHECK(override_word(entry.state) != NULL && peer_is_text(entry.reason, sizeof entry.reason));
	CHECK((entry.state == BREAKER_CLOSED) == (span_ms == 0) && span_ms <= OVERRIDE_MS_MAX);
	check_told(&entry, span_ms);
	check_timeline(&entry, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_error_t ignored;
	json_t *body = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &ignored);

	if (json_is_object(body))
		check_wish(body, size);
	json_decref(body);
	return 0;
}
