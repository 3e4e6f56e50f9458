/*
 * /proc/self/cgroup says where we are; every level above us may have a limit and the smallest counts. Inside a container
 * with its own cgroup namespace the path is "/" and the file stands at the mount point.
 *
 *   v2   "0::/path"               /sys/fs/cgroup/path/cpu.max             "max 100000" or "150000 100000"
 *                                 /sys/fs/cgroup/path/memory.max          "max" or 67108864
 *   v1   "4:cpu,cpuacct:/path"    /sys/fs/cgroup/cpu/path/cpu.cfs_*_us    -1 or 150000, and 100000
 *        "7:memory:/path"         /sys/fs/cgroup/memory/path/memory.limit_in_bytes   67108864; more than 2^60 is none
 */
#include "gateway/base/cgroup.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");
	bool is_read;

	if (file == NULL)
		return false;
	is_read = fgets(line, size, file) != NULL;
	fclose(file);
	return is_read;
}

static unsigned cpus_of(long long quota, long long period)
{
	if (quota <= 0 || period <= 0)
		return 0;
	quota = (quota + period - 1) / period;
	return quota > UINT_MAX ? 0 : (unsigned)quota;
}

static uint64_t quota_v2(const char *folder)
{
	char path[PATH_MAX], line[128];
	long long quota, period;

	if (snprintf(path, sizeof path, "%s/cpu.max", folder) >= (int)sizeof path || !read_line(path, line, sizeof line) ||
	    sscanf(line, "%lld %lld", &quota, &period) != 2)
		return 0;
	return cpus_of(quota, period);
}

static uint64_t quota_v1(const char *folder)
{
	char path[PATH_MAX], line[128];
	long long quota, period;

	if (snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder) >= (int)sizeof path ||
	    !read_line(path, line, sizeof line) || sscanf(line, "%lld", &quota) != 1)
		return 0;
	snprintf(strrchr(path, '/'), sizeof "/cpu.cfs_period_us", "/cpu.cfs_period_us");
	if (!read_line(path, line, sizeof line) || sscanf(line, "%lld", &period) != 1)
		return 0;
	return cpus_of(quota, period);
}

static uint64_t memory_at(const char *folder, const char *name)
{
	char path[PATH_MAX], line[128];
	unsigned long long bytes;

	if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path || !read_line(path, line, sizeof line) ||
	    sscanf(line, "%llu", &bytes) != 1)
		return 0;
	return bytes > 1ULL << 60 ? 0 : bytes;
}

static uint64_t memory_v2(const char *folder)
{
	return memory_at(folder, "memory.max");
}

static uint64_t memory_v1(const char *folder)
{
	return memory_at(folder, "memory.limit_in_bytes");
}

static const struct limit_kind {
	const char *controller; /* v1 */
	uint64_t (*read_v2)(const char *folder), (*read_v1)(const char *folder);
} cpu = { "cpu", quota_v2, quota_v1 }, memory = { "memory", memory_v2, memory_v1 };

/* The smallest limit of `path` and everything above it. */
static uint64_t least_above(const char *mount, char *path, uint64_t (*read)(const char *folder))
{
	char folder[PATH_MAX];
	uint64_t least = 0;
	char *slash;

	for (;;) {
		uint64_t limit = 0;

		if (snprintf(folder, sizeof folder, "%s%s", mount, path) < (int)sizeof folder)
			limit = read(folder);
		if (limit != 0 && (least == 0 || limit < least))
			least = limit;
		slash = strrchr(path, '/');
		if (slash == NULL)
			return least;
		*slash = '\0';
	}
}

static bool has_controller(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at != NULL; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

static uint64_t least_limit(const char *root, const struct limit_kind *kind)
{
	char file_name[PATH_MAX], mount[PATH_MAX], line[PATH_MAX];
	uint64_t least = 0;
	FILE *file;

	snprintf(file_name, sizeof file_name, "%s/proc/self/cgroup", root);
	file = fopen(file_name, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof line, file) != NULL) {
		char *controllers = strchr(line, ':'), *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
		uint64_t limit = 0;
		bool is_v2;

		if (path == NULL)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		controllers++;
		is_v2 = *controllers == '\0';
		if (!is_v2 && !has_controller(controllers, kind->controller))
			continue;
		if (snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root, is_v2 ? "" : "/", is_v2 ? "" : kind->controller) <
		    (int)sizeof mount)
			limit = least_above(mount, path, is_v2 ? kind->read_v2 : kind->read_v1);
		if (limit != 0 && (least == 0 || limit < least))
			least = limit;
	}
	fclose(file);
	return least;
}

unsigned cgroup_quota(const char *root)
{
	return (unsigned)least_limit(root, &cpu);
}

uint64_t cgroup_memory(const char *root)
{
	return least_limit(root, &memory);
}

unsigned cgroup_cpus(void)
{
	unsigned quota = cgroup_quota(""), cpus = 1;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		cpus = (unsigned)CPU_COUNT(&set);
	return quota != 0 && quota < cpus ? quota : cpus;
}
