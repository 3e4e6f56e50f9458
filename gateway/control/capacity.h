/* How many connections and how much memory the gateway may use: from the configuration, or from the limits of the process. */
#ifndef GATEWAY_CONTROL_CAPACITY_H
#define GATEWAY_CONTROL_CAPACITY_H

#include "routes/config/config.h"

struct capacity {
	uint32_t connections;  /* of clients */
	uint64_t memory_bytes; /* the bytes that peers may make all workers keep (buffer_kept_bytes of their threads) */
};

/* Raises the soft limit of open files to the hard one. Reads /proc and /sys: for start-up. */
struct capacity capacity_find(const struct limits *limits);
/* The arithmetic alone; 0 bytes: the limit of memory is unknown. */
struct capacity capacity_of(const struct limits *limits, uint64_t descriptors, uint64_t memory_limit_bytes);

#endif
