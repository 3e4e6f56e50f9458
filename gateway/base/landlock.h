/*
 * Which files the process may still open, and that it binds no more TCP ports (landlock(7)). Every access that no rule allows
 * fails with EACCES, even if the file's own permissions would allow it. Open descriptors stay usable.
 */
#ifndef GATEWAY_BASE_LANDLOCK_H
#define GATEWAY_BASE_LANDLOCK_H

#include <stdbool.h>

struct landlock {
	int abi;     /* of the kernel; 0: it has none, or it is switched off */
	int ruleset; /* a descriptor */
};

/* It allows nothing yet, and enforces nothing yet. */
struct landlock landlock_begin(void);
/* A folder includes all below it. A path that does not exist is skipped. */
void landlock_allow_reading(const struct landlock *landlock, const char *path);
void landlock_allow_writing(const struct landlock *landlock, const char *path);
/* Enforces it from now on, for the calling thread and those that it starts. Needs no_new_privs. False: errno. Frees the
 * ruleset in any case. */
bool landlock_enforce(struct landlock *landlock);

#endif
