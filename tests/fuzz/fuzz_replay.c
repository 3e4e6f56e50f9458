/*
 * Any bytes as an access log: never a crash; each line is a call or is counted for what it is; no more calls are
 * refused than there are, whatever times they claim. The first byte says with which breaker.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/replay/calls.h"
#include "gateway/replay/report.h"
#include "gateway/replay/simulate.h"
#include "routes/config/complaints.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char REPLAY_CONFIG[] =
	"upstreams:\n"
	"  patient: { url: \"http://tasks.patient:2222\", breaker: { minimum_calls: 2, slow_call: 1s } }\n"
	"  reception: { url: \"http://tasks.reception:2223\", breaker: { window: 3 calls, minimum_calls: 1 } }\n"
	"routes: [ { path: /patient, upstream: patient, fallback: { on_statuses: [404, 503], upstream: reception } },\n"
	"  { path: /, upstream: reception } ]\n";

static void check_upstream(const struct calls *calls, size_t from, size_t until)
{
	const struct upstream_settings *upstream = &calls->config->upstreams[calls->list[from].upstream];
	struct replay replay;

	CHECK(simulate(calls, from, until, &upstream->breaker, &replay));
	CHECK(replay.spared + replay.in_vain <= until - from);
	CHECK(replay.opened > 0 || replay.spared + replay.in_vain == 0);
	for (size_t i = from; i < until; i++)
		CHECK(calls->list[i].begin_ms <= calls->list[i].end_ms &&
		      (i == from || calls->list[i - 1].end_ms <= calls->list[i].end_ms));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct complaints complaints;
	struct config *config = config_parse("fuzz.yml", REPLAY_CONFIG, strlen(REPLAY_CONFIG), &complaints);
	FILE *from = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL, *to;
	char *text = NULL;
	struct calls calls;
	size_t length;

	CHECK(config != NULL);
	complaints_free(&complaints);
	if (from == NULL) {
		config_release(config);
		return 0;
	}
	to = open_memstream(&text, &length);
	CHECK(to != NULL && calls_begin(&calls, config));
	if (calls_read(&calls, from, "fuzz.log", to)) {
		CHECK(calls_sort(&calls));
		CHECK(calls.count - calls.detoured + calls.no_call + calls.unrouted + calls.unread == calls.lines);
		for (size_t begin = 0, end = 0; begin < calls.count; begin = end) {
			while (end < calls.count && calls.list[end].upstream == calls.list[begin].upstream)
				end++;
			check_upstream(&calls, begin, end);
		}
		CHECK(report_write(&calls, to));
	}
	calls_free(&calls);
	fclose(from);
	fclose(to);
	free(text);
	config_release(config);
	return 0;
}
