/* The time of day, for logs and the Date field: a thread reads it once per loop iteration and formats its texts once a
 * second. */
#ifndef GATEWAY_BASE_WALL_H
#define GATEWAY_BASE_WALL_H

#include "gateway/base/text.h"

enum { WALL_ISO = 20 };

/* Zero-initialised = never read. */
struct wall {
	uint64_t iteration_us; /* read then */
	uint64_t s;
	unsigned ms;               /* of the second */
	char date[TEXT_HTTP_DATE]; /* "Sun, 06 Nov 1994 08:49:37 GMT" */
	char iso[WALL_ISO];        /* "1994-11-06T08:49:37." */
};

void wall_read(struct wall *wall);

/* `iteration_us` is the same in a whole loop iteration, and differs in the next. */
static inline const struct wall *wall_now(struct wall *wall, uint64_t iteration_us)
{
	if (wall->iteration_us != iteration_us) {
		wall->iteration_us = iteration_us;
		wall_read(wall);
	}
	return wall;
}

#endif
