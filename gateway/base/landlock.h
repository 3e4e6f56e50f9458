/*
 * Which files the process may still open, and that it opens no TCP port any more (landlock(7)). Whatever is not allowed by a rule
 * fails with EACCES, also where the file's own permissions would allow it. Open descriptors are not touched.
 */
#ifndef GATEWAY_BASE_LANDLOCK_H
#define GATEWAY_BASE_LANDLOCK_H

#include <stdbool.h>

struct landlock {
	int abi;     /* of the kernel; 0: it has none, or it is switched off */
	int ruleset; /* a descriptor */
};

/* Nothing is allowed yet, nothing is enforced yet. */
struct landlock landlock_begin(void);
/* Folders are meant with all below them. A path that does not exist is left out. */
void landlock_allow_reading(const struct landlock *landlock, const char *path);
void landlock_allow_writing(const struct landlock *landlock, const char *path);
/* From now on, for the calling thread and those it starts. Needs no_new_privs. False: errno. Ends the ruleset in any case. */
bool landlock_enforce(struct landlock *landlock);

#endif
