/*
 * The latest events of this gateway as texts, from which a person sees what happened first. For the control thread.
 */
#ifndef GATEWAY_ADMIN_TIMELINE_H
#define GATEWAY_ADMIN_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

enum { TIMELINE_EVENTS = 100, TIMELINE_NAME = 65 /* of an upstream, with its NUL */, TIMELINE_TEXT = 240 };

#define TIMELINE_KINDS(X) \
	X(TRANSITION, "transition") /* of a breaker */ \
	X(EJECTION, "ejection") \
	X(DNS, "dns") /* other endpoints */ \
	X(RELOAD, "reload") \
	X(OVERRIDE, "override") /* set, taken over from a peer, or over */ \
	X(PEER, "peer") /* went, is silent, is back */

enum timeline_kind {
#define TIMELINE_KIND(name, word) TIMELINE_##name,
	TIMELINE_KINDS(TIMELINE_KIND)
#undef TIMELINE_KIND
};

struct timeline_event {
	uint64_t number, wall_ms; /* number: from 1 */
	enum timeline_kind kind;
	char upstream[TIMELINE_NAME]; /* "": it is about none */
	char text[TIMELINE_TEXT];     /* UTF-8 as far as what was put in was */
};

/* Zero-initialised: empty. */
struct timeline {
	uint64_t total;
	struct timeline_event events[TIMELINE_EVENTS];
};

const char *timeline_kind_name(enum timeline_kind kind);
/* `upstream` may be NULL. */
void timeline_add(struct timeline *timeline, enum timeline_kind kind, const char *upstream, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The oldest is 0. */
size_t timeline_count(const struct timeline *timeline);
const struct timeline_event *timeline_at(const struct timeline *timeline, size_t index);

#endif
