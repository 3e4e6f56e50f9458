/*
 * The query of /requests in the first line of an input, and any bytes as requests that workers have kept: the answer is JSON
 * of printable ASCII, the newest first, with exactly those requests that are like what was asked for.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/page.h"
#include "gateway/admin/requests.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEPT_LISTS = 2, KEPT_MOST = 8, KEPT_ANSWER_MAX = 64 * 1024 };

struct kept_reader {
	const uint8_t *at;
	size_t left;
};

static uint8_t take_byte(struct kept_reader *from)
{
	return from->left == 0 ? 0 : (from->left--, *from->at++);
}

/* As many bytes as there are, up to a line's end; the rest stays zero. */
static void take_field(struct kept_reader *from, char *to, size_t room)
{
	memset(to, 0, room);
	for (size_t i = 0; i < room && from->left > 0 && *from->at != '\n'; i++)
		to[i] = (char)take_byte(from);
	if (from->left > 0 && *from->at == '\n')
		take_byte(from);
}

static uint64_t take_moment(struct kept_reader *from)
{
	uint8_t byte = take_byte(from);

	return byte == '-' ? UINT64_MAX : byte;
}

static void take_request(struct kept_reader *from, struct kept_request *kept)
{
	static const char *const reasons[] = { NULL, "the breaker is open" };

	*kept = (struct kept_request){ .wall_ms = take_byte(from) };
	kept->kind = take_byte(from) % KEPT_KIND_COUNT;
	kept->status = take_byte(from);
	kept->attempts = take_byte(from);
	kept->outcome = "breaker_open";
	kept->reason = reasons[take_byte(from) % 2];
	kept->breaker = kept->reason == NULL ? NULL : "open";
	kept->attempt_us = take_moment(from);
	kept->connected_us = take_moment(from);
	kept->sent_us = take_moment(from);
	kept->first_byte_us = take_moment(from);
	kept->whole_us = take_moment(from);
	take_field(from, kept->method, sizeof kept->method);
	take_field(from, kept->path, sizeof kept->path);
	take_field(from, kept->upstream, sizeof kept->upstream);
	take_field(from, kept->endpoint, sizeof kept->endpoint);
	take_field(from, kept->id, sizeof kept->id);
}

static size_t count_like(struct kept_list *const *lists, const char *id, const char *upstream, const char *kind)
{
	size_t count = 0;

	for (size_t i = 0; i < KEPT_LISTS; i++) {
		for (size_t j = 0; j < lists[i]->count; j++) {
			const struct kept_request *one = &lists[i]->requests[j];
			char text[KEPT_ID + 1] = "", name[KEPT_NAME + 1] = "";

			memcpy(text, one->id, sizeof one->id);
			memcpy(name, one->upstream, sizeof one->upstream);
			count += (id == NULL || strcmp(id, text) == 0) && (upstream == NULL || strcmp(upstream, name) == 0) &&
			         (kind == NULL || strcmp(kind, kept_kind_name(one->kind)) == 0);
		}
	}
	return count;
}

static void check_chosen(json_t *told, size_t wanted)
{
	char *text = json_dumps(told, JSON_COMPACT);
	json_t *read = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL), *one, *value;
	json_int_t newer = INT64_MAX;
	const char *key;
	size_t i;

	CHECK(json_is_array(read) && json_array_size(read) == wanted && strlen(text) <= KEPT_ANSWER_MAX);
	for (const char *at = text; *at != '\0'; at++)
		CHECK(*at >= ' ' && *at <= '~');
	json_array_foreach(read, i, one) {
		json_int_t wall_ms = json_integer_value(json_object_get(one, "wallMs"));

		CHECK(wall_ms <= newer && json_is_string(json_object_get(one, "kind")));
		newer = wall_ms;
		json_object_foreach(one, key, value)
			CHECK(json_is_string(value) || json_is_integer(value));
	}
	free(text);
	json_decref(read);
	json_decref(told);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = size == 0 ? NULL : memchr(data, '\n', size);
	size_t length = line == NULL ? size : (size_t)(line - data);
	struct kept_reader rest = { .at = data + length + (line != NULL), .left = size - length - (line != NULL) };
	static const char *const names[] = { "id", "upstream", "kind" };
	json_t *values[3];
	const char *wishes[3];
	struct kept_list *lists[KEPT_LISTS];
	char *query = malloc(length + 1);
	int status;

	CHECK(query != NULL);
	if (length > 0)
		memcpy(query, data, length);
	query[length] = '\0';
	for (size_t i = 0; i < 3; i++) {
		values[i] = page_read_query(query, names[i], &status);
		CHECK((values[i] == NULL) == (status != 200));
		wishes[i] = json_string_value(json_array_get(values[i], 0));
	}
	for (size_t i = 0; i < KEPT_LISTS; i++) {
		lists[i] = calloc(1, sizeof **lists + KEPT_MOST * sizeof(struct kept_request));
		CHECK(lists[i] != NULL);
		lists[i]->worker = (unsigned)i;
		while (rest.left > 0 && lists[i]->count < KEPT_MOST)
			take_request(&rest, &lists[i]->requests[lists[i]->count++]);
	}
	check_chosen(requests_choose(lists, KEPT_LISTS, wishes[0], wishes[1], wishes[2]),
	             count_like(lists, wishes[0], wishes[1], wishes[2]));
	for (size_t i = 0; i < KEPT_LISTS; i++)
		free(lists[i]);
	for (size_t i = 0; i < 3; i++)
		json_decref(values[i]);
	free(query);
	return 0;
}
