/* Memory that libevent can count on when there is no other. Call once, before anything else of libevent. */
#ifndef GATEWAY_NET_RESERVE_H
#define GATEWAY_NET_RESERVE_H

void reserve_begin(void);

#endif
