#include "gateway/net/redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/container.h"
#include "gateway/net/redis_command.h"
#include "gateway/net/socket.h"
#include "gateway/net/stream.h"

enum {
	LATE_MS = 5,         /* a server that takes longer for one answer is late */
	SILENCE_MS = 1000,   /* after so long without an answer the connection is closed */
	PAUSE_LEAST_MS = 50, PAUSE_MOST_MS = 2000,
	REPLY_BYTES_MAX = 64 * 1024, SHA_LENGTH = 40, WHY_MAX = 160,
};

struct redis_call {
	struct ring ring;
	struct redis *redis;
	redis_on_answer *on_answer; /* NULL: given up */
	void *context;
	uint64_t asked_ms;
	bool is_sent;
	size_t length;
	char command[];
};

struct redis {
	const struct redis_settings *settings;
	struct io *io;
	enum { REDIS_IDLE, REDIS_CONNECTING, REDIS_GREETING, REDIS_READY } state;
	struct stream stream;
	struct deadline deadline; /* for connecting and greeting */
	redisReader *reader;
	size_t unread_bytes; /* of an incomplete reply */
	unsigned greetings;  /* replies that come before those of calls */
	char sha[SHA_LENGTH];
	struct ring calls;   /* in the order of their replies; the first call was sent first */
	bool is_late;
	const char *failing; /* why; the deadline then ends the connection, as redis_call() calls nobody back */
	uint32_t pause_ms;   /* 0: the last connection was fine */
	uint64_t retry_ms;
};

/* ---- the end of a connection --------------------------------------------------------------------------------- */

static void tell(struct redis_call *call, const int64_t numbers[REDIS_NUMBERS])
{
	redis_on_answer *on_answer = call->on_answer;
	void *context = call->context;

	free(call);
	if (on_answer != NULL)
		on_answer(context, numbers);
}

/* Ends all of them, whatever their callbacks do. */
static void end_calls(struct ring *calls, bool tells)
{
	for (struct ring *at = calls->next, *next; at != calls; at = next) {
		struct redis_call *call = container_of(at, struct redis_call, ring);

		next = at->next;
		call->on_answer = tells ? call->on_answer : NULL;
		tell(call, NULL);
	}
	ring_init(calls);
}

static void fail(struct redis *redis, const char *why)
{
	struct ring calls;

	redis->state = REDIS_IDLE;
	stream_close(&redis->stream, false);
	deadline_clear(&redis->deadline);
	redis->pause_ms = redis->pause_ms == 0 ? PAUSE_LEAST_MS
	                  : redis->pause_ms < PAUSE_MOST_MS / 2 ? redis->pause_ms * 2 : PAUSE_MOST_MS;
	redis->retry_ms = io_now_ms(redis->io) + redis->pause_ms;
	redis->is_late = false;
	redis->failing = NULL;
	ring_move(&redis->calls, &calls);
	redis->settings->on_down(redis->settings->context, why);
	end_calls(&calls, true);
}

static void fail_soon(struct redis *redis, const char *why)
{
	redis->failing = why;
	deadline_set(&redis->io->deadlines, &redis->deadline, io_now_ms(redis->io));
}

/* ---- commands ------------------------------------------------------------------------------------------------ */

static bool send_bytes(struct redis *redis, char *bytes, size_t length)
{
	enum send_result result = stream_send(&redis->stream, &(struct iovec){ bytes, length }, 1);

	return result == SEND_DONE || result == SEND_PENDING;
}

static bool greet_with(struct redis *redis, const struct slice *words, unsigned count)
{
	char *command = malloc(redis_command_room(words, count));
	bool is_sent = command != NULL && send_bytes(redis, command, redis_command_write(command, words, count));

	if (command != NULL)
		explicit_bzero(command, redis_command_room(words, count));
	free(command);
	redis->greetings += is_sent;
	return is_sent;
}

#define slice_of(text) ((struct slice){ (text), strlen(text) })

static bool greet(struct redis *redis)
{
	const struct redis_settings *settings = redis->settings;
	char database[16];
	struct slice auth[3] = { SLICE("AUTH") };
	unsigned words = 1;

	if (settings->user != NULL)
		auth[words++] = slice_of(settings->user);
	if (settings->password != NULL)
		auth[words++] = slice_of(settings->password);
	if (words > 1 && !greet_with(redis, auth, words))
		return false;
	snprintf(database, sizeof database, "%u", settings->database);
	if (settings->database != 0 && !greet_with(redis, (struct slice[]){ SLICE("SELECT"), slice_of(database) }, 2))
		return false;
	return greet_with(redis, (struct slice[]){ SLICE("SCRIPT"), SLICE("LOAD"), slice_of(settings->script) }, 3);
}

#define BEFORE_SHA "*6\r\n$7\r\nEVALSHA\r\n$40\r\n" /* so begins each call */

static bool send_call(struct redis *redis, struct redis_call *call)
{
	memcpy(call->command + sizeof BEFORE_SHA - 1, redis->sha, SHA_LENGTH); /* where redis_call() left room for it */
	call->is_sent = true;
	return send_bytes(redis, call->command, call->length);
}

/* ---- replies ------------------------------------------------------------------------------------------------- */

static void become_ready(struct redis *redis)
{
	redis->state = REDIS_READY;
	redis->pause_ms = 0;
	deadline_clear(&redis->deadline);
	redis->settings->on_up(redis->settings->context);
	for (struct ring *at = redis->calls.next; at != &redis->calls; at = at->next) {
		if (send_call(redis, container_of(at, struct redis_call, ring)))
			continue;
		fail(redis, "it can't be written to");
		return;
	}
}

static void take_greeting(struct redis *redis, const redisReply *reply)
{
	if (--redis->greetings > 0)
		return;
	if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_LENGTH) {
		fail(redis, "it does not speak as Redis does");
		return;
	}
	memcpy(redis->sha, reply->str, SHA_LENGTH);
	become_ready(redis);
}

/* How long the oldest call has been under way. */
static uint64_t waited_ms(const struct redis *redis)
{
	return ring_is_empty(&redis->calls)
	               ? 0 : io_now_ms(redis->io) - container_of(redis->calls.next, struct redis_call, ring)->asked_ms;
}

static void take_answer(struct redis *redis, const redisReply *reply)
{
	struct redis_call *first;
	int64_t numbers[REDIS_NUMBERS];

	if (ring_is_empty(&redis->calls) || reply->type != REDIS_REPLY_ARRAY || reply->elements != REDIS_NUMBERS) {
		fail(redis, "it does not answer as the script would");
		return;
	}
	for (size_t i = 0; i < REDIS_NUMBERS; i++)
		numbers[i] = reply->element[i]->type == REDIS_REPLY_INTEGER ? reply->element[i]->integer : 0;
	first = container_of(redis->calls.next, struct redis_call, ring);
	ring_remove(&first->ring);
	redis->is_late = redis->is_late && waited_ms(redis) > LATE_MS;
	tell(first, numbers);
}

/* The server's own words, cut short for the log. */
static void fail_with_error(struct redis *redis, const redisReply *reply)
{
	char why[WHY_MAX];

	snprintf(why, sizeof why, "%.*s", (int)(reply->len < WHY_MAX ? reply->len : WHY_MAX - 1), reply->str);
	fail(redis, why);
}

static void on_bytes(struct stream *stream, char *bytes, size_t length)
{
	struct redis *redis = container_of(stream, struct redis, stream);
	redisReply *reply = NULL;

	redis->unread_bytes += length;
	if (!redis_reader_feed(redis->reader, bytes, length)) {
		fail(redis, "it does not speak as Redis does");
		return;
	}
	/* The callback may cause the connection to fail. */
	while (redis->state >= REDIS_GREETING) {
		if (!redis_reader_get(redis->reader, &reply) || (reply == NULL && redis->unread_bytes > REPLY_BYTES_MAX)) {
			fail(redis, "it does not speak as Redis does");
			return;
		}
		if (reply == NULL)
			return;
		redis->unread_bytes = 0;
		if (reply->type == REDIS_REPLY_ERROR)
			fail_with_error(redis, reply);
		else if (redis->state == REDIS_GREETING)
			take_greeting(redis, reply);
		else
			take_answer(redis, reply);
		redis_reader_free_reply(reply);
	}
}

/* ---- connecting ---------------------------------------------------------------------------------------------- */

static void on_connected(struct stream *stream)
{
	struct redis *redis = container_of(stream, struct redis, stream);

	redis->state = REDIS_GREETING;
	redis->greetings = 0;
	if (!greet(redis))
		fail(redis, "it can't be written to");
}

static void on_error(struct stream *stream, int error)
{
	fail(container_of(stream, struct redis, stream), strerror(error));
}

static void on_closed(struct stream *stream)
{
	fail(container_of(stream, struct redis, stream), "it closed the connection");
}

static void on_drained(struct stream *stream) { (void)stream; }
static const struct stream_events events = {
	.on_bytes = on_bytes, .on_end = on_closed, .on_error = on_error, .on_drained = on_drained, .on_send_failed = on_closed,
	.on_connected = on_connected,
};

static void on_due(struct deadline *deadline)
{
	struct redis *redis = container_of(deadline, struct redis, deadline);

	fail(redis, redis->failing != NULL ? redis->failing : "it does not answer");
}

/* Returns NULL if the connection is under way, else why it is not. */
static const char *open_connection(struct redis *redis)
{
	struct address address;
	int fd;

	if (!redis->settings->find(redis->settings->context, &address))
		return "its name has no address";
	fd = socket_connect(&address);
	if (fd < 0)
		return strerror(errno);
	return stream_open(&redis->stream, redis->io, fd, true, &events) ? NULL : "out of memory";
}

static void begin_connecting(struct redis *redis)
{
	const char *why;

	if (redis->reader != NULL)
		redis_reader_free(redis->reader);
	redis->reader = redis_reader_new();
	redis->unread_bytes = 0;
	redis->state = REDIS_CONNECTING;
	deadline_set(&redis->io->deadlines, &redis->deadline, io_now_ms(redis->io) + SILENCE_MS);
	why = redis->reader == NULL ? "out of memory" : open_connection(redis);
	if (why != NULL)
		fail(redis, why);
}

/* ---- for callers --------------------------------------------------------------------------------------------- */

/* May a call begin now? The first call waits for the connection. If the connection was lost, no call waits. */
static bool may_call(struct redis *redis)
{
	if (redis->state == REDIS_IDLE && io_now_ms(redis->io) >= redis->retry_ms)
		begin_connecting(redis);
	if (redis->state != REDIS_READY)
		return redis->state != REDIS_IDLE && redis->pause_ms == 0;
	if (redis->is_late && redis->failing == NULL && waited_ms(redis) > SILENCE_MS)
		fail_soon(redis, "it does not answer");
	return !redis->is_late && redis->failing == NULL;
}

struct redis_call *redis_call(struct redis *redis, struct slice key, const struct slice arguments[REDIS_ARGUMENTS],
                              redis_on_answer *on_answer, void *context)
{
	static const char hole[] = "????????????????????????????????????????"; /* for the hash that names the script */
	const struct slice words[] = { SLICE("EVALSHA"), SLICE(hole), SLICE("1"), key, arguments[0], arguments[1] };
	enum { WORDS = sizeof words / sizeof words[0] };
	struct redis_call *call = may_call(redis) ? malloc(sizeof *call + redis_command_room(words, WORDS)) : NULL;

	if (call == NULL)
		return NULL;
	*call = (struct redis_call){ .redis = redis, .on_answer = on_answer, .context = context, .asked_ms = io_now_ms(redis->io) };
	call->length = redis_command_write(call->command, words, WORDS);
	ring_append(&redis->calls, &call->ring);
	if (redis->state != REDIS_READY || send_call(redis, call))
		return call;
	ring_remove(&call->ring);
	free(call);
	fail_soon(redis, "it can't be written to");
	return NULL;
}

void redis_give_up(struct redis_call *call, bool is_late)
{
	call->on_answer = NULL;
	call->redis->is_late = call->redis->is_late || (is_late && call->is_sent);
}

struct redis *redis_new(struct io *io, const struct redis_settings *settings)
{
	struct redis *redis = calloc(1, sizeof *redis);

	if (redis == NULL)
		return NULL;
	redis->io = io;
	redis->settings = settings;
	redis->stream.fd = -1;
	ring_init(&redis->calls);
	deadline_init(&redis->deadline, on_due);
	return redis;
}

void redis_free(struct redis *redis)
{
	stream_close(&redis->stream, false);
	deadline_remove(&redis->io->deadlines, &redis->deadline);
	end_calls(&redis->calls, false);
	if (redis->reader != NULL)
		redis_reader_free(redis->reader);
	free(redis);
}
