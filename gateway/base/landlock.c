/*
 * The system calls by number, because Debian 12 has no library for them. Each version of the interface (abi) added more; its
 * headers end with the second, so what came later is written out here.
 */
#include "gateway/base/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)      /* abi 3 */
#define ACCESS_NET_BIND_TCP (UINT64_C(1) << 0)      /* abi 4 */
#define ACCESS_FS_IOCTL_DEVICE (UINT64_C(1) << 15)  /* abi 5 */
#define ACCESS_FS_FIRST ((UINT64_C(1) << 13) - 1)   /* abi 1 */

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | ACCESS_FS_TRUNCATE)
#define OF_A_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE)

struct ruleset { /* struct landlock_ruleset_attr, as of abi 4 */
	uint64_t files, network;
};

static uint64_t files_of(int abi)
{
	uint64_t files = ACCESS_FS_FIRST;

	if (abi >= 2)
		files |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		files |= ACCESS_FS_TRUNCATE;
	if (abi >= 5)
		files |= ACCESS_FS_IOCTL_DEVICE;
	return files;
}

struct landlock landlock_begin(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock landlock = { .abi = abi > 0 ? (int)abi : 0, .ruleset = -1 };
	struct ruleset ruleset = { .files = files_of(landlock.abi), .network = ACCESS_NET_BIND_TCP };

	if (landlock.abi > 0)
		landlock.ruleset = (int)syscall(SYS_landlock_create_ruleset, &ruleset,
		                                abi >= 4 ? sizeof ruleset : sizeof ruleset.files, 0);
	return landlock;
}

static void allow(const struct landlock *landlock, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .parent_fd = open(path, O_PATH | O_CLOEXEC) };
	struct stat status;

	if (rule.parent_fd < 0)
		return;
	rule.allowed_access = access & files_of(landlock->abi);
	if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode))
		rule.allowed_access &= OF_A_FILE;
	/* Fails only for what no rule is needed for, such as a pipe. */
	(void)syscall(SYS_landlock_add_rule, landlock->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
}

void landlock_allow_reading(const struct landlock *landlock, const char *path)
{
	allow(landlock, path, READING);
}

void landlock_allow_writing(const struct landlock *landlock, const char *path)
{
	allow(landlock, path, WRITING);
}

bool landlock_enforce(struct landlock *landlock)
{
	bool is_enforced;

	if (landlock->ruleset < 0)
		errno = ENOMEM;
	is_enforced = landlock->ruleset >= 0 && syscall(SYS_landlock_restrict_self, landlock->ruleset, 0) == 0;

	if (landlock->ruleset >= 0)
		close(landlock->ruleset);
	landlock->ruleset = -1;
	return is_enforced;
}
