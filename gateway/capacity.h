/* How much the gateway may take on: connections and memory, as configured or worked out from what the process may use. */
#ifndef GATEWAY_CAPACITY_H
#define GATEWAY_CAPACITY_H

#include "routes/config.h"

struct capacity {
	uint32_t connections;  /* of clients */
	uint64_t memory_bytes; /* what peers may make all workers keep (buffer_kept_bytes of their threads) */
};

/* Raises the soft limit of open files to the hard one. Reads /proc and /sys: for start-up. */
struct capacity capacity_find(const struct limits *limits);
/* The arithmetic alone; 0 bytes: no limit of memory is known. */
struct capacity capacity_of(const struct limits *limits, uint64_t descriptors, uint64_t memory_limit_bytes);

#endif
