/*
 * One listening socket of one worker (SO_REUSEPORT: every worker has its own, the kernel spreads the clients).
 *
 * Accepts until there is nothing more, but at most LISTENER_BATCH in one turn of the loop: clients that are in get their turn.
 * When descriptors or memory run out, or the owner says that it is full, it rests: its event is taken off the loop until
 * LISTENER_REST_MS have passed or listener_wake() is called, so a full gateway sleeps instead of spinning, and clients wait in
 * the kernel's queue.
 */
#ifndef GATEWAY_NET_LISTENER_H
#define GATEWAY_NET_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

#include "routes/address.h"

enum { LISTENER_REST_MS = 100, LISTENER_BATCH = 64 };

struct listener {
	int fd;
	struct address address;
	bool is_resting;
	struct event event, rest_over;
	bool (*has_room)(struct listener *listener);  /* asked before each accept */
	bool (*make_room)(struct listener *listener); /* frees a descriptor; false: there is nobody to part with */
	/* Takes the descriptor. False: no more for now. */
	bool (*on_accept)(struct listener *listener, int fd, const struct address *peer);
	void (*on_rest)(struct listener *listener, int error); /* errno of accept4, or 0: full */
	void *owner;
};

/* A socket of each address for each worker, one worker after the other; the caller frees the list. NULL: there is none, and the
 * log says why. */
int *listener_bind(const struct address *list, size_t count, unsigned workers);
/* Takes `fd`, from listener_bind(). False: memory is short. */
bool listener_open(struct listener *listener, struct event_base *base, int fd, const struct address *address);
/* Accepts no more for now; `error` is for on_rest. */
void listener_rest(struct listener *listener, int error);
void listener_wake(struct listener *listener);
/* Accepts what is in the kernel's queue, then closes: for those clients the connection is established. */
void listener_close(struct listener *listener);

#endif
