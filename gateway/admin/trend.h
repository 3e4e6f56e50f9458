/*
 * The results of one upstream's requests, second by second, for two minutes: what clients got, and what the upstream
 * answered. For the control thread.
 */
#ifndef GATEWAY_ADMIN_TREND_H
#define GATEWAY_ADMIN_TREND_H

#include "gateway/admin/view.h"

enum { TREND_SECONDS = 120, TREND_RECENT_SECONDS = 10 };

struct trend_sample {
	uint32_t requests;   /* that were over in that second */
	uint32_t failed;     /* of them: the upstream failed, after all tries */
	uint32_t refused;    /* of them: the upstream was not asked: breaker, bulkhead, no endpoint */
	uint32_t fallbacks;  /* of them: the client got the fallback */
	uint32_t errors;     /* of them: the client got an error */
	uint32_t tries, tries_failed; /* at endpoints, those of retries included */
};

/* Zero-initialised: nothing yet. */
struct trend {
	uint64_t seconds; /* samples so far; the newest is number `seconds` */
	struct trend_sample ring[TREND_SECONDS];
	struct admin_counts counts; /* totals as of the newest */
	uint64_t tries, tries_failed;
};

/* Notes the totals of now, for an upstream that has some already. */
void trend_begin(struct trend *trend, const struct admin_counts *counts, const struct endpoint_set *set);
/* Once a second, with the totals of now. */
void trend_turn(struct trend *trend, const struct admin_counts *counts, const struct endpoint_set *set);
/* The sample so many seconds ago; 0: the newest. Zeros where there is none. */
struct trend_sample trend_at(const struct trend *trend, size_t seconds_ago);
/* All of the last TREND_RECENT_SECONDS together. */
struct trend_sample trend_recent(const struct trend *trend);

#endif
