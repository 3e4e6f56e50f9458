/*
 * The whole connection: a real worker between clients and upstreams that do what the input says, in a world where nothing else
 * happens (world.h, peers.h). An input is text, one step a line; what it can't understand it leaves out.
 *
 *   a+             client a (to d) connects          A+ A- A~ A?    server A (to D) accepts connections, refuses them at
 *   a>text         sends; connects before if need             once or later, says nothing; A^: those that wait stand
 *   a=100          sends 100 bytes more              A<text, A=100  its current connection sends
 *   a.  a!         sends FIN; resets                 A.  A!         likewise
 *   a[10  a]       takes 10 bytes more; everything   A[10  A]       likewise; or when it has none, the next one will
 *                                                    A*text         answers so to every request from now on
 *                                                    A%             its host acknowledges nothing more; A% again: it does
 *   t100           100 ms pass                       m3  f2  i2     the third allocation fails; two descriptors are refused;
 *   r5             the next reads give 5 bytes                      the second call is interrupted
 *   o2             the loop begins at the third      l              the log's reader is stuck; l again: reads
 *   v5             discovery: bits for A, B, C, D    g1             another configuration (0 to 4)
 *   p              the thread that checks passwords is stuck; p again: goes on
 *   q              drains                            Q              stops at once
 *   &...           in the same turn as the step before
 *
 * A and B are the endpoints of upstream "one", routed at /a; C is "two", at /b. The configurations 3 and 4 have routes with filters
 * instead (rules.c), whose authentication service is D; a client's \j0 to \j5 are tokens (tokens.h).
 *
 * When the steps are over, time goes on until everybody is gone: whoever stays for ever was forgotten by the gateway. Then
 * everything that was taken must have been given back, and everything that began must have been counted.
 */
#include <stdint.h>
#include <string.h>

#include "gateway/downstream/h1_client.h"
#include "gateway/exchange/state.h"
#include "gateway/filter/filters.h"
#include "gateway/filter/passwords.h"
#include "gateway/jose/source.h"
#include "gateway/worker/loop.h"
#include "routes/config/complaints.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/check_verify.h"
#include "tests/fuzz/rules.h"
#include "tests/fuzz/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 4, UPSTREAMS = 3, CONFIGS = 5, FILTERED = 3 /* from here on they have filters */ };
enum { FILL_MOST = 250 * 1000, STEP_MS_MOST = 60 * 1000, TIMEOUT_MS = 1000 * 1000 };
enum { KEPT_BYTES_MOST = 60 * 1000 }; /* what peers together may make the worker keep */

#define UPSTREAM_KEYS \
	"  timeouts: { connect: 200ms, response: 500ms, idle: 800ms }\n" \
	"  pool: { max_idle: 1, idle_timeout: 2s, max_age: 3s }\n" \
	"  ejection: { consecutive_failures: 3, for: 500ms }\n"
#define LIMITS \
	"head_timeout: 1s, body_timeout: 700ms, idle_timeout: 2s, write_timeout: 600ms, request_head: 2KiB, request_fields: 16"

static const char *const config_texts[CONFIGS] = {
	"listen: 127.0.0.1:8080\nadmin: off\n"
	"limits: { " LIMITS ", request_body: 200KiB, connections: 6 }\n"
	"defaults:\n" UPSTREAM_KEYS
	"  breaker: { window: 2s, minimum_calls: 4, open_for: 300ms, half_open_calls: 2, half_open_timeout: 400ms, slow_call: 300ms }\n"
	"  bulkhead: { max_in_flight: 2, max_waiting: 1, max_wait: 250ms, max_streams: 1 }\n"
	"  retry: { attempts: 2, budget: 50% }\n"
	"upstreams:\n  one: { url: http://tasks.one:1 }\n  two: { url: http://tasks.two:3, balance: round_robin }\n"
	"routes:\n"
	"  - { path: /a, upstream: one, fallback: { body: away, on_statuses: [418] } }\n"
	"  - { path: /b, upstream: two, methods: [GET, POST, HEAD], rewrite: { strip_prefix: /b, add_prefix: /z },\n"
	"      request_headers: { set: { X-Set: s }, add: { X-Add: a }, remove: [Cookie] },\n"
	"      response_headers: { set: { X-Set: s }, remove: [Server] }, request_body: 1KiB }\n"
	"  - { path: /b, host: other.example, upstream: one }\n",

	"listen: 127.0.0.1:8080\nadmin: off\naccess_log: { to: stdout, format: combined }\n"
	"trusted_proxies: [10.0.0.0/8]\n"
	"limits: { " LIMITS " }\n"
	"defaults:\n" UPSTREAM_KEYS
	"  breaker: { window: 2s, mode: observe, minimum_calls: 2 }\n"
	"  retry: { attempts: 1 }\n"
	"upstreams:\n  one: { url: http://tasks.one:1 }\n  two: { url: http://tasks.two:3 }\n"
	"routes:\n  - { path: /, upstream: one }\n  - { path: /b, upstream: two }\n",

	"listen: 127.0.0.1:8080\nadmin: off\naccess_log: off\n"
	"limits: { " LIMITS " }\n"
	"defaults:\n"
	"  timeouts: { connect: 100ms, response: 2s, idle: 1s }\n"
	"  pool: { max_idle: 0 }\n  ejection: off\n"
	"  breaker: { window: 2s, minimum_calls: 3, open_for: 100ms, half_open_calls: 1 }\n"
	"  bulkhead: { max_in_flight: 1 }\n"
	"  retry: { attempts: 0 }\n"
	"upstreams:\n  one: { url: http://tasks.one:1 }\n  two: { url: http://tasks.two:3 }\n"
	"routes:\n  - { path: [/a, /*/x], upstream: one }\n  - { path: /b/x, upstream: one, exact: on }\n"
	"  - { path: /*/y, upstream: two, rewrite: { strip_prefix: /* } }\n"
	"  - { path: /b, upstream: two, fallback: { status: 200, body: \"\", upstream: one } }\n"
	"  - { path: /, host: root.example, upstream: two, fallback: { upstream: one } }\n",

	"listen: 127.0.0.1:8080\nadmin: off\n"
	"limits: { " LIMITS ", request_body: 200KiB }\n"
	"defaults:\n" UPSTREAM_KEYS
	"  breaker: { window: 2s, minimum_calls: 4, open_for: 300ms, half_open_calls: 2 }\n"
	"  bulkhead: { max_in_flight: 3, max_waiting: 2, max_wait: 250ms, max_streams: 1 }\n"
	"  retry: { attempts: 1, budget: 50% }\n",

	"listen: 127.0.0.1:8080\nadmin: off\naccess_log: { to: stdout, format: combined }\n"
	"limits: { " LIMITS " }\n"
	"defaults:\n" UPSTREAM_KEYS
	"  bulkhead: { max_in_flight: 1 }\n",
};

static struct {
	struct config *configs[CONFIGS]; /* read once for all runs */
	struct shared shared;
	struct worker worker;
	struct upstream *upstreams[UPSTREAMS];
	struct endpoint *endpoints[WORLD_SERVERS];
	const uint8_t *at, *end;
	struct peer *clients[CLIENTS];
	size_t filled;
	bool is_stopped, has_logged_all, is_helper_stuck;
	bool has_filters, is_filtered; /* they are made; the worker was told to use them */
	const struct config *logging; /* whose log is open */
	uint64_t over_us; /* when the steps were over; 0: not yet */
	uint64_t permits_given, permits_settled;
	struct route_metrics *detoured; /* calls before those of a fallback.upstream */
} stage;

/* ---- permits are counted where they are given ------------------------------------------------------------------ */

typedef bool admit(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms, uint32_t random,
                   struct breaker_permit *permit, uint64_t *retry_after_ms);
admit __real_breaker_admit, __wrap_breaker_admit, __real_breaker_admit_aside, __wrap_breaker_admit_aside;
void __real_breaker_settle(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                           uint32_t random,
                           struct breaker_permit *permit, enum breaker_verdict verdict, uint64_t duration_ms);
void __wrap_breaker_settle(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                           uint32_t random,
                           struct breaker_permit *permit, enum breaker_verdict verdict, uint64_t duration_ms);

static bool count_given(admit *ask, struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                        uint32_t random, struct breaker_permit *permit, uint64_t *retry_after_ms)
{
	CHECK(permit->kind == 0); /* it would be lost */
	if (!ask(breaker, settings, now_ms, random, permit, retry_after_ms)) {
		CHECK(*retry_after_ms > 0);
		return false;
	}
	stage.permits_given++;
	return true;
}

bool __wrap_breaker_admit(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                          uint32_t random,
                          struct breaker_permit *permit, uint64_t *retry_after_ms)
{
	return count_given(__real_breaker_admit, breaker, settings, now_ms, random, permit, retry_after_ms);
}

bool __wrap_breaker_admit_aside(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                                uint32_t random,
                                struct breaker_permit *permit, uint64_t *retry_after_ms)
{
	return count_given(__real_breaker_admit_aside, breaker, settings, now_ms, random, permit, retry_after_ms);
}

void __wrap_breaker_settle(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                           uint32_t random,
                           struct breaker_permit *permit, enum breaker_verdict verdict, uint64_t duration_ms)
{
	CHECK(permit->kind != 0);
	CHECK(duration_ms < TIMEOUT_MS);
	stage.permits_settled++;
	__real_breaker_settle(breaker, settings, now_ms, random, permit, verdict, duration_ms);
}

/* ---- the control thread's part ---------------------------------------------------------------------------------- */

/* What the control thread sends is not what the fuzzer lets fail. */
static void tell(enum worker_message kind, void *subject, void *object)
{
	unsigned fail_after = world.fail_after;

	world.fail_after = 0;
	CHECK(inbox_send(&stage.worker.inbox, kind, subject, object));
	world.fail_after = fail_after;
	world.progress++;
}

/* As the control thread does: when it has changed. */
static void tell_log(const struct config *config)
{
	if (stage.logging == NULL || !access_log_is_same(stage.logging, config))
		tell(WORKER_LOG, (void *)((intptr_t)access_log_open(config) + 1), NULL);
	stage.logging = config;
}

static void tell_endpoints(unsigned upstream, unsigned bits)
{
	static const unsigned first[] = { 0, 2, 3, WORLD_SERVERS };
	struct endpoint *chosen[WORLD_SERVERS];
	unsigned fail_after = world.fail_after;
	size_t count = 0;

	for (unsigned i = first[upstream]; i < first[upstream + 1]; i++)
		if (bits >> i & 1)
			chosen[count++] = stage.endpoints[i];
	world.fail_after = 0;
	tell(WORKER_ENDPOINTS, upstream_reference(stage.upstreams[upstream]), endpoint_set_new(chosen, count));
	world.fail_after = fail_after;
}

static void take_reports(void)
{
	struct message *message = inbox_take(&stage.shared.control), *next;

	for (; message != NULL; message = next) {
		next = message->next;
		if (message->kind == CONTROL_RESOLVE) {
			atomic_store(&((struct upstream *)message->subject)->refresh_wanted, 0);
			upstream_release(message->subject);
		} else if (message->kind == CONTROL_CALL || message->kind == CONTROL_EJECTION) {
			upstream_release(message->subject);
			free(message->object);
		}
		free(message);
	}
}

/* Once for all runs, too: a set of keys does not change. */
static void give_keys(struct config *config)
{
	const char *why;

	for (size_t i = 0; i < config->route_count && check_can_verify(); i++)
		if (config->routes[i].jwt != NULL && config->routes[i].jwt->source == NULL)
			CHECK((config->routes[i].jwt->source = key_source_new(config->routes[i].jwt, &why)) != NULL);
}

/* For one run: what they have counted and learnt must not outlive it. */
static void make_filters(void)
{
	unsigned fail_after = world.fail_after;

	if (stage.has_filters)
		return;
	world.fail_after = 0;
	for (int i = FILTERED; i < CONFIGS; i++)
		CHECK(filters_make(stage.configs[i]));
	CHECK(passwords_start(&stage.shared.sandbox));
	stage.has_filters = true;
	world.fail_after = fail_after;
}

static void free_filters(void)
{
	for (int i = FILTERED; i < CONFIGS && stage.has_filters; i++)
		filters_free(stage.configs[i]);
}

static void read_configs(void)
{
	struct complaints complaints;

	if (stage.configs[0] != NULL)
		return;
	for (int i = 0; i < CONFIGS; i++) {
		char text[4096];
		int length = snprintf(text, sizeof text, "%s%s", config_texts[i], i < FILTERED ? "" : rules_config);

		stage.configs[i] = config_parse("fuzz.yml", text, (size_t)length, &complaints);
		complaints_print(&complaints, "fuzz.yml", stderr);
		CHECK(stage.configs[i] != NULL);
		complaints_free(&complaints);
		give_keys(stage.configs[i]);
	}
}

static void give_counters(struct route *route)
{
	route->counters = stage.shared.unrouted;
	if (route->detour != NULL) {
		route->detour->counters = stage.shared.unrouted;
		route->detoured = stage.detoured;
	}
}

static void open_stage(void)
{
	read_configs();
	world_begin();
	peers_begin();
	CHECK(inbox_init(&stage.shared.control));
	stage.shared.workers = &stage.worker;
	worker_choose_name(&stage.shared);
	stage.shared.capacity = (struct capacity){ stage.configs[0]->limits.connections, KEPT_BYTES_MOST };
	CHECK(client_counts_init(&stage.shared.client_counts, stage.shared.capacity.connections));
	stage.shared.unrouted = metrics_new(1);
	stage.detoured = metrics_new(1);
	CHECK(stage.shared.unrouted != NULL && stage.detoured != NULL);
	for (unsigned i = 0; i < WORLD_SERVERS; i++) {
		struct address address = { .family = 4, .ip = { 10, 2, 0, (uint8_t)i }, .port = (uint16_t)(i + 1) };

		stage.endpoints[i] = endpoint_new(&address, i, 0, "dns");
		CHECK(stage.endpoints[i] != NULL);
	}
	for (unsigned i = 0; i < UPSTREAMS; i++) {
		stage.upstreams[i] = upstream_new(&stage.configs[i < 2 ? 0 : FILTERED]->upstreams[i], i, world.now_us / 1000, NULL, NULL);
		CHECK(stage.upstreams[i] != NULL);
		for (int j = 0; j < CONFIGS; j++)
			if (i < stage.configs[j]->upstream_count)
				stage.configs[j]->upstreams[i].upstream = stage.upstreams[i];
	}
	for (int i = 0; i < CONFIGS; i++)
		for (size_t j = 0; j < stage.configs[i]->route_count; j++)
			give_counters(&stage.configs[i]->routes[j]);
	CHECK(loop_init(&stage.worker, 0, &stage.shared, stage.configs[0], (int[]){ world_listen() }));
	tell_log(stage.configs[0]);
	for (unsigned i = 0; i < UPSTREAMS; i++)
		tell_endpoints(i, 15);
	CHECK(loop_start(&stage.worker));
}

/* ---- what must hold in the end ---------------------------------------------------------------------------------- */

static uint64_t count_endings(void)
{
	struct metrics_shard *shard = &stage.shared.unrouted->shards[0];
	uint64_t count = counter_read(&shard->lost);

	for (unsigned i = 0; i < shard->count; i++)
		count += counter_read(&atomic_load(&shard->series[i])->count);
	return count;
}

static bool has_clients(void)
{
	return !ring_is_empty(&stage.worker.new_clients) || !ring_is_empty(&stage.worker.waiting) ||
	       !ring_is_empty(&stage.worker.serving);
}

static void check_counts(void)
{
	const struct worker *worker = &stage.worker;
	uint64_t received = counter_read(&worker->counters.requests_received);

	CHECK(!has_clients() && ring_is_empty(&worker->run));
	CHECK(buffer_kept_bytes == 0);
	CHECK(counter_read(&worker->counters.connections_open) == 0 && bulkhead_in_flight(&stage.shared.clients) == 0);
	CHECK(stage.permits_given == stage.permits_settled);
	CHECK(count_endings() == received);
	CHECK(!stage.has_logged_all || peers_log_lines() + worker->log.lost == received);
	for (unsigned i = 0; i < UPSTREAMS; i++)
		CHECK(atomic_load(&stage.upstreams[i]->bulkhead.word) == 0 && /* nobody is in, nobody waits */
		      atomic_load(&stage.upstreams[i]->streams.word) == 0);
	CHECK(ring_is_empty(&worker->blocked) && ring_is_empty(&worker->streams) && ring_is_empty(&worker->abandoned));
	for (unsigned i = 0; i < WORLD_SERVERS; i++)
		CHECK(atomic_load(&stage.endpoints[i]->in_flight) == 0);
}

static void close_stage(void)
{
	world.is_log_stuck = false;
	loop_join(&stage.worker);
	passwords_stop();
	loop_destroy(&stage.worker);
	rules_end();
	check_counts();
	take_reports();
	inbox_destroy(&stage.shared.control);
	client_counts_destroy(&stage.shared.client_counts);
	for (unsigned i = 0; i < world.peer_count; i++)
		CHECK(world.peers[i].fd < 0);
	CHECK(world_open_files() == 0);
	for (unsigned i = 0; i < UPSTREAMS; i++) {
		CHECK(atomic_load(&stage.upstreams[i]->references) == 1);
		upstream_release(stage.upstreams[i]);
	}
	for (unsigned i = 0; i < WORLD_SERVERS; i++) {
		CHECK(atomic_load(&stage.endpoints[i]->references) == 1);
		endpoint_release(stage.endpoints[i]);
	}
	for (int i = 0; i < CONFIGS; i++)
		CHECK(atomic_load(&stage.configs[i]->references) == 1);
	free_filters();
	metrics_free(stage.shared.unrouted);
	metrics_free(stage.detoured);
	CHECK(world_large_blocks() == 0);
	world_end();
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

struct story_step {
	const uint8_t *text; /* behind the first two bytes */
	size_t length;
};

static uint64_t number_in(const uint8_t *text, size_t length, uint64_t most)
{
	uint64_t number = 0;

	for (size_t i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
		number = number * 10 + (uint64_t)(text[i] - '0');
		if (number > most)
			return most;
	}
	return number;
}

static size_t fill(struct story_step step)
{
	size_t count = number_in(step.text, step.length, FILL_MOST - stage.filled);

	stage.filled += count;
	return count;
}

/* The client behind this letter; one that is gone connects anew. */
static struct peer *client_for(unsigned letter)
{
	struct peer *client = stage.clients[letter];

	if (client == NULL || client->state == PEER_GONE || client->has_reset) {
		client = world_connect_client();
		stage.clients[letter] = client;
	}
	return client;
}

static void open_window(size_t *window, uint8_t what, struct story_step step)
{
	world.progress++;
	if (what == '[')
		*window = (*window == SIZE_MAX ? 0 : *window) + number_in(step.text, step.length, FILL_MOST);
	else if (what == ']')
		*window = SIZE_MAX;
}

static void run_client(unsigned letter, uint8_t what, struct story_step step)
{
	struct peer *client = client_for(letter);

	if (client == NULL)
		return;
	if (what == '>' && !client->has_finished)
		peers_client_sends(client, step.text, step.length);
	else if (what == '=' && !client->has_finished)
		peers_client_fills(client, fill(step));
	else if (what == '.')
		world_peer_finishes(client);
	else if (what == '!')
		world_peer_resets(client);
	else
		open_window(&client->window, what, step);
}

static void run_server(unsigned server, uint8_t what, struct story_step step)
{
	struct peer *connection = peers_current(server);
	const char *manners = "+-~?", *manner = what == '\0' ? NULL : strchr(manners, what);

	if (manner != NULL)
		world.manners[server] = (enum manner)(manner - manners);
	else if (what == '^')
		world_accept_hanging(server);
	else if (what == '%')
		world.is_vanished[server] = !world.is_vanished[server];
	else if (what == '*')
		peers_answer_all(server, step.text, step.length);
	else if (connection == NULL || connection->has_reset)
		open_window(&world.windows[server], what, step);
	else if (what == '<' && !connection->has_finished)
		peers_upstream_sends(connection, step.text, step.length);
	else if (what == '=' && !connection->has_finished)
		peers_upstream_fills(connection, fill(step));
	else if (what == '.')
		peers_upstream_finishes(connection);
	else if (what == '!')
		world_peer_resets(connection);
	else
		open_window(&connection->window, what, step);
}

static void change_config(unsigned number)
{
	struct config *config;

	number %= check_can_verify() ? CONFIGS : FILTERED;
	config = stage.configs[number];
	stage.is_filtered = number >= FILTERED;
	if (stage.is_filtered) {
		make_filters();
		tell_endpoints(UPSTREAMS - 1, 15); /* no other configuration has it */
	} else {
		rules_end();
	}
	peers_trusts_ids |= number == 1;
	stage.has_logged_all &= number != 2;
	tell(WORKER_CONFIG, NULL, config_reference(config));
	tell_log(config);
}

static void run_world(uint8_t what, uint64_t number)
{
	switch (what) {
	case 't':
		world.until_us = world.now_us + number * 1000;
		return;
	case 'm':
		world.fail_after = (unsigned)number;
		return;
	case 'f':
		world.fail_descriptors = (unsigned)number;
		return;
	case 'i':
		world.interrupt_after = (unsigned)number;
		return;
	case 'r':
		world.recv_most = number == 0 ? 1 : number;
		world.recv_limited = 64;
		return;
	case 'o':
		world.rotation = (unsigned)number;
		return;
	case 'p':
		stage.is_helper_stuck = !stage.is_helper_stuck;
		return;
	case 'l':
		world.is_log_stuck = !world.is_log_stuck;
		return;
	case 'v':
		tell_endpoints(0, (unsigned)number);
		tell_endpoints(1, (unsigned)number);
		if (stage.is_filtered)
			tell_endpoints(2, (unsigned)number);
		return;
	case 'g':
		change_config((unsigned)number);
		return;
	case 'q':
		tell(WORKER_DRAIN, NULL, NULL);
		return;
	case 'Q':
		tell(WORKER_STOP, NULL, NULL);
		stage.is_stopped = true;
		return;
	}
}

static void run_step(const uint8_t *line, size_t length)
{
	struct story_step step = { line + 2, length < 2 ? 0 : length - 2 };
	uint8_t what = length < 2 ? '\0' : line[1];

	if (length == 0)
		return;
	if (line[0] >= 'a' && line[0] < 'a' + CLIENTS)
		run_client(line[0] - 'a', what, step);
	else if (line[0] >= 'A' && line[0] < 'A' + WORLD_SERVERS)
		run_server(line[0] - 'A', what, step);
	else
		run_world(line[0], number_in(line + 1, length - 1, STEP_MS_MOST));
}

/* When all is said, time goes on until nobody is left. */
static void let_time_pass(void)
{
	uint64_t next_us = world_next_timer_us();
	bool is_anybody_left = has_clients();

	if (stage.over_us == 0) {
		stage.over_us = world.now_us;
		world.fail_after = world.fail_descriptors = world.interrupt_after = 0;
		world.is_log_stuck = false;
	}
	for (unsigned i = 0; i < world.peer_count; i++)
		is_anybody_left |= world.peers[i].fd >= 0;
	if (!is_anybody_left) {
		tell(WORKER_STOP, NULL, NULL);
		stage.is_stopped = true;
		return;
	}
	CHECK(next_us != UINT64_MAX); /* nobody would ever look after them */
	CHECK(world.now_us - stage.over_us < TIMEOUT_MS * UINT64_C(1000));
	world.until_us = next_us;
}

bool stage_next(void)
{
	take_reports();
	if (stage.is_stopped)
		return false;
	if (stage.is_filtered && world.peer_count == 0 && !world.has_failed)
		rules_begin();
	if (!stage.is_helper_stuck && world_run_helper())
		return true;
	if (stage.at == stage.end) {
		let_time_pass();
		return true;
	}
	do {
		const uint8_t *newline = memchr(stage.at, '\n', (size_t)(stage.end - stage.at)), *line = stage.at;
		size_t length = (size_t)((newline == NULL ? stage.end : newline) - line);

		stage.at = newline == NULL ? stage.end : newline + 1;
		if (length > 0 && line[0] == '&') {
			line++;
			length--;
		}
		run_step(line, length);
	} while (stage.at < stage.end && *stage.at == '&');
	return true;
}

const char *stage_file(const char *path)
{
	return rules_file(path);
}

/* A client that gets an answer has an exchange, and so is among the serving. */
struct stage_request stage_request_of(const struct peer *peer)
{
	struct stage_request request = { .is_head = false };

	for (struct ring *each = stage.worker.serving.next; each != &stage.worker.serving; each = each->next) {
		const struct client *client = client_of_ring(each);
		const struct exchange *exchange = client->downstream.exchange;

		if (client->stream.fd != peer->fd || exchange == NULL)
			continue;
		request.is_head = exchange->request.method == METHOD_HEAD;
		request.is_old = exchange->downstream->version_minor == 0;
		snprintf(request.offered, sizeof request.offered, "%.*s", (int)exchange->request.upgrade.length,
		         exchange->request.upgrade.data);
		break;
	}
	return request;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *configs[CONFIGS];

	memcpy(configs, stage.configs, sizeof configs);
	memset(&stage, 0, sizeof stage);
	memcpy(stage.configs, configs, sizeof configs);
	stage.has_logged_all = true;
	stage.at = data;
	stage.end = data + size;
	open_stage();
	world_run_thread();
	close_stage();
	return 0;
}
