/*
 * One connection to a Redis server on a thread's loop, for one script. This is the room of hiredis, which parses the
 * replies. The socket is a stream like all others, so the sandbox allows what it needs. Nothing here ever blocks:
 * neither for a name, nor for a connection, nor for an answer.
 *
 *   IDLE --redis_call--> CONNECTING --> GREETING (AUTH, SELECT, SCRIPT LOAD) --> READY (EVALSHA, any number of them under way)
 *     ^                      |              |                                      |
 *     +---- a pause, longer each time ------+----- any error, no answer in time ---+
 *
 * If a server is late with one answer, the gateway asks it nothing more until that answer has come; meanwhile the
 * callers decide for themselves, without waiting. redis_reader_load() comes first. All functions are for the thread of `io`.
 */
#ifndef GATEWAY_NET_REDIS_H
#define GATEWAY_NET_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/net/redis_reader.h"
#include "routes/address.h"

struct io;
struct redis;
struct redis_call;

enum { REDIS_NUMBERS = REDIS_READER_ELEMENTS, REDIS_ARGUMENTS = 2 };

struct redis_settings {
	const char *user, *password; /* NULL: none */
	unsigned database;
	const char *script; /* takes a key and REDIS_ARGUMENTS arguments, returns REDIS_NUMBERS whole numbers */
	/* Writes the server's present address. False: it is unknown. */
	bool (*find)(void *context, struct address *address);
	/* Called when the server begins to answer, and when it no longer does, with the reason. */
	void (*on_up)(void *context);
	void (*on_down)(void *context, const char *why);
	void *context;
};

/* `numbers` NULL: there is no answer, and none will come. Never called before redis_call() has returned. */
typedef void redis_on_answer(void *context, const int64_t numbers[REDIS_NUMBERS]);

/* NULL: out of memory. The settings must outlive it. */
struct redis *redis_new(struct io *io, const struct redis_settings *settings);
/* Calls nobody back. */
void redis_free(struct redis *redis);
/* NULL: not now. */
struct redis_call *redis_call(struct redis *redis, struct slice key, const struct slice arguments[REDIS_ARGUMENTS],
                              redis_on_answer *on_answer, void *context);
/* The caller waits no longer. `is_late`: because the answer took too long. */
void redis_give_up(struct redis_call *call, bool is_late);

#endif
