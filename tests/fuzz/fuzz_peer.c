/*
 * Any bytes as what another gateway says: never a crash, what is refused has words, no override holds for longer than a
 * day or has a
 * stamp that wraps around, and everything that is passed on can be written as JSON, is bounded, and has no control
 * characters.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/peer_answer.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_MS = 1000, PASSED_MOST = 8192 };

static void check_passed(json_t *passed)
{
	char *text = json_dumps(passed, JSON_COMPACT);
	json_t *value;
	const char *key;

	CHECK(text != NULL && strlen(text) <= PASSED_MOST);
	json_object_foreach(passed, key, value) {
		CHECK(!json_is_object(value) && !json_is_array(value));
		CHECK(!json_is_string(value) || peer_is_text(json_string_value(value), PASSED_MOST));
		CHECK(!json_is_number(value) || json_number_value(value) >= 0);
	}
	free(text);
	json_decref(passed);
}

static void take_upstream(void *to, const char *name, json_t *cell)
{
	(void)to;
	CHECK(peer_is_text(name, PEER_NAME));
	check_passed(cell);
}

static void take_endpoint(void *to, const char *name, const char *address, json_t *cell)
{
	(void)to;
	CHECK(peer_is_text(name, PEER_NAME) && peer_is_text(address, PEER_NAME));
	check_passed(cell);
}

static void take_event(void *to, json_t *event)
{
	(void)to;
	check_passed(event);
}

static void take_overrides(const struct peer_answer *answer)
{
	struct overrides all = { 0 };

	CHECK(answer->override_count <= OVERRIDES_MAX);
	for (size_t i = 0; i < answer->override_count; i++) {
		const struct override_entry *entry = &answer->overrides[i].entry;
		struct override_entry before;

		CHECK(entry->breaker[0] != '\0' && entry->stamp > 0 && entry->stamp <= OVERRIDE_STAMP_MAX);
		CHECK(entry->until_ms <= NOW_MS + OVERRIDE_MS_MAX && override_word(entry->state) != NULL);
		CHECK(entry->state != BREAKER_CLOSED || entry->until_ms == 0);
		overrides_take(&all, entry, &before);
		CHECK(overrides_find(&all, entry->breaker)->stamp >= entry->stamp);
		CHECK(overrides_next_stamp(&all, 5) > entry->stamp);
	}
	overrides_destroy(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer_answer answer;
	json_t *root = NULL;
	const char *error;

	if (!peer_answer_read((const char *)data, size, NOW_MS, &answer, &root, &error)) {
		CHECK(error != NULL && error[0] != '\0' && root == NULL && answer.overrides == NULL);
		return 0;
	}
	CHECK(peer_is_text(answer.name, sizeof answer.name) && answer.instance[0] != '\0');
	take_overrides(&answer);
	peer_answer_each(root, size % 130, take_upstream, take_endpoint, NULL);
	peer_answer_events(root, take_event, NULL);
	peer_answer_free(&answer);
	json_decref(root);
	return 0;
}
