#include "gateway/discovery/name.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/discovery/identity.h"
#include "gateway/net/timer.h"

enum { DENIALS_MEAN_NOBODY = 2, BACKOFF_DOUBLINGS = 3, DENIED_REFRESH_MS = 1000, NEW_PER_S = 128 };

static uint32_t gap_ms(const struct name *name)
{
	uint32_t refresh_ms = name->naming->refresh_ms;

	return refresh_ms < NAME_GAP_MS ? refresh_ms : NAME_GAP_MS;
}

static uint32_t jittered(struct name *name, uint32_t wait_ms)
{
	return (uint32_t)random_shorten(&name->naming->random, wait_ms);
}

/* The time from the beginning of one question to the next. */
static void ask_after(struct name *name, uint32_t pause_ms)
{
	uint64_t now_ms = clock_now_ms(), due_ms = name->asked_ms + pause_ms;

	timer_set(&name->timer, due_ms > now_ms ? due_ms - now_ms : 0);
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

/* Removes addresses whose grace is over. */
static void expire(struct name *name)
{
	uint64_t now_ms = clock_now_ms(), next_ms = addresses_expire(&name->known, now_ms, name->naming->grace_ms);

	name->has_missing = next_ms != 0;
	event_del(&name->grace);
	if (next_ms != 0)
		timer_set(&name->grace, next_ms - now_ms);
	if (name->guard != NULL && name->is_known)
		guard_take(name->guard, name->known.list, name->known.count);
}

static void on_grace_over(evutil_socket_t fd, short what, void *context)
{
	struct name *name = context;

	(void)fd, (void)what;
	expire(name);
	name->naming->on_answered(name->naming->context, name);
}

/* How many new addresses the name may take now. A service may be replaced as a whole at once; constant change is let in
 * slowly. */
static size_t refill(struct name *name, uint64_t now_ms)
{
	uint64_t more = (now_ms - name->refilled_ms) * NEW_PER_S / 1000;

	if (name->refilled_ms == 0 || name->new_allowed + more >= ADDRESSES_MOST)
		name->new_allowed = ADDRESSES_MOST;
	else
		name->new_allowed += (size_t)more;
	if (more > 0)
		name->refilled_ms = now_ms;
	return name->new_allowed > 0 ? name->new_allowed : 1;
}

static void note_left_out(struct name *name, size_t count, size_t left_out)
{
	if (left_out > 0 && !name->leaves_out)
		log_warn("%s: the DNS answer has %zu addresses, and the gateway leaves %zu of them out: it uses at most %d, and "
		         "takes at most %d new ones a second on average",
		         name->host, count, left_out, ADDRESSES_MOST, NEW_PER_S);
	name->leaves_out = left_out > 0;
}

static void take_addresses(struct name *name, const struct resolver_answer *answer)
{
	uint64_t now_ms = clock_now_ms();
	struct addresses_answer all = { .list = answer->addresses, .count = answer->count, .kept_family = answer->failed_family,
		                        .is_cut = answer->is_cut, .now_ms = now_ms, .new_most = refill(name, now_ms) };
	struct addresses_taken taken;

	name->denials = name->failures = 0;
	name->last_answer_ms = now_ms;
	name->is_from_hosts = answer->is_from_hosts;
	if (!addresses_take(&name->known, &all, &taken)) {
		log_error("%s: out of memory: the gateway keeps its old addresses", name->host);
		return;
	}
	name->is_known = true;
	name->new_allowed -= taken.new < name->new_allowed ? taken.new : name->new_allowed;
	note_left_out(name, answer->count, taken.left_out);
}

/* Returns when to ask again: soon if some address may come back. The grace begins with the second denial: if the
 * DNS server was ill or slow in between, the first one may be older than the grace is long. */
static uint32_t take_denial(struct name *name, const char *error)
{
	uint32_t refresh_ms = name->naming->refresh_ms;

	name->failures = 0;
	name->last_answer_ms = clock_now_ms();
	if (++name->denials < DENIALS_MEAN_NOBODY)
		return gap_ms(name);
	if (name->denials == DENIALS_MEAN_NOBODY && name->known.count > 0 && name->naming->grace_ms > 0)
		log_warn("looking up %s: %s; the gateway keeps those of its %zu addresses that respond, for at most %.1f s",
		         name->host, error, name->known.count, (double)name->naming->grace_ms / 1e3);
	addresses_deny(&name->known, name->last_answer_ms);
	name->is_known = true;
	return jittered(name, name->known.count > 0 && refresh_ms > DENIED_REFRESH_MS ? DENIED_REFRESH_MS : refresh_ms);
}

static void note_failure(struct name *name, const char *error)
{
	if (name->error == NULL || strcmp(name->error, error) != 0)
		log_warn("looking up %s: %s; the gateway keeps its %zu addresses", name->host, error,
		         name->known.count);
}

static uint32_t pause_after_failure(struct name *name)
{
	unsigned tries = name->naming->tries, doublings;

	if (name->failures < tries)
		return gap_ms(name);
	doublings = name->failures - tries + 1;
	return jittered(name, gap_ms(name) << (doublings < BACKOFF_DOUBLINGS ? doublings : BACKOFF_DOUBLINGS));
}

static void on_answer(void *context, const struct resolver_answer *answer)
{
	struct name *name = context;
	uint32_t pause_ms = jittered(name, name->naming->refresh_ms);
	const char *error = answer->error;
	enum resolver_verdict verdict = answer->verdict;

	name->query = NULL;
	if (answer->is_from_hosts && !name->is_from_hosts && name->known.count > 0)
		verdict = answer->dns_verdict;
	switch (verdict) {
	case RESOLVER_ANSWER:
		take_addresses(name, answer);
		error = answer->dns_verdict == RESOLVER_NO_NAME ? NULL : error;
		if (answer->is_cut && error != NULL && (name->error == NULL || strcmp(name->error, error) != 0))
			log_warn("looking up %s: %s; the gateway uses the %zu addresses that it received", name->host,
			         error, answer->count);
		break;
	case RESOLVER_NO_NAME:
		pause_ms = take_denial(name, answer->error);
		break;
	case RESOLVER_FAILURE:
		name->failures++;
		name->failures_total++;
		note_failure(name, answer->error);
		pause_ms = pause_after_failure(name);
		break;
	}
	name->error = error;
	expire(name);
	ask_after(name, pause_ms);
	name->naming->on_answered(name->naming->context, name);
}

/* ---- questions ----------------------------------------------------------------------------------------------- */

/* The only place where a question begins. */
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
	name->query = resolver_ask(name->naming->resolver, name->host, on_answer, name);
	if (name->query == NULL)
		ask_after(name, gap_ms(name));
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	name_ask(context);
}

void name_stop_asking(struct name *name)
{
	event_del(&name->timer);
	event_del(&name->grace);
	if (name->query != NULL)
		resolver_cancel(name->query);
	name->query = NULL;
	if (name->guard != NULL)
		guard_stop_asking(name->guard);
}

void name_forget(struct name *name)
{
	name_stop_asking(name);
	if (name->guard != NULL)
		guard_free(name->guard);
	name->guard = NULL; /* name_set_guard() puts on a new one */
	addresses_clear(&name->known);
	name->has_missing = false;
	name->denials = name->failures = 0;
	name->is_known = false;
	name->error = NULL;
}

/* ---- what may be used ---------------------------------------------------------------------------------------- */

bool name_look(const struct name *name, const struct address **addresses, size_t *count)
{
	*addresses = name->guard == NULL ? name->known.list : name->guard->admitted;
	*count = name->guard == NULL ? name->known.count : name->guard->admitted_count;
	return name->guard == NULL ? name->is_known : name->guard->is_known;
}

static void on_guard_changed(void *context)
{
	struct name *name = context;

	name->naming->on_answered(name->naming->context, name);
}

/* Without memory there is no guard: the next reload tries again. */
void name_set_guard(struct name *name)
{
	bool is_wanted = name->naming->verifies_service && identity_is_task_name(name->host);

	if (is_wanted == (name->guard != NULL))
		return;
	if (is_wanted) {
		name->guard = guard_new(name->naming, name->host, on_guard_changed, name);
		if (name->guard != NULL && name->is_known)
			guard_take(name->guard, name->known.list, name->known.count);
	} else {
		guard_free(name->guard);
		name->guard = NULL;
	}
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

struct name *name_use(struct naming *naming, const char *host)
{
	struct name *name;

	for (name = naming->names; name != NULL; name = name->next) {
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
	name->naming = naming;
	name->users = 1;
	evtimer_assign(&name->timer, naming->base, on_timer, name);
	evtimer_assign(&name->grace, naming->base, on_grace_over, name);
	name->next = naming->names;
	naming->names = name;
	name_set_guard(name);
	return name;
}

void name_release(struct name *name)
{
	if (--name->users == 0)
		name_stop_asking(name);
}

static void free_name(struct name *name)
{
	name_stop_asking(name);
	if (name->guard != NULL)
		guard_free(name->guard);
	addresses_clear(&name->known);
	free(name->host);
	free(name);
}

/* Keeps a name that was asked for a moment ago: if the next reload needs it again, it must not ask sooner than the gap
 * allows. */
void name_forget_unused(struct naming *naming)
{
	struct name **link = &naming->names;
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

void names_free(struct naming *naming)
{
	struct name *name, *next;

	for (name = naming->names; name != NULL; name = next) {
		next = name->next;
		free_name(name);
	}
}
