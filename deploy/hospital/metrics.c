#include "deploy/hospital/metrics.h"

#include <event2/buffer.h>
#include <stdatomic.h>
#include <string.h>

enum { SERIES_MAX = 128, TOPICS_MAX = 4 };

static struct series {
	const char *method, *uri;
	int status;
	unsigned long count;
	double sum_s, max_s;
} all[SERIES_MAX];
static size_t series_count;

static struct {
	_Atomic(const char *) topic; /* NULL: the place is free */
	atomic_ulong count;
} handled[TOPICS_MAX];

void metrics_count(const char *method, const char *uri, int status, double seconds)
{
	struct series *series = all;

	while (series < all + series_count &&
	       (series->status != status || strcmp(series->uri, uri) != 0 || strcmp(series->method, method) != 0))
		series++;
	if (series == all + SERIES_MAX)
		return;
	if (series == all + series_count) {
		*series = (struct series){ .method = method, .uri = uri, .status = status };
		series_count++;
	}
	series->count++;
	series->sum_s += seconds;
	if (seconds > series->max_s)
		series->max_s = seconds;
}

void metrics_count_event(const char *topic)
{
	for (size_t i = 0; i < TOPICS_MAX; i++) {
		const char *none = NULL;

		if (atomic_compare_exchange_strong(&handled[i].topic, &none, topic) || strcmp(none, topic) == 0) {
			atomic_fetch_add(&handled[i].count, 1);
			return;
		}
	}
}

static const char *outcome_of(int status)
{
	static const char *const names[] = { "INFORMATIONAL", "SUCCESS", "REDIRECTION", "CLIENT_ERROR", "SERVER_ERROR" };

	return status >= 100 && status < 600 ? names[status / 100 - 1] : "UNKNOWN";
}

static void write_sample(struct evbuffer *to, const char *suffix, const struct series *series)
{
	evbuffer_add_printf(to, "http_server_requests_seconds%s{exception=\"None\",method=\"%s\",outcome=\"%s\",status=\"%d\","
	                        "uri=\"%s\"} ", suffix, series->method, outcome_of(series->status), series->status, series->uri);
}

void metrics_write(struct evbuffer *to, const char *service)
{
	evbuffer_add_printf(to, "# TYPE http_server_requests_seconds summary\n");
	for (const struct series *series = all; series < all + series_count; series++) {
		write_sample(to, "_count", series);
		evbuffer_add_printf(to, "%lu\n", series->count);
		write_sample(to, "_sum", series);
		evbuffer_add_printf(to, "%.9f\n", series->sum_s);
	}
	evbuffer_add_printf(to, "# TYPE http_server_requests_seconds_max gauge\n");
	for (const struct series *series = all; series < all + series_count; series++) {
		write_sample(to, "_max", series);
		evbuffer_add_printf(to, "%.9f\n", series->max_s);
	}
	evbuffer_add_printf(to, "# TYPE hospital_events_handled_total counter\n");
	for (size_t i = 0; i < TOPICS_MAX; i++) {
		const char *topic = atomic_load(&handled[i].topic);

		if (topic != NULL)
			evbuffer_add_printf(to, "hospital_events_handled_total{service=\"%s\",topic=\"%s\"} %lu\n", service, topic,
			                    atomic_load(&handled[i].count));
	}
}
