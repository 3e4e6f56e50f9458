/* What the gateway takes on: worked out from descriptors and the cgroup's memory, and that read from folders like the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "gateway/base/cgroup.h"
#include "gateway/control/capacity.h"
#include "tests/unit/remove_folder.h"

#define MIB (UINT64_C(1) << 20)

static const struct limits automatic;

static void half_of_the_descriptors_are_clients(void **state)
{
	(void)state;
	assert_int_equal(capacity_of(&automatic, 1000, 0).connections, 450);
	assert_int_equal(capacity_of(&automatic, 20100, 0).connections, 10000);
	assert_int_equal(capacity_of(&automatic, 64, 0).connections, 50);
	assert_int_equal(capacity_of(&automatic, UINT64_MAX, 0).connections, 1000000);
}

static void a_small_container_takes_fewer(void **state)
{
	struct capacity small = capacity_of(&automatic, 1048576, 64 * MIB);

	(void)state;
	assert_int_equal(small.connections, 5462);
	assert_int_equal(small.memory_bytes, 32 * MIB);
	assert_true(small.connections * UINT64_C(3) * 1024 + small.memory_bytes < 50 * MIB);
	assert_int_equal(capacity_of(&automatic, 1000, 64 * MIB).connections, 450);
	assert_int_equal(capacity_of(&automatic, 1000, 4 * MIB).memory_bytes, 8 * MIB);
	assert_int_equal(capacity_of(&automatic, 1000, 4096 * MIB).memory_bytes, 256 * MIB);
}

static void the_written_value_counts(void **state)
{
	struct limits written = { .connections = 7, .memory_bytes = 3 * MIB };

	(void)state;
	assert_int_equal(capacity_of(&written, 1000, 64 * MIB).connections, 7);
	assert_int_equal(capacity_of(&written, 1000, 64 * MIB).memory_bytes, 3 * MIB);
}

/* ---- the cgroup -------------------------------------------------------------------------------------------------- */

static void put(const char *root, const char *path, const char *text)
{
	char name[512];
	FILE *to;

	snprintf(name, sizeof name, "%s/%s", root, path);
	for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
		*slash = '\0';
		mkdir(name, 0700);
	}
	to = fopen(name, "w");
	assert_non_null(to);
	fputs(text, to);
	assert_int_equal(fclose(to), 0);
}

static char *new_root(char *pattern)
{
	assert_non_null(mkdtemp(pattern));
	return pattern;
}

static void memory_of_v2(void **state)
{
	char pattern[] = "/tmp/gateway-cgroup-XXXXXX", *root = new_root(pattern);

	(void)state;
	put(root, "proc/self/cgroup", "0::/outer/inner\n");
	assert_int_equal(cgroup_memory(root), 0);
	put(root, "sys/fs/cgroup/outer/inner/memory.max", "max\n");
	assert_int_equal(cgroup_memory(root), 0);
	put(root, "sys/fs/cgroup/outer/memory.max", "67108864\n");
	assert_int_equal(cgroup_memory(root), 64 * MIB);
	put(root, "sys/fs/cgroup/outer/inner/memory.max", "33554432\n");
	assert_int_equal(cgroup_memory(root), 32 * MIB);
	put(root, "sys/fs/cgroup/outer/cpu.max", "150000 100000\n");
	assert_int_equal(cgroup_quota(root), 2);
	assert_int_equal(remove_folder(root), 0);
}

static void memory_of_v1(void **state)
{
	char pattern[] = "/tmp/gateway-cgroup-XXXXXX", *root = new_root(pattern);

	(void)state;
	put(root, "proc/self/cgroup", "8:pids:/\n4:memory:/docker/x\n0::/\n");
	put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	assert_int_equal(cgroup_memory(root), 0);
	put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n");
	assert_int_equal(cgroup_memory(root), 128 * MIB);
	assert_int_equal(remove_folder(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_of_the_descriptors_are_clients), cmocka_unit_test(a_small_container_takes_fewer),
		cmocka_unit_test(the_written_value_counts),              cmocka_unit_test(memory_of_v2),
		cmocka_unit_test(memory_of_v1),
	};

	return cmocka_run_group_tests_name("capacity", tests, NULL, NULL);
}
