#include "gateway/discovery/name.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/discovery/identity.h"
#include "gateway/discovery/service.h"

enum { DENIALS_MEAN_NOBODY = 2, BACKOFF_DOUBLINGS = 3 };

static uint32_t gap_ms(const struct name *name)
{
	uint32_t refresh_ms = name->discovery->refresh_ms;

	return refresh_ms < NAME_GAP_MS ? refresh_ms : NAME_GAP_MS;
}

/* A tenth less at most. */
static uint32_t jittered(struct name *name, uint32_t wait_ms)
{
	return wait_ms - (uint32_t)(random_next(&name->discovery->random) % (wait_ms / 10 + 1));
}

/* The next question begins so long after the last one did. */
static void ask_after(struct name *name, uint32_t pause_ms)
{
	uint64_t now_ms = clock_now_ms(), due_ms = name->asked_ms + pause_ms;
	uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;

	event_add(&name->timer, &(struct timeval){ .tv_sec = (time_t)(wait_ms / 1000),
	                                           .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000 });
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

static struct address *append_family(struct address *to, const struct name *name, uint8_t family)
{
	for (size_t i = 0; i < name->count; i++)
		if (name->addresses[i].family == family)
			*to++ = name->addresses[i];
	return to;
}

/* The addresses of an answer, and those known of the family that an ill server said nothing about. IPv4 sorts first. */
static void take_addresses(struct name *name, const struct resolver_answer *answer)
{
	struct address *all = malloc((answer->count + name->count + 1) * sizeof *all), *end = all;

	if (all == NULL) {
		log_error("%s: memory is short, its addresses stay as they were", name->host);
		return;
	}
	if (answer->failed_family == 4)
		end = append_family(end, name, 4);
	memcpy(end, answer->addresses, answer->count * sizeof *all);
	end += answer->count;
	if (answer->failed_family == 6)
		end = append_family(end, name, 6);
	free(name->addresses);
	name->addresses = all;
	name->count = (size_t)(end - all);
	name->is_known = true;
}

static void note_failure(struct name *name, const char *error)
{
	if (name->error == NULL || strcmp(name->error, error) != 0)
		log_warn("looking up %s: %s; its %zu addresses stay", name->host, error, name->count);
}

static uint32_t pause_after_failure(struct name *name)
{
	unsigned tries = name->discovery->tries, doublings;

	if (name->failures < tries)
		return gap_ms(name);
	doublings = name->failures - tries + 1;
	return jittered(name, gap_ms(name) << (doublings < BACKOFF_DOUBLINGS ? doublings : BACKOFF_DOUBLINGS));
}

static void on_answer(void *context, const struct resolver_answer *answer)
{
	struct name *name = context;
	uint32_t pause_ms = jittered(name, name->discovery->refresh_ms);

	name->query = NULL;
	switch (answer->is_second_best && name->is_known ? RESOLVER_FAILURE : answer->verdict) {
	case RESOLVER_ANSWER:
		name->denials = name->failures = 0;
		name->last_answer_ms = clock_now_ms();
		take_addresses(name, answer);
		break;
	case RESOLVER_NO_NAME:
		name->failures = 0;
		name->last_answer_ms = clock_now_ms();
		if (++name->denials < DENIALS_MEAN_NOBODY) {
			pause_ms = gap_ms(name);
		} else {
			name->count = 0;
			name->is_known = true;
		}
		break;
	case RESOLVER_FAILURE:
		name->failures++;
		name->failures_total++;
		note_failure(name, answer->error);
		pause_ms = pause_after_failure(name);
		break;
	}
	name->error = answer->error;
	if (name->guard != NULL && name->is_known)
		guard_take(name->guard, name->addresses, name->count);
	ask_after(name, pause_ms);
	discovery_name_answered(name->discovery, name);
}

/* ---- questions ----------------------------------------------------------------------------------------------- */

/* The only place where one begins. */
void name_ask(struct name *name)
{
	uint64_t now_ms = clock_now_ms();

	if (name->query != NULL)
		return;
	if (name->asked_ms != 0 && now_ms - name->asked_ms < gap_ms(name)) {
		ask_after(name, gap_ms(name));
		return;
	}
	event_del(&name->timer);
	name->asked_ms = now_ms;
	name->questions_total++;
	name->query = resolver_ask(name->discovery->resolver, name->host, on_answer, name);
	if (name->query == NULL)
		ask_after(name, gap_ms(name));
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	name_ask(context);
}

void name_rest(struct name *name)
{
	event_del(&name->timer);
	if (name->query != NULL)
		resolver_cancel(name->query);
	name->query = NULL;
	if (name->guard != NULL)
		guard_rest(name->guard);
}

void name_forget(struct name *name)
{
	name_rest(name);
	if (name->guard != NULL)
		guard_free(name->guard);
	name->guard = NULL; /* name_set_guard() puts on a new one */
	name->count = 0;
	name->denials = name->failures = 0;
	name->is_known = false;
	name->error = NULL;
}

/* ---- what may be used ---------------------------------------------------------------------------------------- */

bool name_look(const struct name *name, const struct address **addresses, size_t *count)
{
	*addresses = name->guard == NULL ? name->addresses : name->guard->admitted;
	*count = name->guard == NULL ? name->count : name->guard->admitted_count;
	return name->guard == NULL ? name->is_known : name->guard->is_known;
}

void name_guard_changed(struct name *name)
{
	discovery_name_answered(name->discovery, name);
}

/* Without memory for it there is none: the next reload tries again. */
void name_set_guard(struct name *name)
{
	bool is_wanted = name->discovery->verifies_service && identity_is_task_name(name->host);

	if (is_wanted == (name->guard != NULL))
		return;
	if (is_wanted) {
		name->guard = guard_new(name);
		if (name->guard != NULL && name->is_known)
			guard_take(name->guard, name->addresses, name->count);
	} else {
		guard_free(name->guard);
		name->guard = NULL;
	}
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

struct name *name_use(struct discovery *discovery, const char *host)
{
	struct name *name;

	for (name = discovery->names; name != NULL; name = name->next) {
		if (strcmp(name->host, host) == 0) {
			name->users++;
			name_set_guard(name);
			return name;
		}
	}
	name = calloc(1, sizeof *name);
	if (name == NULL)
		return NULL;
	name->host = strdup(host);
	if (name->host == NULL) {
		free(name);
		return NULL;
	}
	name->discovery = discovery;
	name->users = 1;
	evtimer_assign(&name->timer, discovery->base, on_timer, name);
	name->next = discovery->names;
	discovery->names = name;
	name_set_guard(name);
	return name;
}

void name_release(struct name *name)
{
	if (--name->users == 0)
		name_rest(name);
}

static void free_name(struct name *name)
{
	name_rest(name);
	if (name->guard != NULL)
		guard_free(name->guard);
	free(name->addresses);
	free(name->host);
	free(name);
}

/* One that was asked just now is kept: if the next reload brings it back, it must not be asked sooner than the gap allows. */
void name_forget_unused(struct discovery *discovery)
{
	struct name **link = &discovery->names;
	uint64_t now_ms = clock_now_ms();

	while (*link != NULL) {
		struct name *name = *link;

		if (name->users > 0 || now_ms - name->asked_ms < NAME_GAP_MS) {
			link = &name->next;
			continue;
		}
		*link = name->next;
		free_name(name);
	}
}

void names_free(struct discovery *discovery)
{
	struct name *name, *next;

	for (name = discovery->names; name != NULL; name = next) {
		next = name->next;
		free_name(name);
	}
}
