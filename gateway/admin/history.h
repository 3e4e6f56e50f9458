/*
 * The history of each upstream, which is kept even if nobody watches: the totals of the last ten seconds (hystrix.h) and the
 * trend of the last two minutes (trend.h).
 */
#ifndef GATEWAY_ADMIN_HISTORY_H
#define GATEWAY_ADMIN_HISTORY_H

#include <jansson.h>
#include <stddef.h>

#include "gateway/admin/trend.h"
#include "gateway/admin/view.h"

struct history;

/* NULL: out of memory. `view` must outlive it. */
struct history *history_new(const struct admin_view *view);
void history_free(struct history *history);
/* Every HYSTRIX_TURN_MS. Adds the messages of this turn, deletions included, to `messages`, an array; NULL: nobody watches. */
void history_turn(struct history *history, json_t *messages);
/* The totals kept of an upstream; NULL: nothing yet. */
const struct trend *history_trend(const struct history *history, const char *upstream);
/* The messages of now, one for each upstream. A new array; NULL: out of memory. */
json_t *history_messages(const struct history *history);
/* How many seconds have been counted. */
uint64_t history_seconds(const struct history *history);

#endif
