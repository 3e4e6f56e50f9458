#include "gateway/admin/peer_answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/self.h"
#include "gateway/admin/trend.h"
#include "gateway/base/json_bound.h"

enum { TEXT_ROOM = 256, TREND_TEXT_MAX = TREND_SECONDS * 11 };

/* ---- values ------------------------------------------------------------------------------------------------------ */

bool peer_is_text(const char *text, size_t room)
{
	size_t length = text == NULL ? room : strlen(text);

	for (size_t i = 0; i < length && length < room; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return length < room;
}

/* Copies the text of that key; "" where there is none. False: it is no text, or not a fit one. */
static bool read_text(const json_t *object, const char *key, char *to, size_t room)
{
	const json_t *value = json_object_get(object, key);

	to[0] = '\0';
	if (value == NULL)
		return true;
	if (!json_is_string(value) || !peer_is_text(json_string_value(value), room))
		return false;
	memcpy(to, json_string_value(value), strlen(json_string_value(value)) + 1);
	return true;
}

/* 0 where there is none. False: it is no whole number from 0 on. */
static bool read_number(const json_t *object, const char *key, uint64_t *to)
{
	const json_t *value = json_object_get(object, key);

	*to = value == NULL ? 0 : (uint64_t)json_integer_value(value);
	return value == NULL || (json_is_integer(value) && json_integer_value(value) >= 0);
}

/* ---- overrides --------------------------------------------------------------------------------------------------- */

static bool read_override(const json_t *from, uint64_t now_ms, struct peer_override *to)
{
	struct override_entry *entry = &to->entry;
	char stamp[OVERRIDE_STAMP_TEXT], word[PEER_WORD];
	uint64_t left_ms;

	if (!read_text(from, "breaker", entry->breaker, sizeof entry->breaker) || entry->breaker[0] == '\0' ||
	    !read_text(from, "state", word, sizeof word) || !override_parse_word(word, &entry->state) ||
	    !read_text(from, "stamp", stamp, sizeof stamp) || !override_parse_stamp(stamp, &entry->stamp) ||
	    !read_text(from, "origin", entry->origin, sizeof entry->origin) || !read_text(from, "by", entry->by, sizeof entry->by) ||
	    !read_text(from, "at", entry->at, sizeof entry->at) || !read_text(from, "reason", entry->reason, sizeof entry->reason) ||
	    !read_text(from, "result", to->result, sizeof to->result) || !read_number(from, "leftMs", &left_ms) ||
	    !read_number(from, "untilWallMs", &entry->until_wall_ms) || left_ms > OVERRIDE_MS_MAX)
		return false;
	entry->until_ms = left_ms == 0 || entry->state == BREAKER_CLOSED ? 0 : now_ms + left_ms;
	return true;
}

/* One that can't be read may be of a newer version: it is left out, the others count. False: out of memory. */
static bool read_overrides(const json_t *list, uint64_t now_ms, struct peer_answer *answer)
{
	size_t count = json_array_size(list);

	if (count > OVERRIDES_MAX)
		count = OVERRIDES_MAX;
	answer->overrides = count == 0 ? NULL : calloc(count, sizeof *answer->overrides);
	if (count > 0 && answer->overrides == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		answer->override_count +=
			read_override(json_array_get(list, i), now_ms, &answer->overrides[answer->override_count]);
	return true;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static const char *read_root(const json_t *root, struct peer_answer *answer)
{
	const json_t *format = json_object_get(root, "format");

	if (!json_is_integer(format))
		return "it is no gateway: the answer has no format";
	if (json_integer_value(format) != SELF_FORMAT)
		return "it is of another version, whose answers are not understood";
	if (!read_text(root, "instance", answer->instance, sizeof answer->instance) || answer->instance[0] == '\0' ||
	    !read_text(root, "name", answer->name, sizeof answer->name) ||
	    !read_text(root, "version", answer->version, sizeof answer->version) ||
	    !read_text(root, "config", answer->config, sizeof answer->config) ||
	    !read_text(root, "state", answer->state, sizeof answer->state) || !read_number(root, "uptimeMs", &answer->uptime_ms) ||
	    !read_number(root, "wallMs", &answer->wall_ms) || !read_number(root, "second", &answer->second))
		return "the answer is not as a gateway's has to be";
	return NULL;
}

bool peer_answer_take(const json_t *root, uint64_t now_ms, struct peer_answer *answer, const char **error)
{
	*answer = (struct peer_answer){ .is_whole = json_is_array(json_object_get(root, "upstreams")) };
	*error = read_root(root, answer);
	if (*error == NULL && !read_overrides(json_object_get(root, "overrides"), now_ms, answer))
		*error = "out of memory";
	return *error == NULL;
}

bool peer_answer_read(const char *bytes, size_t length, uint64_t now_ms, struct peer_answer *answer, json_t **root,
                      const char **error)
{
	bool is_bounded = length <= PEER_ANSWER_MAX && json_is_bounded(bytes, length, PEER_OPENINGS_MAX);
	json_error_t ignored;
	json_t *tree = is_bounded ? json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &ignored) : NULL;

	*answer = (struct peer_answer){ .is_whole = false };
	if (length > PEER_ANSWER_MAX)
		*error = "the answer is larger than 1 MiB";
	else if (!is_bounded)
		*error = "the answer has more objects and lists than a gateway's";
	else if (!json_is_object(tree))
		*error = "the answer is no JSON object";
	else if (peer_answer_take(tree, now_ms, answer, error) && root != NULL)
		*root = json_incref(tree);
	json_decref(tree);
	return *error == NULL;
}

void peer_answer_free(struct peer_answer *answer)
{
	free(answer->overrides);
	*answer = (struct peer_answer){ .override_count = 0 };
}

/* ---- what is passed on ------------------------------------------------------------------------------------------- */

enum kind { NUMBER, TRUTH, TEXT, TREND };

struct member {
	const char *key;
	enum kind kind;
};

static const struct member upstream_members[] = {
	{ "state", TEXT }, { "sinceMs", NUMBER }, { "refusesMs", NUMBER }, { "nextProbeMs", NUMBER }, { "observe", TRUTH },
	{ "calls", NUMBER },
	{ "failures", NUMBER }, { "slowCalls", NUMBER }, { "minimumCalls", NUMBER }, { "failureRate", NUMBER },
	{ "slowRate", NUMBER }, { "failureThreshold", NUMBER }, { "slowThreshold", NUMBER }, { "slowCallMs", NUMBER },
	{ "windowMs", NUMBER }, { "windowCalls", NUMBER }, { "notPermitted", NUMBER }, { "inFlight", NUMBER },
	{ "maxInFlight", NUMBER }, { "waiting", NUMBER }, { "maxWaiting", NUMBER }, { "streams", NUMBER },
	{ "retriesLeft", NUMBER }, { "requests", TREND }, { "failed", TREND }, { "refused", TREND }, { "recentMs", NUMBER },
	{ "clientRequests", NUMBER }, { "clientFallbacks", NUMBER }, { "clientErrors", NUMBER }, { "upstreamTries", NUMBER },
	{ "upstreamFailures", NUMBER }, { "discoveryError", TEXT }, { "emptyMs", NUMBER },
};

static const struct member endpoint_members[] = {
	{ "state", TEXT }, { "inFlight", NUMBER }, { "ejections", NUMBER }, { "ejectedForMs", NUMBER }, { "sinceMs", NUMBER },
	{ "lastError", TEXT },
};

static const struct member event_members[] = {
	{ "number", NUMBER }, { "wallMs", NUMBER }, { "kind", TEXT }, { "upstream", TEXT }, { "text", TEXT },
};

/* The last `most` numbers of a text of numbers; NULL: it is none. */
static json_t *copy_trend(const json_t *value, size_t most)
{
	const char *text = json_string_value(value), *at;

	if (text == NULL || json_string_length(value) > TREND_TEXT_MAX || text[strspn(text, "0123456789 ")] != '\0' || most == 0)
		return NULL;
	for (at = text + strlen(text); at > text; at--)
		if (at[-1] == ' ' && --most == 0)
			break;
	return json_string(at);
}

static json_t *copy_value(const json_t *value, enum kind kind, size_t seconds)
{
	switch (kind) {
	case NUMBER:
		if (json_is_integer(value) && json_integer_value(value) >= 0)
			return json_integer(json_integer_value(value));
		return json_is_real(value) && isfinite(json_real_value(value)) && json_real_value(value) >= 0
		               ? json_real(json_real_value(value))
		               : NULL;
	case TRUTH:
		return json_is_true(value) ? json_true() : NULL;
	case TEXT:
		return json_is_string(value) && peer_is_text(json_string_value(value), TEXT_ROOM) ? json_string(json_string_value(value))
		                                                                                  : NULL;
	case TREND:
		break;
	}
	return copy_trend(value, seconds);
}

static json_t *copy(const json_t *from, const struct member *members, size_t count, size_t seconds)
{
	json_t *to = json_object();

	for (size_t i = 0; i < count; i++) {
		const json_t *value = json_object_get(from, members[i].key);
		json_t *copied = value == NULL ? NULL : copy_value(value, members[i].kind, seconds);

		if (copied != NULL)
			json_object_set_new_nocheck(to, members[i].key, copied);
	}
	return to;
}

#define COPY(from, members, seconds) copy((from), (members), sizeof(members) / sizeof(members)[0], (seconds))

void peer_answer_each(const json_t *root, size_t seconds, peer_take_upstream *take_upstream, peer_take_endpoint *take_endpoint,
                      void *to)
{
	const json_t *upstreams = json_object_get(root, "upstreams");
	size_t endpoints_left = PEER_ENDPOINTS_MAX;

	for (size_t i = 0; i < json_array_size(upstreams) && i < PEER_UPSTREAMS_MAX; i++) {
		const json_t *upstream = json_array_get(upstreams, i), *endpoints = json_object_get(upstream, "endpoints");
		const char *name = json_string_value(json_object_get(upstream, "name"));

		if (!peer_is_text(name, PEER_NAME))
			continue;
		take_upstream(to, name, COPY(upstream, upstream_members, seconds));
		for (size_t j = 0; j < json_array_size(endpoints) && endpoints_left > 0; j++) {
			const json_t *endpoint = json_array_get(endpoints, j);
			const char *address = json_string_value(json_object_get(endpoint, "address"));

			endpoints_left--;
			if (peer_is_text(address, PEER_NAME))
				take_endpoint(to, name, address, COPY(endpoint, endpoint_members, seconds));
		}
	}
}

void peer_answer_events(const json_t *root, peer_take_event *take, void *to)
{
	const json_t *events = json_object_get(root, "events");

	for (size_t i = 0; i < json_array_size(events) && i < PEER_EVENTS_MAX; i++)
		if (json_is_object(json_array_get(events, i)))
			take(to, COPY(json_array_get(events, i), event_members, 0));
}
