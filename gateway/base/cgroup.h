/* How many CPUs this process may use: those it may be scheduled on, and no more than the cgroup's quota pays for. */
#ifndef GATEWAY_BASE_CGROUP_H
#define GATEWAY_BASE_CGROUP_H

/* At least 1. Reads /proc and /sys once; meant for start-up. */
unsigned cgroup_cpus(void);
/* The quota alone, rounded up; 0 = none. `root` stands for "/" (tests). */
unsigned cgroup_quota(const char *root);

#endif
