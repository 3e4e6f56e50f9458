/* Timers of libevent, in milliseconds. */
#ifndef GATEWAY_NET_TIMER_H
#define GATEWAY_NET_TIMER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

/* Fires once, so long from now; a timer that is set already is moved. False: out of memory. */
static inline bool timer_set(struct event *timer, uint64_t wait_ms)
{
	return event_add(timer, &(struct timeval){ .tv_sec = (time_t)(wait_ms / 1000),
	                                           .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000) }) == 0;
}

#endif
