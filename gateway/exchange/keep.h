/* Keeps requests that failed or were slow, for /requests. Costs no other request anything. */
#ifndef GATEWAY_EXCHANGE_KEEP_H
#define GATEWAY_EXCHANGE_KEEP_H

#include <stdint.h>

struct exchange;
struct worker;

/* Called at the end of the request, if it failed or took config->slow_ms or longer. */
void keep_request(const struct exchange *exchange, uint64_t now_us);
/* Sends the control thread a copy of the kept requests. Out of memory: sends nothing, and the control thread soon stops
 * waiting. */
void keep_tell(struct worker *worker, uint64_t question);

#endif
