/*
 * Whether a password fits a hash. This is the room of crypt(3).
 *
 * bcrypt and its like take a tenth of a second on purpose, so workers never call them. One thread does it for all workers,
 * with a lower priority than theirs. It remembers its results for a while, under a keyed hash of user, password and hash, so
 * that a client pays once. No password stays in memory for longer than the check takes.
 *
 *   worker --passwords_ask--> queue (PASSWORDS_WAITING, of one client PASSWORDS_OF_CLIENT) --> thread --WORKER_RUN--> worker
 *
 * A full queue refuses at once: a flood of wrong passwords delays clients that log in anew, but nobody else.
 */
#ifndef GATEWAY_FILTER_PASSWORDS_H
#define GATEWAY_FILTER_PASSWORDS_H

#include "gateway/worker/worker.h"
#include "routes/htpasswd.h"

enum { PASSWORDS_WAITING = 64, PASSWORDS_OF_CLIENT = 8, PASSWORDS_RIGHT_MS = 5 * 60 * 1000, PASSWORDS_WRONG_MS = 10 * 1000 };

enum password_verdict { PASSWORD_UNKNOWN, PASSWORD_RIGHT, PASSWORD_WRONG };

/* A question. For an unknown user the hash is another user's: that takes as long, and is never right. */
struct password_question {
	const struct basic_credentials *credentials;
	const char *hash;
	bool is_user;
	uint64_t client; /* a number that identifies the client */
};

struct password_check;

/* The remembered answer. Any thread. */
enum password_verdict passwords_look(const struct password_question *question, uint64_t now_ms);
/* Asks the thread; on_answer follows on the worker's, unless the check is cancelled. NULL: the queue is full, or memory is short.
 */
struct password_check *passwords_ask(struct worker *worker, const struct password_question *question,
                                     void (*on_answer)(void *context, enum password_verdict verdict), void *context);
/* The worker's thread. */
void passwords_cancel(struct password_check *check);

/* The hash for an unknown user; NULL: the file has no users. */
const char *passwords_decoy(const struct htpasswd *users, const char *name);

/* For the control thread: starts the thread, if it does not run yet, with a worker's rights. False: errno. */
bool passwords_start(const struct sandbox *sandbox);
/* When no worker runs any more, but before their inboxes are freed: the messages in these are still to be taken. */
void passwords_stop(void);

#endif
