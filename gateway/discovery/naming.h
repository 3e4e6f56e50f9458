/* How to ask for names: the state that all names and their guards share. The control thread's. */
#ifndef GATEWAY_DISCOVERY_NAMING_H
#define GATEWAY_DISCOVERY_NAMING_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/random.h"
#include "gateway/net/resolver.h"

struct event_base;
struct name;

struct naming {
	struct event_base *base;
	struct resolver *resolver;
	struct random random;
	uint32_t refresh_ms, timeout_ms, tries, grace_ms; /* of the configuration that was prepared last */
	bool verifies_service;
	struct name *names;
	/* A question has ended, or the usable addresses have changed. */
	void (*on_answered)(void *context, struct name *name);
	void *context;
};

#endif
