/*
 * Descriptors: a client needs one, its request another one at the upstream, and about a hundred go to listeners, loops, logs,
 * resolver and admin listener. So clients get half of the rest: then no request fails for lack of a descriptor.
 *
 * Memory: the container's limit, in eighths.
 *
 *     4  bytes that peers make the workers keep: heads that come in pieces, bodies kept for another try, responses that their
 *        client does not read (limits.memory)
 *     2  the cost of connections without such bytes: 0.6 KiB for an idle one, under 3 KiB with a request under way
 *     2  everything else: program and libraries, scratch buffers, spare exchanges, logs, the control thread
 *
 * In 64 MiB that is 32 MiB of bytes and 5462 connections of 3 KiB. The kernel's socket buffers come on top; the kernel
 * shrinks them itself when a container's memory is short.
 */
#include "gateway/control/capacity.h"

#include <sys/resource.h>
#include <unistd.h>

#include "gateway/base/cgroup.h"

enum { OWN_DESCRIPTORS = 100, CONNECTION_BYTES = 3 * 1024 };

#define LEAST_MEMORY (UINT64_C(8) << 20)
#define MOST_MEMORY (UINT64_C(256) << 20)

static uint32_t connections_of(uint64_t descriptors, uint64_t memory_limit_bytes)
{
	uint64_t most = descriptors > OWN_DESCRIPTORS + 100 ? (descriptors - OWN_DESCRIPTORS) / 2 : 50;

	if (memory_limit_bytes != 0 && memory_limit_bytes / 4 / CONNECTION_BYTES < most)
		most = memory_limit_bytes / 4 / CONNECTION_BYTES + 1;
	return most < 1000000 ? (uint32_t)most : 1000000;
}

static uint64_t memory_of(uint64_t memory_limit_bytes)
{
	if (memory_limit_bytes == 0 || memory_limit_bytes / 2 > MOST_MEMORY)
		return MOST_MEMORY;
	return memory_limit_bytes / 2 > LEAST_MEMORY ? memory_limit_bytes / 2 : LEAST_MEMORY;
}

struct capacity capacity_of(const struct limits *limits, uint64_t descriptors, uint64_t memory_limit_bytes)
{
	return (struct capacity){
		.connections = limits->connections != 0 ? limits->connections : connections_of(descriptors, memory_limit_bytes),
		.memory_bytes = limits->memory_bytes != 0 ? limits->memory_bytes : memory_of(memory_limit_bytes),
	};
}

static uint64_t find_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1024;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur;
}

struct capacity capacity_find(const struct limits *limits)
{
	return capacity_of(limits, find_descriptors(), cgroup_memory(""));
}
