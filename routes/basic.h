/* A route's auth.basic. Nothing here changes while the configuration is in use. */
#ifndef ROUTES_BASIC_H
#define ROUTES_BASIC_H

#include <stdbool.h>

#include "routes/htpasswd.h"

struct basic_settings {
	bool enabled;
	const char *file; /* as written */
	const char *realm;
	const char *challenge; /* WWW-Authenticate */
	struct htpasswd users; /* from the file, when the configuration was read */
};

#endif
