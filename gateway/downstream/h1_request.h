/* From a client's bytes to requests. */
#ifndef GATEWAY_DOWNSTREAM_H1_REQUEST_H
#define GATEWAY_DOWNSTREAM_H1_REQUEST_H

#include "gateway/downstream/h1_client.h"
#include "gateway/exchange/outcome.h"

/* Continues with the request that waits in `held`. */
void h1_request_run(struct client *client);
void h1_request_read_fresh(struct client *client, char *bytes, size_t length); /* nothing is held */
void h1_request_read_held(struct client *client);                              /* `held` has grown, or its turn has come */
/* While an exchange is under way: the rest of its request's body, then what came too early. */
void h1_request_read_body(struct client *client, char *bytes, size_t length);
/* The held part of a head will never be complete. */
void h1_request_give_up_head(struct client *client, enum outcome outcome);
/* There is no room for its bytes; `bytes` begin its request. Closes it: counted, and with a line in the log as for every
 * request. */
void h1_request_shed(struct client *client, const char *bytes, size_t length);

#endif
