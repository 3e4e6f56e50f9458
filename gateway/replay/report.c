/*
 * Besides the settings of the file, the table shows others, each with one key changed, so that a person sees in which direction
 * to change it. The settings of the file come first, with the times at which they would have opened.
 */
#include "gateway/replay/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "breaker/names.h"
#include "gateway/replay/simulate.h"

enum { VARIANTS_MOST = 8, TEXT_MOST = 64 };

struct variant {
	char label[TEXT_MOST];
	struct breaker_settings settings;
};

/* ---- the others --------------------------------------------------------------------------------------------- */

static bool is_same(const struct breaker_settings *one, const struct breaker_settings *other)
{
	return one->enabled == other->enabled && one->observe == other->observe && one->window == other->window &&
	       one->window_size == other->window_size && one->minimum_calls == other->minimum_calls &&
	       one->failure_rate_bp == other->failure_rate_bp && one->slow_call_ms == other->slow_call_ms &&
	       one->slow_rate_bp == other->slow_rate_bp && one->open_for_ms == other->open_for_ms &&
	       one->open_for_max_ms == other->open_for_max_ms && one->half_open_calls == other->half_open_calls &&
	       one->half_open_timeout_ms == other->half_open_timeout_ms;
}

static void add(struct variant *variants, size_t *count, struct breaker_settings settings, const char *label)
{
	for (size_t i = 0; i < *count; i++)
		if (is_same(&variants[i].settings, &settings))
			return;
	variants[*count].settings = settings;
	snprintf(variants[(*count)++].label, TEXT_MOST, "%s", label);
}

static void put_ms(char text[TEXT_MOST], const char *key, uint32_t ms)
{
	snprintf(text, TEXT_MOST, ms % 1000 == 0 ? "%s: %" PRIu32 "s" : "%s: %" PRIu32 "ms", key,
	         ms % 1000 == 0 ? ms / 1000 : ms);
}

/* A breaker that is off or observes is looked at as if it were on: that is the question. */
static size_t make_variants(const struct upstream_settings *upstream, struct variant variants[VARIANTS_MOST])
{
	struct breaker_settings own = upstream->breaker, other;
	char label[TEXT_MOST];
	size_t count = 0;

	own.enabled = true;
	own.observe = false;
	add(variants, &count, own,
	    !upstream->breaker.enabled  ? "as in the file, if it were on"
	    : upstream->breaker.observe ? "as in the file, if it enforced"
	                                : "as in the file");
	for (uint32_t share = 25; share <= 75; share += 25) {
		other = own;
		other.failure_rate_bp = share * 100;
		snprintf(label, sizeof label, "failure_rate: %" PRIu32 "%%", share);
		add(variants, &count, other, label);
	}
	other = own;
	other.minimum_calls = own.minimum_calls > 1 ? own.minimum_calls / 2 : 1;
	snprintf(label, sizeof label, "minimum_calls: %" PRIu32, other.minimum_calls);
	add(variants, &count, other, label);
	other = own;
	if (own.minimum_calls <= 500000 && (own.window == BREAKER_WINDOW_TIME || own.minimum_calls * 2 <= own.window_size))
		other.minimum_calls = own.minimum_calls * 2;
	snprintf(label, sizeof label, "minimum_calls: %" PRIu32, other.minimum_calls);
	add(variants, &count, other, label);
	other = own;
	other.slow_call_ms = own.slow_call_ms > 1 ? own.slow_call_ms / 2 : upstream->response_timeout_ms / 5;
	put_ms(label, "slow_call", other.slow_call_ms);
	add(variants, &count, other, label);
	return count;
}

/* ---- words -------------------------------------------------------------------------------------------------- */

static const char *when(int64_t ms, char text[TEXT_MOST])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm parts;

	if (gmtime_r(&seconds, &parts) == NULL || strftime(text, TEXT_MOST, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
		return strcpy(text, "?");
	snprintf(text + strlen(text), 8, ".%03dZ", (int)(ms % 1000));
	return text;
}

static const char *span(uint64_t ms, char text[TEXT_MOST])
{
	uint64_t seconds = ms / 1000;

	if (ms == 0)
		return strcpy(text, "-");
	if (seconds < 10)
		snprintf(text, TEXT_MOST, "%" PRIu64 ".%" PRIu64 "s", seconds, ms % 1000 / 100);
	else if (seconds < 120)
		snprintf(text, TEXT_MOST, "%" PRIu64 "s", seconds);
	else if (seconds < 7200)
		snprintf(text, TEXT_MOST, "%" PRIu64 "m %02" PRIu64 "s", seconds / 60, seconds % 60);
	else
		snprintf(text, TEXT_MOST, "%" PRIu64 "h %02" PRIu64 "m", seconds / 3600, seconds % 3600 / 60);
	return text;
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void put_episodes(const struct replay *replay, FILE *to)
{
	char from[TEXT_MOST], until[TEXT_MOST], length[TEXT_MOST];

	for (size_t i = 0; i < replay->episode_count; i++) {
		const struct episode *episode = &replay->episodes[i];

		fprintf(to, "  opens   %s  %s: failed %" PRIu32 " of %" PRIu32 ", slow %" PRIu32 "\n",
		        when(episode->from_ms, from), breaker_reason_text(episode->reason), episode->failures, episode->calls,
		        episode->slow_calls);
		if (episode->until_ms > 0)
			fprintf(to, "  closes  %s  after %s", when(episode->until_ms, until),
			        span((uint64_t)(episode->until_ms - episode->from_ms), length));
		else
			fputs("  closes  not in this log", to);
		fprintf(to, "; opened again %" PRIu32 " time%s; spared %" PRIu64 ", in vain %" PRIu64 "\n", episode->reopened,
		        plural(episode->reopened), episode->spared, episode->in_vain);
	}
	if (replay->opened > replay->episode_count)
		fprintf(to, "  and opens %" PRIu64 " more time%s\n", replay->opened - replay->episode_count,
		        plural(replay->opened - replay->episode_count));
}

/* ---- one upstream ------------------------------------------------------------------------------------------- */

static void put_head(const struct calls *calls, size_t from, size_t until, const struct upstream_settings *upstream,
                     FILE *to)
{
	uint64_t ends[4] = { 0 };
	char begin[TEXT_MOST], end[TEXT_MOST];

	for (size_t i = from; i < until; i++)
		ends[calls->list[i].end]++;
	fprintf(to, "\n%s: %zu call%s from %s to %s\n", upstream->name, until - from, plural(until - from),
	        when(calls->list[calls->by_begin[from]].begin_ms, begin), when(calls->list[until - 1].end_ms, end));
	fprintf(to, "  %" PRIu64 " fine, %" PRIu64 " failed, %" PRIu64 " neutral", ends[CALL_FINE], ends[CALL_FAILED],
	        ends[CALL_NEITHER]);
	if (ends[CALL_UNKNOWN] > 0)
		fprintf(to, ", %" PRIu64 " with unknown result", ends[CALL_UNKNOWN]);
	fprintf(to, "\n  %-32s %7s %10s %10s %14s %16s\n", "settings", "opens", "is open", "spared", "their waiting",
	        "refused in vain");
}

static bool report_upstream(const struct calls *calls, size_t from, size_t until, FILE *to)
{
	const struct upstream_settings *upstream = &calls->config->upstreams[calls->list[from].upstream];
	struct variant variants[VARIANTS_MOST];
	size_t count = make_variants(upstream, variants);
	char open[TEXT_MOST], waiting[TEXT_MOST];
	struct replay own = { 0 }, replay;

	put_head(calls, from, until, upstream, to);
	for (size_t i = 0; i < count; i++) {
		if (!simulate(calls, from, until, &variants[i].settings, &replay))
			return false;
		fprintf(to, "  %-32s %7" PRIu64 " %10s %10" PRIu64 " %14s %16" PRIu64 "\n", variants[i].label, replay.opened,
		        span(replay.open_ms, open), replay.spared, span(replay.waiting_ms, waiting), replay.in_vain);
		if (i == 0)
			own = replay;
	}
	put_episodes(&own, to);
	return true;
}

bool report_write(const struct calls *calls, FILE *to)
{
	size_t from = 0;

	fprintf(to,
	        "%" PRIu64 " line%s: %zu call%s; lines that are not calls: %" PRIu64 ", of other upstreams: %" PRIu64
	        ", unreadable: %" PRIu64 "\n",
	        calls->lines, plural(calls->lines), calls->count, plural(calls->count), calls->no_call, calls->unrouted,
	        calls->unread);
	if (calls->detoured > 0)
		fprintf(to, "calls followed by one of fallback.upstream, in the same line: %" PRIu64 "\n", calls->detoured);
	if (calls->untimed > 0)
		fprintf(to, "calls without a duration, which count as if they took no time: %" PRIu64 "\n", calls->untimed);
	while (from < calls->count) {
		size_t until = from;

		while (until < calls->count && calls->list[until].upstream == calls->list[from].upstream)
			until++;
		if (!report_upstream(calls, from, until, to))
			return false;
		from = until;
	}
	if (calls->count > 0)
		fputs("\nspared: failed calls that the breaker would have answered at once; their waiting: what clients spent "
		      "on them.\n"
		      "neutral: the client or the gateway itself ended the call, which tells nothing of the service.\n"
		      "refused in vain: calls that were fine. A service that is left alone may recover sooner than the log "
		      "shows.\n",
		      to);
	return true;
}
