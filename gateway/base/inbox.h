/*
 * Messages from any thread to one, behind a mutex.
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
/* Frees the remaining messages, but not what they carry. An inbox of zeros, or one that could not be made, is left alone. */
void inbox_destroy(struct inbox *inbox);
/* Any thread. False: out of memory, nothing was sent. */
bool inbox_send(struct inbox *inbox, int kind, void *subject, void *object);
/* For the owner: the messages in order; each must be freed with free(). */
struct message *inbox_take(struct inbox *inbox);

#endif
