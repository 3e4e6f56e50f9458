/*
 * Random lives of a breaker, each step with what ours made of it, for Replay.java to try on the other one.
 *
 *     traces COUNT SEED
 *
 * A trace is one line of settings and one of each step, numbers separated by blanks:
 *
 *     N is_count size minimum failure_percent slow_call_ms slow_percent open_for open_for_max half_open_calls
 *     A milliseconds_since_the_last_step place            a call asks to pass; its permit is kept in that place
 *     S milliseconds_since_the_last_step place verdict took_ms   the call of that place is settled
 *     F milliseconds_since_the_last_step state             an operator
 *
 * followed on the same line by what there is after it: is_admitted state calls failures slow_calls.
 *
 * The service is well or ill for a while in turns, so that a trace sees outages; a time window is one of ten seconds, whose
 * slices are the same seconds as the other one's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "breaker/breaker.h"
#include "breaker/jitter.h"
#include "breaker/look.h"
#include "breaker/names.h"

enum { PLACES = 12, STEPS = 400 };

static uint64_t seed;

static uint32_t below(uint32_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 32) * limit >> 32);
}

static struct breaker_settings any_settings(void)
{
	bool is_count = below(2) == 0;
	uint32_t percents[] = { 1, 10, 25, 33, 50, 66, 75, 90, 100 };

	return (struct breaker_settings){
		.enabled = true,
		.window = is_count ? BREAKER_WINDOW_COUNT : BREAKER_WINDOW_TIME,
		.window_size = is_count ? 1 + below(100) : 10000,
		.minimum_calls = 1 + below(30),
		.failure_rate_bp = percents[below(9)] * 100,
		.slow_call_ms = 100,
		.slow_rate_bp = percents[below(9)] * 100,
		.open_for_ms = 100 + below(5000),
		.open_for_max_ms = 100 + below(60000),
		.half_open_calls = 1 + below(below(2) == 0 ? 3 : 12),
		.half_open_timeout_ms = UINT32_MAX, /* the other one knows no limit like it */
	};
}

static uint64_t any_pause(const struct breaker_view *view)
{
	switch (below(16)) {
	case 0: /* now and then at the very millisecond at which it may let through again */
		return view->open_for_ms + (below(8) > 0);
	case 1:
		return view->open_for_ms + below(100) + 1;
	case 2:
		return view->open_for_ms > 0 ? view->open_for_ms - 1 : 0;
	case 3:
		return below(12000);
	case 4:
	case 5:
		return below(1500);
	default:
		return below(60);
	}
}

static void print_result(bool is_admitted, const struct breaker_view *view)
{
	printf(" %d %s %u %u %u\n", is_admitted, breaker_state_name(view->state), view->calls, view->failures, view->slow_calls);
}

static enum breaker_verdict any_verdict(uint32_t failures_of_16)
{
	return below(12) == 0 ? BREAKER_NEITHER : below(16) < failures_of_16 ? BREAKER_FAILURE : BREAKER_SUCCESS;
}

static void trace(void)
{
	static const enum breaker_state forced[] = { BREAKER_CLOSED, BREAKER_CLOSED, BREAKER_FORCED_OPEN, BREAKER_DISABLED,
		                                     BREAKER_METRICS_ONLY };
	struct breaker_settings settings = any_settings();
	struct breaker *breaker = breaker_new(&settings, 0, NULL, NULL);
	struct breaker_permit permits[PLACES] = { 0 };
	uint32_t failures_of_16 = 2, slow_of_16 = 1, steps = STEPS / 4 + below(STEPS), operators = below(2);
	uint64_t now_ms = 0, retry_after_ms;

	if (breaker == NULL)
		abort();
	printf("N %d %u %u %u %u %u %u %u %u\n", settings.window == BREAKER_WINDOW_COUNT, settings.window_size,
	       settings.minimum_calls, settings.failure_rate_bp / 100, settings.slow_call_ms, settings.slow_rate_bp / 100,
	       settings.open_for_ms, settings.open_for_max_ms, settings.half_open_calls);
	for (uint32_t step = 0; step < steps; step++) {
		struct breaker_view view = breaker_look(breaker, &settings, now_ms);
		uint64_t pause_ms = any_pause(&view);
		uint32_t place = below(PLACES);
		bool is_admitted = false;

		now_ms += pause_ms;
		if (below(40) == 0) {
			failures_of_16 = below(17);
			slow_of_16 = below(3) == 0 ? below(17) : 1;
		}
		if (operators && below(60) == 0) {
			enum breaker_state state = forced[below(5)];

			breaker_force(breaker, state, now_ms);
			printf("F %llu %s", (unsigned long long)pause_ms, breaker_state_name(state));
		} else if (permits[place].kind == 0) {
			is_admitted = breaker_admit(breaker, &settings, now_ms, JITTER_NONE, &permits[place], &retry_after_ms);
			printf("A %llu %u", (unsigned long long)pause_ms, place);
		} else {
			enum breaker_verdict verdict = any_verdict(failures_of_16);
			uint32_t took_ms = below(16) < slow_of_16 ? 100 + below(3) : below(100);

			breaker_settle(breaker, &settings, now_ms, JITTER_NONE, &permits[place], verdict, took_ms);
			printf("S %llu %u %d %u", (unsigned long long)pause_ms, place, verdict, took_ms);
		}
		view = breaker_look(breaker, &settings, now_ms);
		print_result(is_admitted, &view);
	}
	breaker_free(breaker);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	seed = strtoull(argv[2], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (long count = atol(argv[1]); count > 0; count--)
		trace();
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
