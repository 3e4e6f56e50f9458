/*
 * What the filters of the world's routes must do, as clients, the upstreams and the authentication service see it: which requests
 * may reach an upstream and with which fields, and what clients never get. It knows the routes (rules_config) but shares no line
 * with the gateway.
 *
 * The strict judge reads what a client asks for before the gateway gets it. A request that reaches an upstream must be one of those
 * that its client has asked for, in their order, and one that the filters of its route let through. Where the strict judge can't
 * follow a client any more, only what can be said without it is checked.
 */
#ifndef TESTS_FUZZ_RULES_H
#define TESTS_FUZZ_RULES_H

#include "tests/fuzz/world.h"

enum { RULES_SERVER = 3 /* D, the authentication service */, RULES_ARRIVALS = 512 };

/* The upstreams and the routes of a configuration with filters. */
extern const char rules_config[];
/* Files that it names; NULL: there is none. */
const char *rules_file(const char *path);

/* From now on all requests are those of that configuration's routes; until rules_end(). */
void rules_begin(void);
void rules_end(void);

/* A client sends. */
void rules_client_sends(struct peer *client, uint8_t byte);
/* The text of a token: \j and a digit in a step; NULL: there is none. */
const char *rules_token(unsigned number);
/* The head of a request has reached an upstream, as arrival `number`. */
void rules_arrive(int number, const struct peer *connection, struct peer *client);
/* ... and now all of it. */
void rules_arrive_whole(const struct peer *connection);
/* So much of the answer to this request its route may let through, whether or not the rules hold. */
uint64_t rules_body_most(const struct judge *request);
/* An upstream has sent the head of its answer to this arrival. */
void rules_answer(int number, const struct peer *connection);
/* An upstream answers what it has not read the head of. */
void rules_answer_early(void);
/* A client got a response's head, be it an interim one; more of its body. */
void rules_respond(struct peer *client, bool is_interim);
void rules_take_body(const struct peer *client);

#endif
