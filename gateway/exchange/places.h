/*
 * Places in an upstream's bulkhead that slow clients hold. For the worker's thread.
 */
#ifndef GATEWAY_EXCHANGE_PLACES_H
#define GATEWAY_EXCHANGE_PLACES_H

#include "gateway/exchange/state.h"

enum { PLACES_LOOK_AGAIN_MS = 10 }; /* after a vain search */
enum shed_wish { SHED_WISH_PLACE, SHED_WISH_ANY_PLACE, SHED_WISH_STREAM, SHED_WISH_UPLOADS, SHED_WISH_MORE_UPLOADS };

/* Gives the place back that the exchange holds, if it holds any, be it among the streams: for the next. */
void places_give_back(struct exchange *exchange);
/* An upstream's bulkhead is full: frees the place of an exchange that only its own client blocks, the most blocked one first.
 * `is_last_resort`: the gateway is about to refuse a request, so even a client that moves many bytes has to go. False: there
 * is none in this worker; the others search, too. */
bool places_make_room(struct worker *worker, struct upstream *upstream, bool is_last_resort);
/* Complete requests wait longer for the upstream's response than for a connection, or `have_timed_out`: ends the slow uploads
 * that delay it. If it answers nobody else either, ends less slow uploads, too. */
void places_end_uploads(struct worker *worker, struct upstream *upstream, bool have_timed_out);
/* bulkhead.max_streams streams are open: ends the one that has been silent for longest, for at least half of timeouts.idle.
 * False: there is none in this worker; the others search, for the next request. */
bool places_make_room_for_stream(struct worker *worker, struct upstream *upstream);
/* Another worker found none. Takes the reference. */
void places_on_wish(struct worker *worker, struct upstream *upstream, enum shed_wish wish);
/* The tunnel or event stream (of any upstream: NULL) that has been silent longest, for at least half of timeouts.idle: one
 * that sends something more often is in use. NULL: there is none. */
struct exchange *places_find_stream(struct worker *worker, const struct upstream *upstream);

#endif
