#include "gateway/admin/requests.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/later.h"
#include "gateway/base/clock.h"
#include "gateway/net/timer.h"

enum { ASKERS_MAX = 8, LISTS_MAX = 256, TEXT_MAX = 3 * KEPT_PATH + 1 };

/* A request that waits for the copies of all workers. */
struct asker {
	struct later later;
	uint64_t question, due_ms;
	unsigned awaited;
	struct kept_list *lists[LISTS_MAX]; /* that have come */
	size_t count;
};

struct requests {
	const struct admin_view *view;
	struct event timer;
	uint64_t questions;
	struct asker askers[ASKERS_MAX];
};

/* ---- one of them ---------------------------------------------------------------------------------------------------- */

/* Up to `room` bytes that need not end with a NUL, as printable ASCII. */
static void put_text(json_t *object, const char *key, const char *from, size_t room)
{
	char text[TEXT_MAX];
	size_t used = 0;

	for (size_t i = 0; i < room && from[i] != '\0' && used + 4 < sizeof text; i++) {
		unsigned char c = (unsigned char)from[i];

		if (c >= ' ' && c <= '~')
			text[used++] = (char)c;
		else
			used += (size_t)snprintf(text + used, 4, "%%%02X", c);
	}
	text[used] = '\0';
	if (used > 0)
		json_object_set_new(object, key, json_string(text));
}

static void put_number(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void put_moment(json_t *object, const char *key, uint64_t us)
{
	if (us != UINT64_MAX)
		put_number(object, key, us);
}

static json_t *describe(const struct kept_request *kept, unsigned worker)
{
	json_t *one = json_object();

	put_number(one, "wallMs", kept->wall_ms);
	put_text(one, "kind", kept_kind_name(kept->kind), KEPT_WORD);
	put_text(one, "requestId", kept->id, sizeof kept->id);
	put_text(one, "method", kept->method, sizeof kept->method);
	put_text(one, "path", kept->path, sizeof kept->path);
	put_text(one, "upstream", kept->upstream, sizeof kept->upstream);
	put_number(one, "status", kept->status);
	put_text(one, "outcome", kept->outcome, KEPT_REASON);
	if (kept->reason != NULL)
		put_text(one, "reason", kept->reason, KEPT_REASON);
	if (kept->breaker != NULL)
		put_text(one, "breaker", kept->breaker, KEPT_WORD);
	put_text(one, "endpoint", kept->endpoint, sizeof kept->endpoint);
	put_number(one, "attempts", kept->attempts);
	put_number(one, "worker", worker);
	put_number(one, "waitedUs", kept->waited_us);
	put_moment(one, "attemptUs", kept->attempt_us);
	put_moment(one, "connectedUs", kept->connected_us);
	put_moment(one, "sentUs", kept->sent_us);
	put_moment(one, "firstByteUs", kept->first_byte_us);
	put_moment(one, "wholeUs", kept->whole_us);
	return one;
}

/* ---- which of them -------------------------------------------------------------------------------------------------- */

struct chosen {
	const struct kept_request *request;
	unsigned worker;
};

static int newest_first(const void *a, const void *b)
{
	uint64_t first = ((const struct chosen *)a)->request->wall_ms, second = ((const struct chosen *)b)->request->wall_ms;

	return (first < second) - (first > second);
}

/* NULL stands for any. */
static bool is_like(const char *wish, const char *text, size_t room)
{
	return wish == NULL || (strlen(wish) == strnlen(text, room) && memcmp(wish, text, strlen(wish)) == 0);
}

json_t *requests_choose(struct kept_list *const *lists, size_t list_count, const char *id, const char *upstream, const char *kind)
{
	struct chosen *chosen = calloc(list_count * KEPT_EACH * KEPT_KIND_COUNT + 1, sizeof *chosen);
	json_t *all;
	size_t count = 0;

	if (chosen == NULL)
		return NULL;
	for (size_t i = 0; i < list_count; i++) {
		for (size_t j = 0; j < lists[i]->count; j++) {
			const struct kept_request *one = &lists[i]->requests[j];

			if (is_like(id, one->id, sizeof one->id) && is_like(upstream, one->upstream, sizeof one->upstream) &&
			    (kind == NULL || strcmp(kind, kept_kind_name(one->kind)) == 0))
				chosen[count++] = (struct chosen){ one, lists[i]->worker };
		}
	}
	qsort(chosen, count, sizeof *chosen, newest_first);
	all = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(all, describe(chosen[i].request, chosen[i].worker));
	free(chosen);
	return all;
}

/* ---- answers -------------------------------------------------------------------------------------------------------- */

static void answer(struct asker *asker)
{
	struct page_request request = later_take(&asker->later);
	json_t *id = page_parameters(&request, "id"), *upstream = id == NULL ? NULL : page_parameters(&request, "upstream");
	json_t *kind = upstream == NULL ? NULL : page_parameters(&request, "kind");

	if (kind != NULL) {
		json_t *all = json_pack("{s:i, s:o}", "slowMs", CONFIG_SLOW_MS, "requests",
		                        requests_choose(asker->lists, asker->count, json_string_value(json_array_get(id, 0)),
		                                        json_string_value(json_array_get(upstream, 0)),
		                                        json_string_value(json_array_get(kind, 0))));

		if (asker->awaited > 0)
			put_number(all, "workersMissing", asker->awaited);
		page_json(&request, 200, PAGE_JSON, all);
	}
	json_decref(id);
	json_decref(upstream);
	json_decref(kind);
}

static void forget(struct asker *asker)
{
	for (size_t i = 0; i < asker->count; i++)
		free(asker->lists[i]);
	asker->count = 0;
	asker->awaited = 0;
	asker->question = 0;
}

static void end(struct asker *asker)
{
	if (later_waits(&asker->later))
		answer(asker);
	forget(asker);
}

static void watch_time(struct requests *requests)
{
	uint64_t now_ms = clock_now_ms(), next_ms = UINT64_MAX, wait_ms;

	for (size_t i = 0; i < ASKERS_MAX; i++)
		if (requests->askers[i].question != 0 && requests->askers[i].due_ms < next_ms)
			next_ms = requests->askers[i].due_ms;
	if (next_ms == UINT64_MAX) {
		event_del(&requests->timer);
		return;
	}
	wait_ms = next_ms > now_ms ? next_ms - now_ms : 0;
	timer_set(&requests->timer, wait_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct requests *requests = context;
	uint64_t now_ms = clock_now_ms();

	(void)fd, (void)what;
	for (size_t i = 0; i < ASKERS_MAX; i++)
		if (requests->askers[i].question != 0 && requests->askers[i].due_ms <= now_ms)
			end(&requests->askers[i]);
	watch_time(requests);
}

void requests_take(struct requests *requests, struct kept_list *list)
{
	for (size_t i = 0; i < ASKERS_MAX; i++) {
		struct asker *asker = &requests->askers[i];

		if (asker->question != list->question || asker->count == LISTS_MAX)
			continue;
		asker->lists[asker->count++] = list;
		if (--asker->awaited == 0) {
			end(asker);
			watch_time(requests);
		}
		return;
	}
	free(list);
}

void requests_page(struct page_request *request)
{
	struct requests *requests = request->requests;
	struct asker *asker = requests->askers;

	while (asker < requests->askers + ASKERS_MAX && asker->question != 0)
		asker++;
	if (asker == requests->askers + ASKERS_MAX) {
		page_error(request, 503, "too many ask at the same time");
		return;
	}
	asker->question = ++requests->questions;
	asker->due_ms = clock_now_ms() + REQUESTS_WAIT_MS;
	asker->awaited = requests->view->ask_requests == NULL
	                         ? 0
	                         : requests->view->ask_requests(requests->view->context, asker->question);
	later_keep(&asker->later, request);
	if (asker->awaited == 0)
		end(asker);
	watch_time(requests);
}

/* ---- birth and death ------------------------------------------------------------------------------------------------ */

struct requests *requests_new(struct event_base *base, const struct admin_view *view)
{
	struct requests *requests = calloc(1, sizeof *requests);

	if (requests == NULL)
		return NULL;
	requests->view = view;
	evtimer_assign(&requests->timer, base, on_timer, requests);
	return requests;
}

void requests_end_waiting(struct requests *requests)
{
	for (size_t i = 0; requests != NULL && i < ASKERS_MAX; i++)
		later_end(&requests->askers[i].later);
}

void requests_free(struct requests *requests)
{
	if (requests == NULL)
		return;
	event_del(&requests->timer);
	for (size_t i = 0; i < ASKERS_MAX; i++)
		forget(&requests->askers[i]);
	free(requests);
}
