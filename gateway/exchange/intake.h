/* A request at its arrival. */
#ifndef GATEWAY_EXCHANGE_INTAKE_H
#define GATEWAY_EXCHANGE_INTAKE_H

#include "gateway/exchange/state.h"
#include "routes/path.h"

/* Copies what the log and the answers need; `request` points into `begin`. False: memory is short. */
bool intake_keep(struct exchange *exchange, const struct request *request, const char *begin);
/* The same for a refused request: ignores the fields of its head. */
void intake_keep_line(struct exchange *exchange, const struct request *request);
/* The route of a request. */
struct intake_route {
	struct path_result normal; /* the path for matching and for the upstream */
	struct slice removed; /* by intake_rewrite(): the part before the new path, if the old one ended with it */
	enum route_verdict verdict;
};
/* STEP_NEXT, or STEP_FAIL: it has none. */
struct step intake_find_route(struct exchange *exchange, const struct request *request, struct intake_route *found);
/* STEP_NEXT, or STEP_FAIL: it must not take it. */
struct step intake_check_route(struct exchange *exchange, const struct request *request, const struct intake_route *found);
/* Rewrites the path by the route's expression: STEP_NEXT, or STEP_FAIL. */
struct step intake_rewrite(struct exchange *exchange, const struct request *request, struct intake_route *found);
/* For a request that waits or may take a detour, because a parsed request does not outlive a callback. `begin` as above.
 * False: memory is short. */
struct intake_saved {
	struct request request;
	struct field fields[];
};
bool intake_save(struct exchange *exchange, const struct request *request, const char *begin);
const struct request *intake_saved(struct exchange *exchange, struct intake_route *found);
void intake_forget(struct exchange *exchange);
/* Writes the upstream's head into exchange->head. False: memory is short. */
bool intake_write_head(struct exchange *exchange, const struct request *request, const struct intake_route *found);

#endif
