/*
 * Messages from any thread to one, behind a mutex (crowd.h has the only other).
 *
 * The owner waits for the descriptor to become readable and then takes everything at once. Messages keep their order.
 */
#ifndef GATEWAY_BASE_INBOX_H
#define GATEWAY_BASE_INBOX_H

#include <pthread.h>
#include <stdbool.h>

struct message {
	struct message *next;
	int kind;
	void *subject, *object; /* the kind says what they are and who owns them */
};

struct inbox {
	pthread_mutex_t mutex;
	struct message *first, **last; /* last: NULL where there is no inbox */
	int descriptor; /* an eventfd */
};

/* False: no descriptor left, or memory. */
bool inbox_init(struct inbox *inbox);
/* Frees the messages that are left, not what they carry. One of zeros, or that could not be made, is left alone. */
void inbox_destroy(struct inbox *inbox);
/* Any thread. False: memory is short, nothing was sent. */
bool inbox_send(struct inbox *inbox, int kind, void *subject, void *object);
/* The owner: the messages in order; each to be freed with free(). */
struct message *inbox_take(struct inbox *inbox);

#endif
