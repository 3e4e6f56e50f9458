/*
 * The exchange between a client and a service whose protocols are not HTTP/1: two requests at once on one connection of each, their
 * bytes interleaved, one of them cancelled; a body that goes up; and filters of its route that wait, answer and change fields.
 * The downstream and the lease here share no code with gateway/downstream/h1 and gateway/upstream/h1: what they are asked to send
 * becomes frames, each with the number of its request, as HTTP/2 has it. No socket is involved.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "breaker/look.h"
#include "gateway/base/clock.h"
#include "gateway/base/container.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/places.h"
#include "gateway/exchange/state.h"
#include "gateway/upstream/lease.h"
#include "gateway/worker/loop.h"
#include "gateway/worker/snapshot.h"
#include "routes/config/complaints.h"

/* ---- one connection with several requests ---------------------------------------------------------------------- */

struct fake {
	struct downstream downstream;
	unsigned number;
	unsigned status, finished, resets;
};

static char own_fields[1024]; /* of the last answer of the gateway's own */
/* Of one connection, in the order in which they were sent: "number:what". */
static char to_client[1024], to_service[1024];
static struct endpoint *endpoint;

static void put_frame(char frames[1024], unsigned number, const char *what)
{
	size_t used = strlen(frames);

	snprintf(frames + used, 1024 - used, "%s%u:%s", used > 0 ? " " : "", number, what);
}

static enum send_result put_parts(char frames[1024], unsigned number, const struct iovec *parts, int count)
{
	char text[512] = "";

	for (int i = 0; i < count; i++)
		strncat(text, parts[i].iov_base, parts[i].iov_len);
	if (text[0] != '\0')
		put_frame(frames, number, text);
	return SEND_DONE;
}

static struct fake *fake_of(struct downstream *downstream)
{
	return container_of(downstream, struct fake, downstream);
}

static enum send_result respond(struct downstream *downstream, const struct downstream_head *head, const struct pieces *pieces)
{
	struct fake *fake = fake_of(downstream);
	char text[32];

	assert_false(head->to_chunked);
	if (head->changes != NULL) {
		assert_int_equal(head->changes->count, 1);
		assert_memory_equal(changes_list(head->changes)->name.data, "X-Seen", 6);
	}
	fake->status = head->response->status;
	snprintf(text, sizeof text, "head-%u", fake->status);
	put_frame(to_client, fake->number, text);
	return put_parts(to_client, fake->number, pieces->list, pieces->count);
}

static enum send_result interim(struct downstream *downstream, const struct response *response, const struct header_edits *edits,
                                const struct changes *changes)
{
	(void)response, (void)edits, (void)changes;
	downstream->is_blocked = true; /* the client does not read it */
	return SEND_PENDING;
}

static enum send_result reply(struct downstream *downstream, const struct downstream_reply *own)
{
	struct fake *fake = fake_of(downstream);

	fake->status = own->status;
	snprintf(own_fields, sizeof own_fields, "%.*s", (int)(own->end - own->fields), own->fields);
	put_frame(to_client, fake->number, "own");
	return SEND_DONE;
}

static enum send_result body(struct downstream *downstream, const struct pieces *pieces)
{
	return put_parts(to_client, fake_of(downstream)->number, pieces->list, pieces->count);
}

static uint32_t taken(const struct downstream *downstream)
{
	(void)downstream;
	return 0;
}

static size_t pending_bytes(const struct downstream *downstream)
{
	(void)downstream;
	return 0;
}

static void pause_or_resume(struct downstream *downstream)
{
	(void)downstream; /* flow control is the connection's */
}

static void finish(struct downstream *downstream, bool may_linger)
{
	(void)may_linger;
	fake_of(downstream)->finished++;
	put_frame(to_client, fake_of(downstream)->number, "end");
	downstream->exchange = NULL;
}

static void reset(struct downstream *downstream)
{
	fake_of(downstream)->resets++;
	put_frame(to_client, fake_of(downstream)->number, "reset");
	downstream->exchange = NULL;
}

static struct stream *raw(struct downstream *downstream)
{
	(void)downstream;
	return NULL; /* its connection is shared: nothing can be spliced, nor become a tunnel */
}

static bool has_taken_all(const struct downstream *downstream)
{
	(void)downstream;
	return true;
}

static struct buffer upgrade(struct downstream *downstream)
{
	(void)downstream;
	return (struct buffer){ .data = NULL };
}

static const struct downstream_operations operations = {
	.respond = respond, .interim = interim, .reply = reply, .body = body, .send_end = pause_or_resume, .taken = taken,
	.has_taken_all = has_taken_all, .pending_bytes = pending_bytes, .pause = pause_or_resume, .resume = pause_or_resume,
	.discard = pause_or_resume, .upgrade = upgrade, .finish = finish, .reset = reset, .raw = raw,
};

/* ---- one connection to the service, with several requests ------------------------------------------------------ */

struct fake_lease {
	struct lease lease;
	unsigned number;
	int released_as; /* -1: it is not */
};

static struct fake_lease leases[4];
static unsigned lease_count;
static uint64_t unread_bytes;      /* of the service, which the gateway has not read */
static unsigned portless_connects; /* so many of the next have no local port */

static struct fake_lease *lease_of(const struct lease *lease)
{
	return container_of(lease, struct fake_lease, lease);
}

static enum send_result lease_send(struct lease *lease, const struct pieces *pieces)
{
	struct iovec trailers = { (char *)pieces->trailers.data, pieces->trailers.length };

	put_parts(to_service, lease_of(lease)->number, pieces->list, pieces->count);
	if (pieces->trailers.length > 0)
		put_parts(to_service, lease_of(lease)->number, &trailers, 1);
	return SEND_DONE;
}

static enum send_result lease_request(struct lease *lease, const struct lease_request *request, struct iovec head,
                                      const struct pieces *pieces)
{
	assert_false(request->is_head);
	assert_int_equal(pieces->result, request->is_unsized ? pieces->result : PIECES_END);
	put_parts(to_service, lease_of(lease)->number, &head, 1);
	return lease_send(lease, pieces);
}

static void lease_pause_or_resume(struct lease *lease)
{
	(void)lease;
}

static void lease_release(struct lease *lease, enum lease_release how, const struct upstream_settings *settings)
{
	(void)settings;
	deadline_remove(&((struct exchange *)lease->owner)->worker->io.deadlines, &lease->deadline);
	lease_of(lease)->released_as = (int)how;
	put_frame(to_service, lease_of(lease)->number, how == LEASE_CUT ? "reset" : "over");
}

static bool lease_holds(const struct lease *lease, uint64_t length)
{
	(void)lease;
	return length <= unread_bytes;
}

static bool lease_abandon(struct lease *lease)
{
	(void)lease;
	return false; /* a reset says it all */
}

static const struct lease_operations lease_operations = {
	.request = lease_request, .send = lease_send, .send_end = lease_pause_or_resume, .pause = lease_pause_or_resume,
	.resume = lease_pause_or_resume, .release = lease_release, .abandon = lease_abandon,
	.holds = lease_holds,
};

static void lease_is_due(struct deadline *deadline)
{
	(void)deadline;
	fail_msg("no timeout passes here");
}

static struct lease *lease_new(bool is_reused)
{
	struct fake_lease *fake = &leases[lease_count];

	*fake = (struct fake_lease){ .lease.endpoint = endpoint, .number = ++lease_count, .released_as = -1 };
	fake->lease.operations = &lease_operations;
	fake->lease.is_reused = is_reused;
	deadline_init(&fake->lease.deadline, lease_is_due);
	return &fake->lease;
}

/* The connection stands, and has room for more. */
static struct lease *lease_take(struct pool *pool, const struct upstream_settings *settings, bool is_once)
{
	(void)pool, (void)is_once;
	assert_string_equal(settings->name, "a");
	return portless_connects > 0 ? NULL : lease_new(true);
}

static struct lease *lease_connect(struct pool *pool, int *error)
{
	(void)pool;
	if (portless_connects > 0) {
		portless_connects--;
		*error = EADDRNOTAVAIL;
		return NULL;
	}
	return lease_new(false);
}

static char *write_begin(char *to, const struct upstream_head *head)
{
	const struct slice method = head->request->method_text, host = head->request->host;

	return to + sprintf(to, "%.*s,%.*s,%.*s,", (int)method.length, method.data, (int)head->path.length, head->path.data,
	                    (int)host.length, host.data);
}

/* Of the fields it looks only whether they are whole lines. */
static char *write_end(char *to, const struct upstream_head *head)
{
	(void)head;
	assert_memory_equal(to - 2, "\r\n", 2);
	return to;
}

static const struct upstream_protocol protocol = {
	.head_room = 64, .write_begin = write_begin, .write_end = write_end, .take = lease_take,
	.connect = lease_connect,
};

/* What the service says. */
static struct pieces pieces_of(char *text, bool is_end)
{
	return (struct pieces){ .list = { { text, strlen(text) } }, .count = text[0] != '\0',
		                .result = is_end ? PIECES_END : PIECES_MORE };
}

static void say_head(unsigned number, unsigned status, struct body framing, char *text, bool is_end)
{
	struct lease *lease = &leases[number - 1].lease;
	struct response response = { .status = status, .version_minor = 1, .keep_alive = true, .body = framing };
	struct pieces pieces = pieces_of(text, is_end);

	lease->events->on_head(lease, &response, &pieces, false);
}

static void say(unsigned number, char *text, bool is_end)
{
	struct lease *lease = &leases[number - 1].lease;
	struct pieces pieces = pieces_of(text, is_end);

	lease->events->on_body(lease, &pieces);
}

/* ---- the gateway around it ------------------------------------------------------------------------------------- */

static struct shared shared;
static struct worker worker;
static struct config *config;
static struct upstream *upstream;

static int set_up(void **state)
{
	static const char text[] = "listen: 127.0.0.1:1\nadmin: off\naccess_log: off\n"
		"upstreams:\n  a: { url: http://tasks.a:1, breaker: { minimum_calls: 1 } }\nroutes:\n  - { path: /, upstream: a }\n";
	struct complaints complaints;
	struct address address = { .family = 4, .ip = { 192, 0, 2, 2 }, .port = 1 };

	(void)state;
	config = config_parse("test.yml", text, strlen(text), &complaints);
	complaints_print(&complaints, "test.yml", stderr);
	assert_non_null(config);
	complaints_free(&complaints);
	assert_true(inbox_init(&shared.control));
	shared.workers = &worker;
	shared.worker_count = 1;
	shared.capacity = (struct capacity){ 100, 64 << 20 };
	assert_true(client_counts_init(&shared.client_counts, 100));
	worker_choose_name(&shared);
	shared.unrouted = metrics_new(1);
	upstream = upstream_new(&config->upstreams[0], 0, clock_now_ms(), NULL, NULL);
	config->upstreams[0].upstream = upstream;
	config->routes[0].counters = shared.unrouted;
	config->listen_count = 0;
	assert_true(loop_init(&worker, 0, &shared, config, NULL));
	worker_local(&worker, upstream)->protocol = &protocol;
	endpoint = endpoint_new(&address, 0, 0, "static");
	snapshot_take_endpoints(&worker, upstream_reference(upstream), endpoint_set_new(&endpoint, 1));
	to_client[0] = to_service[0] = '\0';
	lease_count = portless_connects = 0;
	unread_bytes = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (struct message *message = inbox_take(&shared.control), *next; message != NULL; message = next) {
		next = message->next;
		upstream_release(message->subject);
		free(message->object);
		free(message);
	}
	loop_destroy(&worker);
	endpoint_release(endpoint);
	upstream_release(upstream);
	config_release(config);
	inbox_destroy(&shared.control);
	client_counts_destroy(&shared.client_counts);
	metrics_free(shared.unrouted);
	return 0;
}

/* A request for `path`, as a parser of frames would make it. */
static void ask_with(struct fake *fake, enum method method, const char *path, struct body body, struct pieces *pieces)
{
	static char text[64];
	struct request request = { .method = method, .version_minor = 1, .keep_alive = true, .body = body };
	int length = snprintf(text, sizeof text, "%s example.org %s", method == METHOD_GET ? "GET" : "PUT", path);

	fake->downstream.operations = &operations;
	fake->downstream.worker = &worker;
	deadline_init(&fake->downstream.deadline, NULL);
	assert_true(address_parse_ip(&fake->downstream.peer, "192.0.2.1"));
	request.method_text = (struct slice){ text, 3 };
	request.host = request.host_name = (struct slice){ text + 4, 11 };
	request.target = request.path = (struct slice){ text + 16, strlen(path) };
	request.head_length = (size_t)length;
	exchange_begin(&fake->downstream, &request, io_now_us(&worker.io), text, pieces);
	memset(text, '!', sizeof text); /* it does not outlive the call */
}

static void ask(struct fake *fake, const char *path)
{
	struct pieces nothing = { .result = PIECES_END };

	ask_with(fake, METHOD_GET, path, (struct body){ .kind = BODY_NONE }, &nothing);
}

static void two_requests_at_once(void **state)
{
	static const struct body ten_bytes = { BODY_LENGTH, true, 10 }, until_end = { BODY_UNTIL_CLOSE, true, 0 };
	struct fake one = { .number = 1 }, two = { .number = 3 };

	(void)state;
	ask(&one, "/one");
	assert_memory_equal(to_service, "1:GET,/one,example.org,X-Forwarded-For: ", 40);
	to_service[0] = '\0';
	ask(&two, "/two");
	assert_memory_equal(to_service, "2:GET,/two,", 11);
	to_service[0] = '\0';
	assert_int_equal(bulkhead_in_flight(&upstream->bulkhead), 2);

	say_head(2, 200, until_end, (char[]){ "he" }, false);
	say_head(1, 201, ten_bytes, (char[]){ "12345" }, false);
	exchange_abort(one.downstream.exchange, OUTCOME_CLIENT_ABORTED); /* the client cancels it */
	say(2, (char[]){ "llo" }, true);

	assert_string_equal(to_client, "3:head-200 3:he 1:head-201 1:12345 1:reset 3:llo 3:end");
	assert_string_equal(to_service, "1:reset 2:over");
	assert_int_equal(leases[0].released_as, LEASE_CUT);
	assert_int_equal(leases[1].released_as, LEASE_KEEP);
	assert_int_equal(one.resets, 1);
	assert_int_equal(one.finished, 0);
	assert_int_equal(two.resets, 0);
	assert_int_equal(two.finished, 1);
	assert_int_equal(bulkhead_in_flight(&upstream->bulkhead), 0);
	assert_int_equal(atomic_load(&endpoint->in_flight), 0);
	/* The one that was cancelled says nothing of the service. */
	assert_int_equal(breaker_look(upstream->breaker, &config->upstreams[0].breaker, clock_now_ms()).calls, 1);
}

/* More of the request's body. */
static void send_up(struct fake *fake, char *text, const char *trailers)
{
	struct pieces pieces = pieces_of(text, trailers != NULL);

	if (trailers != NULL)
		pieces.trailers = (struct slice){ trailers, strlen(trailers) };
	exchange_take(fake->downstream.exchange, &pieces);
	memset(text, '!', strlen(text));
}

/* Nobody between the two decodes anything; and it is kept until the service has answered. */
static void a_body_goes_up(void **state)
{
	static const struct body unsized = { BODY_CHUNKED, true, 0 };
	struct fake one = { .number = 1 };
	struct pieces first = pieces_of((char[]){ "2\r\nhe\r\n" }, false);

	(void)state;
	ask_with(&one, METHOD_PUT, "/one", unsized, &first);
	send_up(&one, (char[]){ "l" }, NULL);
	send_up(&one, (char[]){ "lo" }, "X-Sum: 7\r\n");
	assert_non_null(strstr(to_service, " 1:2\r\nhe\r\n 1:l 1:lo 1:X-Sum: 7\r\n"));
	assert_true(one.downstream.exchange->upload.is_whole);
	assert_int_equal(one.downstream.exchange->upload.bytes, 10);

	to_service[0] = '\0';
	leases[0].lease.events->on_end(&leases[0].lease, LEASE_BROKEN); /* it had ended before the request came */
	leases[1].lease.events->on_connected(&leases[1].lease);
	assert_memory_equal(to_service, "1:over 2:PUT,/one,", 18);
	assert_non_null(strstr(to_service, " 2:2\r\nhe\r\nllo 2:X-Sum: 7\r\n"));
	say_head(2, 201, (struct body){ BODY_LENGTH, true, 0 }, (char[]){ "" }, true);
	assert_string_equal(to_client, "1:head-201 1:end");
}

static void a_body_that_is_broken_goes_no_further(void **state)
{
	static const struct body unsized = { BODY_CHUNKED, true, 0 };
	struct fake one = { .number = 1 };
	struct pieces pieces = pieces_of((char[]){ "he" }, false);

	(void)state;
	ask_with(&one, METHOD_PUT, "/one", unsized, &pieces);
	to_service[0] = '\0';
	pieces = (struct pieces){ .result = PIECES_BAD, .why = "a frame after the last" };
	exchange_take(one.downstream.exchange, &pieces);
	assert_string_equal(to_service, "1:reset");
	assert_string_equal(to_client, "1:own 1:end");
	assert_int_equal(one.status, 400);
	assert_int_equal(bulkhead_in_flight(&upstream->bulkhead), 0);
}

/* Every endpoint needs a local port of its own. No endpoint is to blame if none is free, and the breaker does not count it. */
static void another_endpoint_is_tried_where_no_local_port_is_free(void **state)
{
	struct address address = { .family = 4, .ip = { 192, 0, 2, 3 }, .port = 1 };
	struct endpoint *both[] = { endpoint, endpoint_new(&address, 1, 0, "static") };
	struct fake one = { .number = 1 }, two = { .number = 3 };
	struct pieces nothing = { .result = PIECES_END };

	(void)state;
	snapshot_take_endpoints(&worker, upstream_reference(upstream), endpoint_set_new(both, 2));
	portless_connects = 1;
	ask_with(&one, METHOD_POST, "/one", (struct body){ .kind = BODY_NONE }, &nothing);
	assert_int_equal(lease_count, 1);
	leases[0].lease.events->on_connected(&leases[0].lease);
	say_head(1, 201, (struct body){ BODY_LENGTH, true, 0 }, (char[]){ "" }, true);
	portless_connects = 2;
	ask_with(&two, METHOD_POST, "/two", (struct body){ .kind = BODY_NONE }, &nothing);
	assert_int_equal(lease_count, 1);
	assert_int_equal(two.status, 503);

	assert_string_equal(to_client, "1:head-201 1:end 3:own 3:end");
	assert_int_equal(atomic_load(&both[0]->failures_total) + atomic_load(&both[1]->failures_total), 0);
	/* The sum: a lease here is always of the first. */
	assert_int_equal(atomic_load(&both[0]->in_flight) + atomic_load(&both[1]->in_flight), 0);
	assert_int_equal(breaker_look(upstream->breaker, &config->upstreams[0].breaker, clock_now_ms()).calls, 1);
	endpoint_release(both[1]);
}

/* ---- filters --------------------------------------------------------------------------------------------------- */

static const struct body nothing = { BODY_LENGTH, true, 0 };
static struct filter_run *waiting_run;
static unsigned ended;

/* By the last letter of the path: goes on, refuses, waits. */
static enum filter_verdict judge(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	char *state = filter_state(run, filter);

	assert_string_equal(state, "");
	strcpy(state, "was here");
	waiting_run = run;
	switch (request->path.data[request->path.length - 1]) {
	case 'r':
		assert_true(filter_add_response_field(run, SLICE("WWW-Authenticate"), SLICE("Basic")));
		return filter_answer(run, OUTCOME_UNAUTHORIZED, "nobody");
	case 'w':
		return FILTER_WAIT;
	default:
		return FILTER_CONTINUE;
	}
}

static enum filter_verdict go_on(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	assert_string_equal(filter_state(run, filter), "was here");
	assert_memory_equal(request->path.data, "/a/w", 4);
	assert_memory_equal(request->host.data, "example.org", 11);
	assert_true(filter_set_request_field(run, SLICE("X-User"), filter_keep(run, SLICE("somebody"))));
	return FILTER_CONTINUE;
}

static void see(struct filter_run *run, const struct filter *filter, const struct response *response)
{
	(void)filter;
	assert_true(filter_set_response_field(run, SLICE("X-Seen"), response == NULL ? SLICE("own") : SLICE("other")));
}

static void note_end(struct filter_run *run, const struct filter *filter)
{
	(void)run, (void)filter;
	ended++;
}

static int set_up_filter(void **state)
{
	static const struct filter_type type = { .state_size = 16, .on_request = judge, .on_resume = go_on, .on_response = see,
		                                     .on_end = note_end };
	struct filter_list *list;

	set_up(state);
	list = calloc(1, sizeof *list + sizeof *list->filters);
	filter_list_add(list, &(struct filter){ .type = &type });
	config->routes[0].filters = list;
	ended = 0;
	return 0;
}

static int tear_down_filter(void **state)
{
	free(config->routes[0].filters);
	return tear_down(state);
}

static uint64_t calls(void)
{
	return breaker_look(upstream->breaker, &config->upstreams[0].breaker, clock_now_ms()).calls;
}

static void a_filter_lets_pass(void **state)
{
	struct fake fake = { .number = 1 };

	(void)state;
	ask(&fake, "/a/p");
	say_head(1, 200, nothing, (char[]){ "" }, true);
	assert_string_equal(to_client, "1:head-200 1:end");
	assert_int_equal(ended, 1);
	assert_int_equal(calls(), 1);
}

static void a_filter_refuses(void **state)
{
	struct fake fake = { .number = 1 };

	(void)state;
	ask(&fake, "/a/r");
	assert_string_equal(to_client, "1:own 1:end");
	assert_int_equal(fake.status, 401);
	assert_non_null(strstr(own_fields, "\r\nWWW-Authenticate: Basic\r\nX-Seen: own\r\n"));
	assert_non_null(strstr(own_fields, "details=\"nobody\""));
	assert_int_equal(ended, 1);
	/* It was no call. */
	assert_int_equal(calls(), 0);
	assert_int_equal(bulkhead_in_flight(&upstream->bulkhead), 0);
	assert_int_equal(atomic_load(&endpoint->in_flight), 0);
}

static void a_filter_waits(void **state)
{
	struct fake fake = { .number = 1 };

	(void)state;
	ask(&fake, "/a/w");
	assert_string_equal(to_client, "");
	assert_int_equal(fake.downstream.exchange->state, EXCHANGE_FILTERING);
	assert_int_equal(bulkhead_in_flight(&upstream->bulkhead), 0);
	worker.request = (struct request){ .method = METHOD_OTHER }; /* of another client in the meantime */
	filter_resume(waiting_run);
	assert_memory_equal(to_service, "1:GET,/a/w,example.org,X-F", 26);
	assert_non_null(strstr(to_service, "\r\nX-User: somebody\r\n"));
	say_head(1, 200, nothing, (char[]){ "" }, true);
	assert_string_equal(to_client, "1:head-200 1:end");
	assert_int_equal(ended, 1);
}

static void a_client_leaves_while_a_filter_waits(void **state)
{
	struct fake fake = { .number = 1 };

	(void)state;
	ask(&fake, "/a/w");
	exchange_abort(fake.downstream.exchange, OUTCOME_CLIENT_ABORTED);
	assert_string_equal(to_client, "1:reset");
	assert_int_equal(ended, 1);
	assert_int_equal(calls(), 0);
}

/* ---- a client that does not read an interim response ----------------------------------------------------------- */

static struct exchange *begin_unread_hint(struct fake *fake)
{
	struct response hint = { .status = 103, .version_minor = 1, .keep_alive = true };

	ask(fake, "/hint");
	leases[0].lease.events->on_interim(&leases[0].lease, &hint);
	assert_true(fake->downstream.is_blocked);
	fake->downstream.exchange->admission.held_since_ms -= 1000;
	/* The upstream still works on the request: nothing would be won. */
	assert_false(places_make_room(&worker, upstream, true));
	assert_int_equal(bulkhead_in_flight(&upstream->bulkhead), 1);
	return fake->downstream.exchange;
}

static void expect_its_place(void)
{
	assert_true(places_make_room(&worker, upstream, true));
	assert_string_equal(to_client, "1:reset");
	assert_int_equal(bulkhead_in_flight(&upstream->bulkhead), 0);
}

static void a_hint_is_not_read_though_the_response_is_there(void **state)
{
	struct fake fake = { .number = 1 };

	(void)state;
	begin_unread_hint(&fake);
	unread_bytes = 100;
	expect_its_place();
}

static void a_hint_is_not_read_until_the_upstreams_time_is_over(void **state)
{
	struct fake fake = { .number = 1 };

	(void)state;
	begin_unread_hint(&fake)->timeline.sent_us -= (uint64_t)config->upstreams[0].response_timeout_ms * 1000;
	expect_its_place();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_filter_lets_pass, set_up_filter, tear_down_filter),
		cmocka_unit_test_setup_teardown(a_filter_refuses, set_up_filter, tear_down_filter),
		cmocka_unit_test_setup_teardown(a_filter_waits, set_up_filter, tear_down_filter),
		cmocka_unit_test_setup_teardown(a_client_leaves_while_a_filter_waits, set_up_filter, tear_down_filter),
		cmocka_unit_test_setup_teardown(two_requests_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_goes_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_that_is_broken_goes_no_further, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_endpoint_is_tried_where_no_local_port_is_free, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_hint_is_not_read_though_the_response_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_hint_is_not_read_until_the_upstreams_time_is_over, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
