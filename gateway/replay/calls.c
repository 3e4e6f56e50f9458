/*
 * From lines to calls. Workers write their lines in batches, and rotated files may come in any order. So the order of the
 * lines has no meaning: all calls are sorted, by their end and by their beginning.
 */
#include "gateway/replay/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/exchange/outcome.h"
#include "gateway/replay/log_line.h"
#include "routes/path.h"
#include "routes/route.h"

enum { CHUNK_BYTES = 1 << 20, PATH_BYTES = 16384 };

static int by_name(const void *left, const void *right)
{
	return strcmp((*(const struct upstream_settings *const *)left)->name,
	              (*(const struct upstream_settings *const *)right)->name);
}

enum { REPLACES_FAILURES = 1, REPLACES_OTHERS = 2 };

static void note_replaced(struct calls *calls, const struct route *route)
{
	uint8_t *replaced = &calls->replaced[route->upstream - calls->config->upstreams];

	for (unsigned status = 300; status < 600 && route->has_fallback_on_statuses; status++)
		if (route->fallback_on_statuses[status / 64] >> (status % 64) & 1)
			*replaced |= upstream_settings_is_failure_status(route->upstream, status) ? REPLACES_FAILURES : REPLACES_OTHERS;
}

bool calls_begin(struct calls *calls, const struct config *config)
{
	*calls = (struct calls){ .config = config };
	calls->by_name = malloc((config->upstream_count + 1) * sizeof(*calls->by_name));
	calls->replaced = calloc(config->upstream_count + 1, sizeof(*calls->replaced));
	if (calls->by_name == NULL || calls->replaced == NULL) {
		calls_free(calls);
		return false;
	}
	for (size_t i = 0; i < config->upstream_count; i++)
		calls->by_name[i] = &config->upstreams[i];
	qsort(calls->by_name, config->upstream_count, sizeof(*calls->by_name), by_name);
	for (size_t i = 0; i < config->route_count; i++)
		for (const struct route *route = &config->routes[i]; route != NULL; route = route->detour)
			note_replaced(calls, route);
	return true;
}

void calls_free(struct calls *calls)
{
	free(calls->by_name);
	free(calls->replaced);
	free(calls->list);
	free(calls->by_begin);
	*calls = (struct calls){ 0 };
}

/* ---- which upstream ----------------------------------------------------------------------------------------- */

/* As strcmp() orders. A name in a log may have any bytes, NUL among them. */
static int compare_name(struct log_text name, const char *other)
{
	size_t length = strlen(other);
	int order = memcmp(name.data, other, name.length < length ? name.length : length);

	return order != 0 ? order : (name.length > length) - (name.length < length);
}

static const struct upstream_settings *find_by_name(const struct calls *calls, struct log_text name)
{
	size_t low = 0, high = calls->config->upstream_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_name(name, calls->by_name[middle]->name);

		if (order == 0)
			return calls->by_name[middle];
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* As a request of that path would be routed. */
static const struct upstream_settings *find_by_path(const struct calls *calls, const struct log_line *line)
{
	const char *query = line->path.data != NULL ? memchr(line->path.data, '?', line->path.length) : NULL;
	size_t length = query != NULL ? (size_t)(query - line->path.data) : line->path.length;
	char room[PATH_BYTES], stripped[PATH_BYTES];
	struct path_result path;
	struct route_match match;

	if (line->path.data == NULL || length == 0 || length > PATH_BYTES || line->path.data[0] != '/')
		return NULL;
	path = path_normalise(line->path.data, length, room);
	if (path.verdict == PATH_REFUSED)
		return NULL;
	length = path_strip_parameters(path.path, path.length, false, stripped);
	match = route_find(calls->config, line->host.data != NULL ? line->host.data : "", line->host.length, stripped,
	                   length, line->method.data, line->method.length);
	return match.verdict == ROUTE_FOUND ? match.route->upstream : NULL;
}

/* ---- how it ended ------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t length;
	enum breaker_verdict verdict;
} OUTCOME_NAMES[OUTCOME_COUNT] = {
#define OUTCOME_NAME(name, label, status, fault, verdict, ...) [OUTCOME_##name] = { label, sizeof(label) - 1, verdict },
	OUTCOMES(OUTCOME_NAME)
#undef OUTCOME_NAME
};

static enum outcome outcome_of(struct log_text text)
{
	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		if (OUTCOME_NAMES[i].length == text.length && memcmp(OUTCOME_NAMES[i].name, text.data, text.length) == 0)
			return (enum outcome)i;
	return OUTCOME_COUNT;
}

static enum call_end by_status(const struct upstream_settings *upstream, unsigned status)
{
	if (status == 499)
		return CALL_NEITHER;
	return upstream_settings_is_failure_status(upstream, status) ? CALL_FAILED : CALL_FINE;
}

static uint8_t replaced_of(const struct calls *calls, const struct upstream_settings *upstream)
{
	return calls->replaced[upstream - calls->config->upstreams];
}

/* The breaker judged the status that the upstream sent; the line has the fallback's. */
static enum call_end by_replaced(uint8_t replaced)
{
	if (replaced == REPLACES_FAILURES)
		return CALL_FAILED;
	return replaced == REPLACES_OTHERS ? CALL_FINE : CALL_UNKNOWN;
}

/* False: it was never a call. */
static bool end_of(const struct calls *calls, const struct upstream_settings *upstream, const struct log_line *line,
                   enum call_end *end)
{
	enum outcome outcome = line->outcome.data != NULL ? outcome_of(line->outcome) : OUTCOME_COUNT;

	switch (outcome) {
	case OUTCOME_COUNT:
	case OUTCOME_ANSWERED:
	case OUTCOME_ANSWERED_FAILURE:
	case OUTCOME_ANSWERED_UNAVAILABLE:
		*end = by_status(upstream, line->status);
		return true;
	case OUTCOME_BREAKER_OPEN:
		*end = CALL_UNKNOWN;
		return true;
	case OUTCOME_REPLACED:
		*end = by_replaced(replaced_of(calls, upstream));
		return true;
	case OUTCOME_CLIENT_ABORTED:
	case OUTCOME_CLIENT_STALLED:
	case OUTCOME_DRAINED:
	case OUTCOME_SHED:
		*end = CALL_NEITHER;
		return true;
	default:
		*end = OUTCOME_NAMES[outcome].verdict == BREAKER_FAILURE ? CALL_FAILED : CALL_FINE;
		return OUTCOME_NAMES[outcome].verdict != BREAKER_NEITHER;
	}
}

/* ---- lines -------------------------------------------------------------------------------------------------- */

static struct call *new_call(struct calls *calls, FILE *errors)
{
	if (calls->count == calls->room) {
		size_t room = calls->room == 0 ? 1 << 16 : 2 * calls->room;
		struct call *larger = room <= 2 * (size_t)CALLS_MOST ? realloc(calls->list, room * sizeof(*larger)) : NULL;

		if (larger == NULL) {
			fprintf(errors, "gateway: %s\n",
			        room <= 2 * (size_t)CALLS_MOST ? "out of memory" : "more calls than it takes");
			return NULL;
		}
		calls->list = larger;
		calls->room = room;
	}
	return &calls->list[calls->count++];
}

/* A stream is settled when it has streamed for longer than a response may take, a tunnel when it begins. */
static void add_times(struct call *call, const struct log_line *line, const struct upstream_settings *upstream)
{
	uint64_t duration_ms = line->duration_us / 1000,
			 response_ms = line->has_response ? line->response_us / 1000 : duration_ms;
	uint64_t heard_ms = duration_ms;

	if (call->end == CALL_FINE && heard_ms > upstream->response_timeout_ms)
		heard_ms = response_ms > upstream->response_timeout_ms ? response_ms : upstream->response_timeout_ms;
	if (call->end == CALL_FINE && line->status == 101)
		heard_ms = response_ms;
	call->begin_ms = line->end_ms - (int64_t)(duration_ms > INT32_MAX ? INT32_MAX : duration_ms);
	call->end_ms = call->begin_ms + (int64_t)(heard_ms > INT32_MAX ? INT32_MAX : heard_ms);
	call->duration_ms = (uint32_t)(duration_ms > INT32_MAX ? INT32_MAX : duration_ms);
	call->response_ms = (uint32_t)(response_ms > INT32_MAX ? INT32_MAX : response_ms);
}

/*
 * The call whose failure made the gateway ask fallback.upstream. The line tells of that one's call, and only names the first
 * upstream. `attempts` counts those of both, so it tells whether the first upstream was asked at all. How long it took is what
 * the other call leaves, but no longer than it may take: the other's body may have streamed for hours. That time is taken
 * from the line.
 */
static bool add_failed_call(struct calls *calls, struct log_line *line, FILE *errors)
{
	const struct upstream_settings *upstream = find_by_name(calls, line->failed_upstream);
	bool was_asked = line->attempts > (line->endpoint.data != NULL);
	uint64_t response_us = line->has_response ? line->response_us : 0, took_us = 0;
	struct log_line first = { .end_ms = line->end_ms };
	struct call *call;

	if (upstream == NULL)
		return true;
	if (was_asked && line->duration_us > response_us)
		took_us = line->duration_us - response_us;
	if (took_us > upstream->response_timeout_ms * UINT64_C(1000))
		took_us = upstream->response_timeout_ms * UINT64_C(1000);
	call = new_call(calls, errors);
	if (call == NULL)
		return false;
	line->duration_us -= took_us;
	first.end_ms -= (int64_t)(line->duration_us / 1000 > INT32_MAX ? INT32_MAX : line->duration_us / 1000);
	first.duration_us = took_us;
	call->upstream = (uint16_t)(upstream - calls->config->upstreams);
	/* An answer that is no failure may also have been replaced by the other upstream's. */
	call->end = was_asked && !(replaced_of(calls, upstream) & REPLACES_OTHERS) ? CALL_FAILED : CALL_UNKNOWN;
	add_times(call, &first, upstream);
	calls->detoured++;
	return true;
}

static bool add_line(struct calls *calls, const char *text, size_t length, FILE *errors)
{
	const struct upstream_settings *upstream;
	struct log_line line;
	enum call_end end;
	struct call *call;

	if (length == 0)
		return true;
	calls->lines++;
	if (!log_line_read(text, length, &line)) {
		calls->unread++;
		return true;
	}
	if (line.failed_upstream.data != NULL && !add_failed_call(calls, &line, errors))
		return false;
	upstream = line.upstream.data != NULL ? find_by_name(calls, line.upstream) : find_by_path(calls, &line);
	if (upstream == NULL) {
		calls->unrouted++;
		return true;
	}
	if (!end_of(calls, upstream, &line, &end)) {
		calls->no_call++;
		return true;
	}
	call = new_call(calls, errors);
	if (call == NULL)
		return false;
	calls->untimed += !line.has_duration;
	call->upstream = (uint16_t)(upstream - calls->config->upstreams);
	call->end = (uint8_t)end;
	add_times(call, &line, upstream);
	return true;
}

bool calls_read(struct calls *calls, FILE *from, const char *name, FILE *errors)
{
	char *chunk = malloc(CHUNK_BYTES);
	size_t kept = 0, got;
	bool goes_on = chunk != NULL, is_skipping = false;

	while (goes_on && (got = fread(chunk + kept, 1, CHUNK_BYTES - kept, from)) > 0) {
		char *at = chunk, *end = chunk + kept + got, *feed;

		if (calls->lines == 0 && kept == 0 && got > 2 && memcmp(chunk, "\x1f\x8b", 2) == 0) {
			fprintf(errors, "gateway: %s is compressed: zcat %s | gateway --replay -\n", name, name);
			goes_on = false;
			break;
		}
		while (goes_on && (feed = memchr(at, '\n', (size_t)(end - at))) != NULL) {
			goes_on = is_skipping || add_line(calls, at, (size_t)(feed - at), errors);
			is_skipping = false;
			at = feed + 1;
		}
		kept = (size_t)(end - at);
		if (kept == CHUNK_BYTES) { /* no log has such lines */
			calls->lines += !is_skipping;
			calls->unread += !is_skipping;
			is_skipping = true;
			kept = 0;
		}
		memmove(chunk, at, kept);
	}
	if (goes_on && kept > 0 && !is_skipping)
		goes_on = add_line(calls, chunk, kept, errors);
	if (chunk == NULL || ferror(from)) {
		fprintf(errors, "gateway: %s: %s\n", name, chunk == NULL ? "out of memory" : strerror(errno));
		goes_on = false;
	}
	free(chunk);
	return goes_on;
}

/* ---- sorting ------------------------------------------------------------------------------------------------ */

static int by_end(const void *left, const void *right)
{
	const struct call *a = left, *b = right;

	if (a->upstream != b->upstream)
		return a->upstream < b->upstream ? -1 : 1;
	return (a->end_ms > b->end_ms) - (a->end_ms < b->end_ms);
}

static int by_begin(const void *left, const void *right, void *list)
{
	const struct call *a = (struct call *)list + *(const uint32_t *)left,
					  *b = (struct call *)list + *(const uint32_t *)right;

	if (a->upstream != b->upstream)
		return a->upstream < b->upstream ? -1 : 1;
	if (a->begin_ms != b->begin_ms)
		return a->begin_ms < b->begin_ms ? -1 : 1;
	return (a > b) - (a < b); /* not every C library leaves equal ones as they were */
}

bool calls_sort(struct calls *calls)
{
	calls->by_begin = malloc((calls->count + 1) * sizeof(*calls->by_begin));
	if (calls->by_begin == NULL)
		return false;
	if (calls->count > 0)
		qsort(calls->list, calls->count, sizeof(*calls->list), by_end);
	for (size_t i = 0; i < calls->count; i++)
		calls->by_begin[i] = (uint32_t)i;
	qsort_r(calls->by_begin, calls->count, sizeof(*calls->by_begin), by_begin, calls->list);
	return true;
}
