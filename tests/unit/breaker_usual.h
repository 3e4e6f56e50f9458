/* The settings that most tests of breakers have in common. */
#ifndef TESTS_UNIT_BREAKER_USUAL_H
#define TESTS_UNIT_BREAKER_USUAL_H

#define BREAKER_USUAL \
	.enabled = true, .failure_rate_bp = 5000, .slow_rate_bp = 8000, .open_for_ms = 5000, .open_for_max_ms = 60000, \
	.half_open_calls = 5, .half_open_timeout_ms = 30000

#endif
