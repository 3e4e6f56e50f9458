/* Memory that libevent can use when malloc() fails. Call once, before any other function of libevent. */
#ifndef GATEWAY_NET_RESERVE_H
#define GATEWAY_NET_RESERVE_H

void reserve_begin(void);

#endif
