/*
 * One listening socket of one worker. With SO_REUSEPORT every worker has its own, and the kernel spreads the clients;
 * where the kernel refuses that, all workers share one.
 *
 * The listener accepts until the queue is empty, but at most LISTENER_BATCH connections per loop iteration, so that
 * present clients are served in between. It pauses when descriptors or memory run out, or when the owner says that it
 * is full: it takes its event off the loop until LISTENER_PAUSE_MS have passed or someone calls listener_wake(). So a
 * full gateway sleeps instead of spinning, and clients wait in the kernel's queue.
 */
#ifndef GATEWAY_NET_LISTENER_H
#define GATEWAY_NET_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

#include "routes/address.h"

enum { LISTENER_PAUSE_MS = 100, LISTENER_BATCH = 64 };
enum { LISTENER_FULL = -1 }; /* beside the values of errno: the owner has as many connections as it wants */

struct listener {
	int fd;
	struct address address;
	bool is_paused;
	bool is_finishing;
	struct event event, pause_over;
	bool (*has_room)(struct listener *listener);  /* asked before each accept */
	bool (*make_room)(struct listener *listener); /* frees a descriptor; false: no client can be closed */
	/* Takes the descriptor. Returns 0, or why it takes no more for now: errno or LISTENER_FULL. */
	int (*on_accept)(struct listener *listener, int fd, const struct address *peer);
	void (*on_pause)(struct listener *listener, int error); /* errno or LISTENER_FULL */
	void *owner;
};

/* Opens a socket of each address for each worker, one worker after the other; the caller frees the list. NULL: it
 * failed, and the log says why. */
int *listener_bind(const struct address *list, size_t count, unsigned workers);
/* Takes `fd`, from listener_bind(). False: out of memory. */
bool listener_open(struct listener *listener, struct event_base *base, int fd, const struct address *address);
/* Accepts no more for now; `error` is for on_pause. */
void listener_pause(struct listener *listener, int error);
void listener_wake(struct listener *listener);
/*
 * From now on no new connection begins, but handshakes under way go on and their connections are accepted. To be called a moment
 * before listener_close(): a socket that is just closed resets the connections that the kernel has queued meanwhile, although
 * their clients take them for established. A client that comes after this gets no answer to its SYN: when it repeats it, a
 * second later, the port is closed.
 */
void listener_finish(struct listener *listener);
/* Accepts what is in the kernel's queue, then closes: for those clients the connection is established already. */
void listener_close(struct listener *listener);

#endif
