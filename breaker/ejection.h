/*
 * One sick endpoint rests before the breaker of the whole upstream has to open.
 *
 * Counts failures in a row; at the limit the endpoint is ejected for `for_ms` times the number of ejections so far,
 * up to `for_max_ms`, with jitter; that number decays by one for every `for_max_ms` without an ejection.
 * How many endpoints may rest at once (max_share, never the last one) is for the caller to decide (balance.h),
 * who sees them all. Connect failures and resets weigh more than a bad status: each counts twice.
 * Any thread; atomics only; time is a parameter.
 */
#ifndef BREAKER_EJECTION_H
#define BREAKER_EJECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ejection_settings {
	bool enabled;
	uint32_t consecutive_failures;
	uint32_t for_ms;
	uint32_t for_max_ms;
	uint32_t max_share_percent;
};

struct ejection {
	_Atomic uint32_t failures;        /* in a row, weighted */
	_Atomic uint32_t times;           /* ejections that count for the next rest */
	_Atomic uint64_t until_ms;        /* 0 or past: in rotation */
	_Atomic uint64_t ejections_total; /* since birth, for people */
};

/* True when this failure ejected the endpoint (for the log line; exactly one caller gets it). With `is_last`, when there is no
 * other endpoint, the failure is only counted. */
bool ejection_failure(struct ejection *ejection, const struct ejection_settings *settings, uint64_t now_ms,
                      uint32_t random, bool is_connection_failure, bool is_last);
void ejection_success(struct ejection *ejection);
bool ejection_is_resting(const struct ejection *ejection, uint64_t now_ms);

#endif
