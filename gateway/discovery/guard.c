#include "gateway/discovery/guard.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/net/timer.h"

/* ---- who is admitted ----------------------------------------------------------------------------------------- */

/* Drops guests that have left at once. If that would leave nobody while some still wait, the admitted ones stay as they
 * were: a service whose replicas were all replaced within one refresh must not be without any. True: the set of
 * admitted addresses has changed. */
static bool update(struct guard *guard)
{
	struct address *admitted = malloc((guard->count + 1) * sizeof *admitted);
	size_t count = 0;
	bool is_same;

	if (admitted == NULL) {
		log_error("%s: out of memory: the gateway keeps its old addresses", guard->host);
		return false;
	}
	for (size_t i = 0; i < guard->count; i++)
		if (guard->guests[i]->state == GUEST_ADMITTED)
			admitted[count++] = guard->guests[i]->address;
	if (count == 0 && guard->waiting > 0) {
		free(admitted);
		return false;
	}
	is_same = guard->is_known && count == guard->admitted_count;
	for (size_t i = 0; is_same && i < count; i++)
		is_same = address_compare(&admitted[i], &guard->admitted[i]) == 0;
	free(guard->admitted);
	guard->admitted = admitted;
	guard->admitted_count = count;
	guard->is_known = true;
	return !is_same;
}

static void enter(struct guest *guest, enum guest_state state)
{
	struct guard *guard = guest->guard;

	guard->waiting += (state == GUEST_WAITING) - (guest->state == GUEST_WAITING);
	guard->quarantined += (state == GUEST_QUARANTINED) - (guest->state == GUEST_QUARANTINED);
	guest->state = state;
}

static void quarantine(struct guest *guest, const char *why, const char *name)
{
	uint64_t took_ms = guest->asked_ms == 0 ? 0 : clock_now_ms() - guest->asked_ms;
	char says[GUARD_SAYS_MAX], address[ADDRESS_TEXT_MAX];

	snprintf(says, sizeof says, "%s%s", why, name);
	if (guest->state == GUEST_QUARANTINED && strcmp(guest->says, says) == 0)
		return;
	address_format_ip(&guest->address, address);
	log_warn("%s: %s is quarantined: %s (after %llu ms)", guest->guard->host, address, says, (unsigned long long)took_ms);
	guest->guard->quarantines_total += guest->state != GUEST_QUARANTINED;
	enter(guest, GUEST_QUARANTINED);
	memcpy(guest->says, says, sizeof says);
}

static void admit(struct guest *guest)
{
	const char *host = guest->guard->host;
	char address[ADDRESS_TEXT_MAX];

	address_format_ip(&guest->address, address);
	if (guest->state == GUEST_QUARANTINED)
		log_info("%s: %s is no longer quarantined: its name is %s", host, address,
		         guest->identity == IDENTITY_OWN ? guest->name : "no other service's");
	else if (guest->state != GUEST_ADMITTED && identity_is_public(&guest->address))
		log_warn("%s: %s is a public address, but its name is %s", host, address, guest->name);
	enter(guest, GUEST_ADMITTED);
	guest->says[0] = '\0';
}

static size_t count_like(const struct guard *guard, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < guard->count; i++)
		count += guard->guests[i]->identity == IDENTITY_OWN && identity_is_same_service(guard->guests[i]->name, name);
	return count;
}

/* The service that was meant: the one with most addresses; among equals the one learnt before, then the more plausible
 * one. */
static void learn_service(struct guard *guard)
{
	const char *best = guard->service;
	size_t most = best[0] == '\0' ? 0 : count_like(guard, best);
	bool is_learnt = most > 0;

	for (size_t i = 0; i < guard->count; i++) {
		const char *name = guard->guests[i]->name;
		size_t count;

		if (guard->guests[i]->identity != IDENTITY_OWN || identity_is_same_service(name, best))
			continue;
		count = count_like(guard, name);
		if (count > most || (count == most && !(is_learnt && best == guard->service) &&
		                     identity_doubt(guard->host, name) < identity_doubt(guard->host, best))) {
			best = name;
			most = count;
		}
	}
	if (best != guard->service)
		memcpy(guard->service, best, sizeof guard->service);
}

static void judge(struct guest *guest)
{
	static const char another[] = "its name belongs to another service: ";
	enum identity identity = guest->identity;

	if (identity == IDENTITY_FOREIGN ||
	    (identity == IDENTITY_OWN && !identity_is_same_service(guest->name, guest->guard->service)))
		quarantine(guest, another, guest->name);
	else if (identity == IDENTITY_UNKNOWN && identity_is_public(&guest->address))
		quarantine(guest, "a public address whose name is not the service's", "");
	else
		admit(guest);
}

/* All but those that wait. */
static bool judge_all(struct guard *guard)
{
	learn_service(guard);
	for (size_t i = 0; i < guard->count; i++)
		if (guard->guests[i]->state != GUEST_WAITING)
			judge(guard->guests[i]);
	return update(guard);
}

/* ---- questions ----------------------------------------------------------------------------------------------- */

static void ask_new(struct guard *guard);

/* An answer without information takes nothing back: neither a missing answer, nor a single answer without a name. */
static void hear(struct guest *guest, const struct resolver_answer *answer)
{
	const char *name = "";
	enum identity identity = identity_of(guest->guard->host, answer->names, &name);

	guest->is_answered = answer->verdict != RESOLVER_FAILURE;
	if (!guest->is_answered || (identity == IDENTITY_UNKNOWN && guest->identity == IDENTITY_OWN) ||
	    (identity == IDENTITY_UNKNOWN && guest->identity == IDENTITY_FOREIGN && guest->unknowns++ == 0))
		return;
	guest->unknowns = 0;
	guest->identity = identity;
	snprintf(guest->name, sizeof guest->name, "%s", name);
	for (char *at = guest->name; *at != '\0'; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

static void on_answer(void *context, const struct resolver_answer *answer)
{
	struct guest *guest = context;
	struct guard *guard = guest->guard;

	guest->query = NULL;
	guard->asking--;
	hear(guest, answer);
	if (guest->state == GUEST_WAITING)
		enter(guest, GUEST_HEARD);
	ask_new(guard);
	if (guard->waiting == 0 && judge_all(guard))
		guard->on_changed(guard->context); /* last, because it may end in a reload that frees the name */
}

static void ask(struct guest *guest)
{
	struct guard *guard = guest->guard;

	guest->query = resolver_ask_names(guard->naming->resolver, &guest->address, on_answer, guest);
	if (guest->query == NULL) /* out of memory: try again with the next answer */
		return;
	guest->asked_ms = clock_now_ms();
	guest->is_doubted = false;
	guard->asking++;
}

/* Also judges those that were admitted because the time was over. */
static void ask_new(struct guard *guard)
{
	for (size_t i = 0; i < guard->count && guard->asking < GUARD_ASKING_MAX; i++)
		if (guard->guests[i]->asked_ms == 0)
			ask(guard->guests[i]);
}

static bool is_due(const struct guest *guest, uint64_t now_ms)
{
	bool is_unsure = !guest->is_answered || guest->state == GUEST_QUARANTINED;
	uint64_t wait_ms = guest->is_doubted ? GUARD_DOUBT_MS : is_unsure ? GUARD_AGAIN_MS : GUARD_RENEW_MS;

	return guest->query == NULL && now_ms - guest->asked_ms >= wait_ms;
}

/* New ones go first. */
static void on_again(evutil_socket_t fd, short what, void *context)
{
	struct guard *guard = context;
	uint64_t now_ms = clock_now_ms();
	unsigned asked = 0;

	(void)fd, (void)what;
	for (size_t i = 0; i < guard->count && guard->waiting == 0 && asked < GUARD_RENEWALS && guard->asking < GUARD_ASKING_MAX;
	     i++) {
		struct guest *guest = guard->guests[guard->renewed++ % guard->count];

		if (!is_due(guest, now_ms))
			continue;
		ask(guest);
		asked++;
	}
	if (guard->count > 0)
		event_add(&guard->again, &(struct timeval){ .tv_sec = 1 });
}

void guard_doubt(struct guard *guard, const struct address *address, uint64_t lost_ms)
{
	for (size_t i = 0; i < guard->count; i++) {
		struct guest *guest = guard->guests[i];

		if (address_compare(&guest->address, address) != 0 || lost_ms < guest->asked_ms)
			continue;
		guest->is_doubted = true;
		if (is_due(guest, clock_now_ms()) && guard->asking < GUARD_ASKING_MAX)
			ask(guest);
	}
}

void guard_hurry(struct guard *guard)
{
	if (guard->waiting == 0)
		return;
	for (size_t i = 0; i < guard->count; i++)
		if (guard->guests[i]->state == GUEST_WAITING)
			enter(guard->guests[i], GUEST_HEARD);
	judge_all(guard);
}

/* Guests whose time is over wait no more; those that came later do. All others are judged. */
static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct guard *guard = context;
	uint64_t now_ms = clock_now_ms(), next_ms = UINT64_MAX;

	(void)fd, (void)what;
	for (size_t i = 0; i < guard->count; i++) {
		struct guest *guest = guard->guests[i];
		uint64_t due_ms = guest->came_ms + guard->naming->timeout_ms;

		if (guest->state != GUEST_WAITING)
			continue;
		if (due_ms <= now_ms)
			enter(guest, GUEST_HEARD);
		else if (due_ms < next_ms)
			next_ms = due_ms;
	}
	if (guard->waiting > 0)
		timer_set(&guard->deadline, next_ms - now_ms);
	judge_all(guard);
	guard->on_changed(guard->context);
}

/* ---- who comes and goes -------------------------------------------------------------------------------------- */

static void call_off(struct guest *guest)
{
	if (guest->query == NULL)
		return;
	resolver_cancel(guest->query);
	guest->query = NULL;
	guest->asked_ms = 0;
	guest->guard->asking--;
}

static void free_guest(struct guest *guest)
{
	call_off(guest);
	enter(guest, GUEST_GONE);
	free(guest);
}

static struct guest *new_guest(struct guard *guard, const struct address *address)
{
	struct guest *guest = calloc(1, sizeof *guest);

	if (guest == NULL)
		return NULL;
	guest->guard = guard;
	guest->address = *address;
	guest->came_ms = clock_now_ms();
	guest->identity = IDENTITY_UNKNOWN;
	enter(guest, GUEST_WAITING);
	return guest;
}

/* Both lists are sorted. A guest without memory is left out; the next answer tries again. */
static void replace_guests(struct guard *guard, struct guest **guests, const struct address *addresses, size_t count)
{
	size_t old = 0, made = 0;

	for (size_t i = 0; i < count; i++) {
		while (old < guard->count && address_compare(&guard->guests[old]->address, &addresses[i]) < 0)
			free_guest(guard->guests[old++]);
		if (old < guard->count && address_compare(&guard->guests[old]->address, &addresses[i]) == 0)
			guests[made] = guard->guests[old++];
		else
			guests[made] = new_guest(guard, &addresses[i]);
		made += guests[made] != NULL;
	}
	while (old < guard->count)
		free_guest(guard->guests[old++]);
	free(guard->guests);
	guard->guests = guests;
	guard->count = made;
}

void guard_take(struct guard *guard, const struct address *addresses, size_t count)
{
	struct guest **guests = calloc(count + 1, sizeof(struct guest *));
	uint32_t timeout_ms = guard->naming->timeout_ms;

	if (guests == NULL) {
		log_error("%s: out of memory: the gateway keeps its old addresses", guard->host);
		return;
	}
	replace_guests(guard, guests, addresses, count);
	ask_new(guard);
	if (guard->count > 0 && !event_pending(&guard->again, EV_TIMEOUT, NULL))
		event_add(&guard->again, &(struct timeval){ .tv_sec = 1 });
	if (guard->waiting > 0 && !event_pending(&guard->deadline, EV_TIMEOUT, NULL))
		timer_set(&guard->deadline, timeout_ms);
	if (guard->waiting > 0)
		update(guard);
	else
		judge_all(guard);
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

struct guard *guard_new(const struct naming *naming, const char *host, guard_on_changed *on_changed, void *context)
{
	struct guard *guard = calloc(1, sizeof *guard);

	if (guard == NULL)
		return NULL;
	*guard = (struct guard){ .naming = naming, .host = host, .on_changed = on_changed, .context = context };
	evtimer_assign(&guard->deadline, naming->base, on_deadline, guard);
	evtimer_assign(&guard->again, naming->base, on_again, guard);
	return guard;
}

void guard_stop_asking(struct guard *guard)
{
	for (size_t i = 0; i < guard->count; i++)
		call_off(guard->guests[i]);
	event_del(&guard->deadline);
	event_del(&guard->again);
}

void guard_free(struct guard *guard)
{
	for (size_t i = 0; i < guard->count; i++)
		free_guest(guard->guests[i]);
	event_del(&guard->deadline);
	event_del(&guard->again);
	free(guard->guests);
	free(guard->admitted);
	free(guard);
}
