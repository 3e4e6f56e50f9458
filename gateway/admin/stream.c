/*
 * The Hystrix dashboard's stream: an endless response, every half second one line for each upstream.
 *
 * The dashboard wants figures of the last ten seconds; the breaker has totals since its birth. While anybody watches, totals
 * are kept for ten seconds back in a ring, and what is shown is the difference; nobody watching costs nothing.
 *
 *   now_at                    oldest
 *   [t-0.0] [t-0.5] [t-1.0] ... [t-10]        one snapshot a turn, RING of them for each watched upstream
 *
 * A watcher that takes nothing is cut as soon as more than BACKLOG_MAX_BYTES wait for it: what waits is stale anyway.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/page.h"
#include "gateway/base/clock.h"

enum { STREAMS_MAX = 5, TURN_MS = 500, WINDOW_MS = 10000, RING = WINDOW_MS / TURN_MS + 1 };
enum { BACKLOG_MAX_BYTES = 256 * 1024, INPUT_MAX_BYTES = 4096, WRITE_TIMEOUT_S = 10 };

#define GROUP "HystrixGatewayFilterFactory"

struct totals {
	uint64_t successes, failures, neither, not_permitted, rejected;
};

struct watched {
	char *name;
	struct totals ring[RING];
	size_t taken, current; /* snapshots in the ring; the newest */
	uint32_t most_in_flight;
	bool was_seen; /* in this turn's configuration */
};

struct streams {
	struct event_base *base;
	struct event *timer;
	const struct admin_view *view;
	struct watcher {
		struct evhttp_request *request; /* NULL: the place is free */
		struct evhttp_connection *connection;
	} watchers[STREAMS_MAX];
	struct watched *watched;
	size_t watched_count;
};

/* ---- figures --------------------------------------------------------------------------------------------------- */

static struct watched *find_watched(struct streams *streams, const char *name)
{
	struct watched *larger;
	char *copy;

	for (size_t i = 0; i < streams->watched_count; i++)
		if (strcmp(streams->watched[i].name, name) == 0)
			return &streams->watched[i];
	larger = realloc(streams->watched, (streams->watched_count + 1) * sizeof *larger);
	if (larger == NULL)
		return NULL;
	streams->watched = larger;
	copy = strdup(name);
	if (copy == NULL)
		return NULL;
	streams->watched[streams->watched_count] = (struct watched){ .name = copy };
	return &streams->watched[streams->watched_count++];
}

static void forget_watched(struct streams *streams)
{
	for (size_t i = 0; i < streams->watched_count; i++)
		free(streams->watched[i].name);
	free(streams->watched);
	streams->watched = NULL;
	streams->watched_count = 0;
}

static uint64_t risen(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0; /* a reload may have begun a new breaker */
}

/* Takes the totals of now; gives what came in the last ten seconds. */
static struct totals turn_ring(struct watched *watched, const struct totals *now)
{
	const struct totals *oldest;

	watched->current = (watched->current + 1) % RING;
	watched->ring[watched->current] = *now;
	if (watched->taken < RING)
		watched->taken++;
	oldest = &watched->ring[(watched->current + RING - (watched->taken - 1)) % RING];
	return (struct totals){
		.successes = risen(oldest->successes, now->successes),
		.failures = risen(oldest->failures, now->failures),
		.neither = risen(oldest->neither, now->neither),
		.not_permitted = risen(oldest->not_permitted, now->not_permitted),
		.rejected = risen(oldest->rejected, now->rejected),
	};
}

/* ---- one message ----------------------------------------------------------------------------------------------- */

static void set_number(json_t *message, const char *key, uint64_t value)
{
	json_object_set_new(message, key, json_integer((json_int_t)value));
}

static void set_truth(json_t *message, const char *key, bool value)
{
	json_object_set_new(message, key, json_boolean(value));
}

/* Nothing here measures latencies by upstream; the dashboard insists on the keys. The metrics have them. */
static void set_latencies(json_t *message)
{
	static const char *const shares[] = { "0", "25", "50", "75", "90", "95", "99", "99.5", "100" };
	static const char *const keys[] = { "latencyExecute", "latencyTotal" };
	char mean[32];

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		json_t *latencies = json_object();

		for (size_t j = 0; j < sizeof shares / sizeof shares[0]; j++)
			set_number(latencies, shares[j], 0);
		snprintf(mean, sizeof mean, "%s_mean", keys[i]);
		set_number(message, mean, 0);
		json_object_set_new(message, keys[i], latencies);
	}
}

static void set_rolling(json_t *message, const struct totals *rolling)
{
	static const char *const nothing[] = {
		"rollingCountBadRequests", "rollingCountCollapsedRequests", "rollingCountEmit", "rollingCountExceptionsThrown",
		"rollingCountFallbackEmit", "rollingCountFallbackFailure", "rollingCountFallbackMissing",
		"rollingCountFallbackRejection", "rollingCountResponsesFromCache", "rollingCountThreadPoolRejected",
		"rollingCountTimeout",
	};
	uint64_t calls = rolling->successes + rolling->failures + rolling->rejected;
	uint64_t errors = rolling->failures + rolling->rejected;

	for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
		set_number(message, nothing[i], 0);
	set_number(message, "requestCount", calls);
	set_number(message, "errorCount", errors);
	set_number(message, "errorPercentage", calls == 0 ? 0 : errors * 100 / calls);
	set_number(message, "rollingCountSuccess", rolling->successes);
	set_number(message, "rollingCountFailure", rolling->failures); /* timeouts, too */
	set_number(message, "rollingCountShortCircuited", rolling->not_permitted);
	set_number(message, "rollingCountSemaphoreRejected", rolling->rejected);
	set_number(message, "rollingCountFallbackSuccess", rolling->not_permitted + rolling->rejected);
}

static void set_properties(json_t *message, const struct upstream_settings *settings, enum breaker_state state)
{
	set_number(message, "propertyValue_circuitBreakerRequestVolumeThreshold", settings->breaker.minimum_calls);
	set_number(message, "propertyValue_circuitBreakerSleepWindowInMilliseconds", settings->breaker.open_for_ms);
	set_number(message, "propertyValue_circuitBreakerErrorThresholdPercentage", settings->breaker.failure_rate_percent);
	set_truth(message, "propertyValue_circuitBreakerEnabled", settings->breaker.enabled);
	set_truth(message, "propertyValue_circuitBreakerForceOpen", state == BREAKER_FORCED_OPEN);
	set_truth(message, "propertyValue_circuitBreakerForceClosed",
	          state == BREAKER_DISABLED || state == BREAKER_METRICS_ONLY || settings->breaker.observe);
	json_object_set_new(message, "propertyValue_executionIsolationStrategy", json_string("SEMAPHORE"));
	set_number(message, "propertyValue_executionIsolationThreadTimeoutInMilliseconds", settings->response_timeout_ms);
	set_number(message, "propertyValue_executionTimeoutInMilliseconds", settings->response_timeout_ms);
	set_truth(message, "propertyValue_executionIsolationThreadInterruptOnTimeout", true);
	json_object_set_new(message, "propertyValue_executionIsolationThreadPoolKeyOverride", json_null());
	set_number(message, "propertyValue_executionIsolationSemaphoreMaxConcurrentRequests", settings->bulkhead_max_in_flight);
	/* A fallback is never refused. */
	set_number(message, "propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests", INT32_MAX);
	set_number(message, "propertyValue_metricsRollingStatisticalWindowInMilliseconds", WINDOW_MS);
	set_truth(message, "propertyValue_requestCacheEnabled", false);
	set_truth(message, "propertyValue_requestLogEnabled", false);
}

static json_t *describe(struct watched *watched, const struct upstream_settings *settings)
{
	struct upstream *upstream = settings->upstream;
	struct breaker_view view = breaker_look(upstream->breaker, &settings->breaker, clock_now_ms());
	uint32_t in_flight = atomic_load(&upstream->bulkhead.in_flight);
	struct totals rolling = turn_ring(watched, &(struct totals){ view.successes_total, view.failures_total, view.neither_total,
	                                                             view.not_permitted,
	                                                             atomic_load(&upstream->bulkhead.rejected_total) });
	json_t *message = json_pack("{s:s, s:s, s:s, s:s, s:I, s:i}", "type", "HystrixCommand", "name", settings->name, "group",
	                            GROUP, "threadPool", GROUP, "currentTime", (json_int_t)clock_wall_ms(), "reportingHosts", 1);

	if (in_flight > watched->most_in_flight)
		watched->most_in_flight = in_flight;
	set_truth(message, "isCircuitBreakerOpen",
	          view.state == BREAKER_OPEN || view.state == BREAKER_HALF_OPEN || view.state == BREAKER_FORCED_OPEN);
	set_number(message, "currentConcurrentExecutionCount", in_flight);
	set_number(message, "rollingMaxConcurrentExecutionCount", watched->most_in_flight);
	set_rolling(message, &rolling);
	set_latencies(message);
	set_properties(message, settings, view.state);
	return message;
}

/* ---- a turn ---------------------------------------------------------------------------------------------------- */

static void add_message(struct evbuffer *turn, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);

	json_decref(message);
	if (text != NULL)
		evbuffer_add_printf(turn, "data: %s\n\n", text);
	free(text);
}

/* An upstream that a reload took away disappears from the dashboard. */
static void drop_unseen(struct streams *streams, struct evbuffer *turn)
{
	for (size_t i = 0; i < streams->watched_count;) {
		struct watched *watched = &streams->watched[i];

		if (watched->was_seen) {
			watched->was_seen = false;
			i++;
			continue;
		}
		add_message(turn, json_pack("{s:s, s:s, s:s, s:s}", "type", "HystrixCommand", "name", watched->name, "group", GROUP,
		                            "deleteData", "true"));
		free(watched->name);
		*watched = streams->watched[--streams->watched_count];
	}
}

static void make_turn(struct streams *streams, struct evbuffer *turn)
{
	const struct admin_view *view = streams->view;
	size_t count = view->service_count(view->context);

	for (size_t i = 0; i < count; i++) {
		struct admin_service service = view->service(view->context, i);
		struct watched *watched = find_watched(streams, service.settings->name);

		if (watched == NULL)
			continue;
		watched->was_seen = true;
		add_message(turn, describe(watched, service.settings));
	}
	drop_unseen(streams, turn);
	if (evbuffer_get_length(turn) == 0)
		evbuffer_add_printf(turn, "ping: \n\n");
}

static size_t backlog_of(const struct watcher *watcher)
{
	return evbuffer_get_length(bufferevent_get_output(evhttp_connection_get_bufferevent(watcher->connection)));
}

static size_t watcher_count(const struct streams *streams)
{
	size_t count = 0;

	for (size_t i = 0; i < STREAMS_MAX; i++)
		count += streams->watchers[i].request != NULL;
	return count;
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct streams *streams = context;
	struct evbuffer *turn = evbuffer_new();

	(void)fd, (void)what;
	if (turn != NULL)
		make_turn(streams, turn);
	for (size_t i = 0; turn != NULL && i < STREAMS_MAX; i++) {
		const struct watcher *watcher = &streams->watchers[i];
		struct evbuffer *copy;

		if (watcher->request == NULL)
			continue;
		if (backlog_of(watcher) > BACKLOG_MAX_BYTES) {
			evhttp_connection_free(watcher->connection); /* on_close forgets it */
			continue;
		}
		copy = evbuffer_new();
		if (copy != NULL && evbuffer_add_buffer_reference(copy, turn) == 0)
			evhttp_send_reply_chunk(watcher->request, copy);
		if (copy != NULL)
			evbuffer_free(copy);
	}
	if (turn != NULL)
		evbuffer_free(turn);
	if (watcher_count(streams) == 0)
		event_del(streams->timer);
}

/* ---- watchers -------------------------------------------------------------------------------------------------- */

/* A connection that its client ended has parted with the request before it says so here, and left it to us. */
static void on_close(struct evhttp_connection *connection, void *context)
{
	struct streams *streams = context;

	for (size_t i = 0; i < STREAMS_MAX; i++) {
		struct watcher *watcher = &streams->watchers[i];

		if (watcher->request == NULL || watcher->connection != connection)
			continue;
		if (evhttp_request_get_connection(watcher->request) == NULL)
			evhttp_request_free(watcher->request);
		*watcher = (struct watcher){ 0 };
	}
	if (watcher_count(streams) == 0) {
		event_del(streams->timer);
		forget_watched(streams);
	}
}

static void refuse(struct page_request *request)
{
	char *text = strdup("MaxConcurrentConnections reached: 5");

	page_text(request, 503, "text/plain; charset=utf-8", text, text == NULL ? 0 : strlen(text));
}

void stream_page(struct page_request *request)
{
	struct streams *streams = request->streams;
	struct evhttp_connection *connection = evhttp_request_get_connection(request->http);
	struct bufferevent *io;
	size_t place = 0;

	while (place < STREAMS_MAX && streams->watchers[place].request != NULL)
		place++;
	if (request->is_head) {
		page_text(request, 200, "text/event-stream;charset=UTF-8", NULL, 0);
		return;
	}
	if (place == STREAMS_MAX) {
		refuse(request);
		return;
	}
	page_header(request, "Content-Type", "text/event-stream;charset=UTF-8");
	page_header(request, "Cache-Control", "no-cache, no-store, max-age=0, must-revalidate");
	page_header(request, "Pragma", "no-cache");
	page_header(request, "Connection", "close");
	streams->watchers[place] = (struct watcher){ request->http, connection };
	evhttp_connection_set_closecb(connection, on_close, streams);
	evhttp_send_reply_start(request->http, 200, "OK");
	/* It has nothing more to say: its silence is no fault, and what it says all the same is not kept. */
	io = evhttp_connection_get_bufferevent(connection);
	bufferevent_set_timeouts(io, NULL, &(struct timeval){ .tv_sec = WRITE_TIMEOUT_S });
	bufferevent_setwatermark(io, EV_READ, 0, INPUT_MAX_BYTES);
	connections_note(request->connections, io, true);
	if (!event_pending(streams->timer, EV_TIMEOUT, NULL)) {
		event_add(streams->timer, &(struct timeval){ .tv_usec = TURN_MS * 1000 });
		event_active(streams->timer, EV_TIMEOUT, 0); /* the first turn at once */
	}
}

struct streams *streams_new(struct event_base *base, const struct admin_view *view)
{
	struct streams *streams = calloc(1, sizeof *streams);

	if (streams == NULL)
		return NULL;
	streams->base = base;
	streams->view = view;
	streams->timer = event_new(base, -1, EV_PERSIST, on_turn, streams);
	if (streams->timer == NULL) {
		free(streams);
		return NULL;
	}
	return streams;
}

void streams_free(struct streams *streams)
{
	if (streams == NULL)
		return;
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (streams->watchers[i].request != NULL)
			evhttp_connection_free(streams->watchers[i].connection);
	event_free(streams->timer);
	forget_watched(streams);
	free(streams);
}
