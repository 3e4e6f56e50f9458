/* The resources that this process may use: the CPUs that its affinity and the cgroup's quota allow, and the cgroup's
 * memory. */
#ifndef GATEWAY_BASE_CGROUP_H
#define GATEWAY_BASE_CGROUP_H

#include <stdint.h>

/* At least 1. Reads /proc and /sys once; meant for start-up. */
unsigned cgroup_cpus(void);
/* The quota alone, rounded up; 0 = none. `root` stands for "/" (tests). */
unsigned cgroup_quota(const char *root);
/* The limit in bytes; 0 = none. `root` as above. */
uint64_t cgroup_memory(const char *root);

#endif
