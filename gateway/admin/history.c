#include "gateway/admin/history.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/admin/hystrix.h"

/* An upstream that appears within these is new, and all of its requests count; a later one may be an old one that comes back. */
enum { STARTING_TURNS = 10 };

struct watched {
	char *name;
	struct hystrix_history history;
	struct trend trend;
	bool was_seen; /* in this turn's configuration */
};

struct history {
	const struct admin_view *view;
	struct watched *watched;
	size_t watched_count;
	uint64_t turns;
};

static struct watched *look_up(const struct history *history, const char *name)
{
	for (size_t i = 0; i < history->watched_count; i++)
		if (strcmp(history->watched[i].name, name) == 0)
			return &history->watched[i];
	return NULL;
}

static struct watched *find_watched(struct history *history, const char *name)
{
	struct watched *larger, *known = look_up(history, name);
	char *copy;

	if (known != NULL)
		return known;
	larger = realloc(history->watched, (history->watched_count + 1) * sizeof *larger);
	if (larger == NULL)
		return NULL;
	history->watched = larger;
	copy = strdup(name);
	if (copy == NULL)
		return NULL;
	history->watched[history->watched_count] = (struct watched){ .name = copy };
	return &history->watched[history->watched_count++];
}

const struct trend *history_trend(const struct history *history, const char *upstream)
{
	const struct watched *watched = look_up(history, upstream);

	return watched == NULL ? NULL : &watched->trend;
}

uint64_t history_seconds(const struct history *history)
{
	return (history->turns + 1) / (1000 / HYSTRIX_TURN_MS); /* the first turn of each second takes its sample */
}

/* An upstream that a reload took away disappears from the dashboard. `messages`: NULL where nobody watches. */
static void drop_unseen(struct history *history, json_t *messages)
{
	for (size_t i = 0; i < history->watched_count;) {
		struct watched *watched = &history->watched[i];

		if (watched->was_seen) {
			watched->was_seen = false;
			i++;
			continue;
		}
		if (messages != NULL)
			json_array_append_new(messages, hystrix_deletion(watched->name));
		free(watched->name);
		*watched = history->watched[--history->watched_count];
	}
}

json_t *history_messages(const struct history *history)
{
	const struct admin_view *view = history->view;
	json_t *all = json_array();

	for (size_t i = 0, count = view->service_count(view->context); i < count; i++) {
		struct admin_service service = view->service(view->context, i);
		const struct watched *watched = look_up(history, service.settings->name);

		if (watched != NULL && watched->history.turns > 0)
			json_array_append_new(all, hystrix_message(&watched->history, service.settings));
	}
	return all;
}

void history_turn(struct history *history, json_t *messages)
{
	const struct admin_view *view = history->view;
	size_t count = view->service_count(view->context);
	bool is_second = history->turns++ % (1000 / HYSTRIX_TURN_MS) == 0;

	for (size_t i = 0; i < count; i++) {
		struct admin_service service = view->service(view->context, i);
		struct watched *watched = find_watched(history, service.settings->name);

		if (watched == NULL)
			continue; /* memory is short */
		watched->was_seen = true;
		hystrix_turn(&watched->history, view, service.settings);
		if (watched->history.turns == 1 && history->turns > STARTING_TURNS)
			trend_begin(&watched->trend, &watched->history.latest.counts, service.set);
		if (is_second)
			trend_turn(&watched->trend, &watched->history.latest.counts, service.set);
		if (messages != NULL)
			json_array_append_new(messages, hystrix_message(&watched->history, service.settings));
	}
	drop_unseen(history, messages);
}

struct history *history_new(const struct admin_view *view)
{
	struct history *history = calloc(1, sizeof *history);

	if (history != NULL)
		history->view = view;
	return history;
}

void history_free(struct history *history)
{
	for (size_t i = 0; history != NULL && i < history->watched_count; i++)
		free(history->watched[i].name);
	if (history != NULL)
		free(history->watched);
	free(history);
}
