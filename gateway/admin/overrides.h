/*
 * The overrides that operators set on the breakers of all gateways: at most one entry for each breaker, the newest. Pure: no clock,
 * no JSON, no breaker. For the control thread.
 *
 * Gateways have no common memory and no common clock. Each gateway tells all it knows to everyone who asks (/cluster/self), and
 * takes over entries that are newer than its own. So an entry reaches all gateways, outlives the gateway where it was set, and
 * gateways that start inherit it.
 *
 * Stamps decide which entry is newer. They are a hybrid logical clock: the time of day in milliseconds (48 bits) and a count (16
 * bits), but always above every stamp that the gateway has seen. So an operator's last word wins even at a gateway whose clock is
 * an hour late. The remaining time of an entry travels as a duration, not as a time of day.
 *
 * An entry that is over, or undone (BREAKER_CLOSED), stays as long as there is room, so that a gateway that comes back with an
 * older one takes it over.
 */
#ifndef GATEWAY_ADMIN_OVERRIDES_H
#define GATEWAY_ADMIN_OVERRIDES_H

#include <stddef.h>

#include "breaker/breaker.h"

enum {
	OVERRIDES_MAX = 256,
	OVERRIDE_NAME = 65,   /* of an upstream, with its NUL */
	OVERRIDE_WORDS = 201, /* a reason, with its NUL */
	OVERRIDE_ORIGIN = 33,
	OVERRIDE_STAMP_TEXT = 17,
};
/* 24 h. */
#define OVERRIDE_MS_MAX UINT64_C(86400000)
/* Beyond the year 4000 and below what can wrap around. */
#define OVERRIDE_STAMP_MAX (UINT64_C(1) << 62)

struct override_entry {
	char breaker[OVERRIDE_NAME];
	enum breaker_state state; /* BREAKER_FORCED_OPEN, _DISABLED, _METRICS_ONLY; BREAKER_CLOSED: undone */
	uint64_t stamp;
	char origin[OVERRIDE_ORIGIN]; /* the process that set it; decides between equal stamps */
	uint64_t until_ms;            /* monotonic; 0: it is over */
	uint64_t until_wall_ms;       /* by the clock of the gateway where it was set; for people */
	char reason[OVERRIDE_WORDS], by[OVERRIDE_NAME], at[OVERRIDE_NAME]; /* at: the name of that gateway */
};

/* Zero-initialised: empty. In the order in which breakers were first named. */
struct overrides {
	uint64_t stamp; /* the highest seen */
	struct override_entry *list;
	size_t count;
};

/* Is the stamp of another gateway less than a hundred years ahead of this clock? One near the end of all stamps would leave no
 * room for a newer one, and so for the next override. A clock that was never set is behind, which does no harm. */
bool override_is_plausible(uint64_t stamp, uint64_t wall_ms);
/* Was it given before that time of day? Within what clocks differ by, either answer may be wrong. */
bool override_is_before(uint64_t stamp, uint64_t wall_ms);
/* A stamp above all others. */
uint64_t overrides_next_stamp(struct overrides *overrides, uint64_t wall_ms);

enum override_taken {
	OVERRIDE_TAKEN,
	OVERRIDE_KNOWN, /* it is the one we have, or an older one */
	OVERRIDE_FULL,  /* or out of memory */
};

/* Copies the entry where it is newer. `before`: what it replaces; its breaker is "" where there was none. */
enum override_taken overrides_take(struct overrides *overrides, const struct override_entry *entry, struct override_entry *before);

/* Forgets one entry that is over or undone, the oldest that nobody needs, so that `entry` can be taken. False: there is none, or
 * only newer ones than `entry`, which is over or undone itself. So one that has given way does not come back from a peer that
 * still has it. */
bool overrides_make_room(struct overrides *overrides, const struct override_entry *entry,
                         bool (*is_needed)(const void *context, const char *breaker), const void *context);

/* Does it hold? */
static inline bool override_holds(const struct override_entry *entry, uint64_t now_ms)
{
	return entry->state != BREAKER_CLOSED && entry->until_ms > now_ms;
}

/* One whose time has come to its end since the last call: it is over now. NULL: there is none (any more). */
struct override_entry *overrides_expire(struct overrides *overrides, uint64_t now_ms);
/* When the next one ends; UINT64_MAX: none will. */
uint64_t overrides_next_end(const struct overrides *overrides);
const struct override_entry *overrides_find(const struct overrides *overrides, const char *breaker);
void overrides_destroy(struct overrides *overrides);

/* 16 digits. False: it is no stamp. */
void override_format_stamp(char text[OVERRIDE_STAMP_TEXT], uint64_t stamp);
bool override_parse_stamp(const char *text, uint64_t *stamp);
/* "FORCE_OPEN", as an operator asks for it and as peers tell it; NULL: it is not for operators. */
const char *override_word(enum breaker_state state);
bool override_parse_word(const char *word, enum breaker_state *state);
/* "90s", "15m", "2h", in milliseconds. False: it is none, or not between a second and OVERRIDE_MS_MAX. */
bool override_parse_span(const char *text, uint64_t *span_ms);

#endif
