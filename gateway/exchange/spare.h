/* Makes, reuses and frees exchanges. */
#ifndef GATEWAY_EXCHANGE_SPARE_H
#define GATEWAY_EXCHANGE_SPARE_H

#include "gateway/exchange/state.h"

/* NULL: memory is short; the client is closed, and counted. */
struct exchange *spare_open(struct downstream *downstream, const struct exchange_upcalls *upcalls, uint64_t began_us);
void spare_close(struct exchange *exchange);        /* callers may look at it until the end of the loop iteration */
void spare_free_all(struct worker *worker); /* and those of filters */

#endif
