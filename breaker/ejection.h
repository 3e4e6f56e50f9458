/*
 * Takes one sick endpoint out of rotation, so that the breaker of the whole upstream need not open.
 *
 * It counts failures in a row. At the limit the endpoint is ejected for `for_ms` times the number of ejections so far, up to
 * `for_max_ms`, with jitter; that number decays by one for every `for_max_ms` without an ejection. The caller (balance.h),
 * which sees all endpoints, decides how many may be ejected at once (max_share, never the last one). A failed connect or a
 * reset counts twice. Any thread; atomics only; time is a parameter.
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
	uint32_t max_share_bp;
};

struct ejection {
	_Atomic uint32_t failures;        /* in a row, weighted */
	_Atomic uint32_t times;           /* ejections that count for the length of the next */
	_Atomic uint64_t until_ms;        /* 0 or past: in rotation */
	_Atomic uint64_t ejections_total; /* since birth, for people */
};

/* True: this failure ejected the endpoint (for the log line; exactly one caller gets it). With `is_last`, when there is no
 * other endpoint, the failure is only counted. */
bool ejection_failure(struct ejection *ejection, const struct ejection_settings *settings, uint64_t now_ms,
                      uint32_t random, bool is_connection_failure, bool is_last);
void ejection_success(struct ejection *ejection);
bool ejection_is_ejected(const struct ejection *ejection, uint64_t now_ms);

#endif
