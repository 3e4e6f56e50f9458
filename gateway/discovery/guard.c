#include "gateway/discovery/guard.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/discovery/identity.h"
#include "gateway/discovery/service.h"

/* ---- who is admitted ----------------------------------------------------------------------------------------- */

/* Those that left are gone at once. If nobody would be left while some still wait, things stay as they were: a service whose
 * replicas were all replaced within one refresh must not be without any. */
static void update(struct guard *guard)
{
	struct address *admitted = malloc((guard->count + 1) * sizeof *admitted);
	size_t count = 0;

	if (admitted == NULL) {
		log_error("%s: memory is short, its addresses stay as they were", guard->name->host);
		return;
	}
	for (size_t i = 0; i < guard->count; i++)
		if (guard->guests[i]->state == GUEST_ADMITTED)
			admitted[count++] = guard->guests[i]->address;
	if (count == 0 && guard->waiting > 0) {
		free(admitted);
		return;
	}
	free(guard->admitted);
	guard->admitted = admitted;
	guard->admitted_count = count;
	guard->is_known = true;
}

static void enter(struct guest *guest, enum guest_state state)
{
	struct guard *guard = guest->guard;

	guard->waiting += (state == GUEST_WAITING) - (guest->state == GUEST_WAITING);
	guard->quarantined += (state == GUEST_QUARANTINED) - (guest->state == GUEST_QUARANTINED);
	guest->state = state;
}

static void quarantine(struct guest *guest, const char *why, const char *name, uint64_t took_ms)
{
	char says[GUARD_SAYS_MAX], address[ADDRESS_TEXT_MAX];
	size_t length = (size_t)snprintf(says, sizeof says, "%s%s", why, name);

	for (size_t i = 0; i < length && i < sizeof says - 1; i++)
		if (says[i] < ' ' || says[i] > '~')
			says[i] = '?';
	if (guest->state == GUEST_QUARANTINED && strcmp(guest->says, says) == 0)
		return;
	address_format_ip(&guest->address, address);
	log_warn("%s: %s is quarantined: %s (after %llu ms)", guest->guard->name->host, address, says,
	         (unsigned long long)took_ms);
	guest->guard->quarantines_total += guest->state != GUEST_QUARANTINED;
	enter(guest, GUEST_QUARANTINED);
	memcpy(guest->says, says, sizeof says);
}

static void admit(struct guest *guest, enum identity identity, const char *name)
{
	const char *host = guest->guard->name->host;
	char address[ADDRESS_TEXT_MAX];

	address_format_ip(&guest->address, address);
	if (guest->state == GUEST_QUARANTINED)
		log_info("%s: %s is not quarantined any more: its name is %s", host, address,
		         identity == IDENTITY_OWN ? name : "no other service's");
	else if (guest->state == GUEST_WAITING && identity_is_public(&guest->address))
		log_warn("%s: %s is a public address, but its name is %s", host, address, name);
	enter(guest, GUEST_ADMITTED);
	guest->says[0] = '\0';
}

static void judge(struct guest *guest, enum identity identity, const char *name)
{
	uint64_t took_ms = guest->asked_ms == 0 ? 0 : clock_now_ms() - guest->asked_ms;

	if (identity == IDENTITY_FOREIGN)
		quarantine(guest, "its name is another service's: ", name, took_ms);
	else if (identity == IDENTITY_UNKNOWN && identity_is_public(&guest->address))
		quarantine(guest, "a public address without a name of the service", "", took_ms);
	else
		admit(guest, identity, name);
}

/* ---- questions ----------------------------------------------------------------------------------------------- */

static void ask_new(struct guard *guard);

/* No answer takes nothing back: whoever was judged stays as he was. */
static void on_answer(void *context, const struct resolver_answer *answer)
{
	struct guest *guest = context;
	struct guard *guard = guest->guard;
	enum guest_state before = guest->state;
	const char *name = "";
	enum identity identity = identity_of(guard->name->host, answer->names, &name);

	guest->query = NULL;
	guard->asking--;
	if (answer->verdict != RESOLVER_FAILURE || guest->state == GUEST_WAITING)
		judge(guest, identity, name);
	ask_new(guard);
	if (guard->waiting > 0 || guest->state == before)
		return;
	update(guard);
	name_guard_changed(guard->name); /* at last: it may end in a reload that forgets the name */
}

static void ask(struct guest *guest)
{
	struct guard *guard = guest->guard;

	guest->query = resolver_ask_names(guard->name->discovery->resolver, &guest->address, on_answer, guest);
	if (guest->query == NULL) /* memory is short: with the next answer again */
		return;
	guest->asked_ms = clock_now_ms();
	guard->asking++;
}

/* Also those that were admitted because the time was over before it was their turn. */
static void ask_new(struct guard *guard)
{
	for (size_t i = 0; i < guard->count && guard->asking < GUARD_ASKING_MAX; i++)
		if (guard->guests[i]->asked_ms == 0)
			ask(guard->guests[i]);
}

static void ask_quarantined_again(struct guard *guard)
{
	uint64_t now_ms = clock_now_ms();

	for (size_t i = 0; i < guard->count && guard->asking < GUARD_ASKING_MAX; i++) {
		struct guest *guest = guard->guests[i];

		if (guest->state == GUEST_QUARANTINED && guest->query == NULL && now_ms - guest->asked_ms >= GUARD_AGAIN_MS)
			ask(guest);
	}
}

void guard_hurry(struct guard *guard)
{
	if (guard->waiting == 0)
		return;
	for (size_t i = 0; i < guard->count; i++)
		if (guard->guests[i]->state == GUEST_WAITING)
			judge(guard->guests[i], IDENTITY_UNKNOWN, "");
	update(guard);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct guard *guard = context;

	(void)fd, (void)what;
	guard_hurry(guard);
	name_guard_changed(guard->name);
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
	enter(guest, GUEST_WAITING);
	return guest;
}

/* Both lists are sorted. A guest for whom there is no memory is not there: the next answer tries again. */
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
	uint32_t timeout_ms = guard->name->discovery->timeout_ms;

	if (guests == NULL) {
		log_error("%s: memory is short, its addresses stay as they were", guard->name->host);
		return;
	}
	replace_guests(guard, guests, addresses, count);
	ask_new(guard);
	ask_quarantined_again(guard);
	if (guard->waiting > 0 && !event_pending(&guard->deadline, EV_TIMEOUT, NULL))
		event_add(&guard->deadline, &(struct timeval){ .tv_sec = timeout_ms / 1000,
		                                               .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000 });
	update(guard);
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

struct guard *guard_new(struct name *name)
{
	struct guard *guard = calloc(1, sizeof *guard);

	if (guard == NULL)
		return NULL;
	guard->name = name;
	evtimer_assign(&guard->deadline, name->discovery->base, on_deadline, guard);
	return guard;
}

void guard_rest(struct guard *guard)
{
	for (size_t i = 0; i < guard->count; i++)
		call_off(guard->guests[i]);
	event_del(&guard->deadline);
}

void guard_free(struct guard *guard)
{
	for (size_t i = 0; i < guard->count; i++)
		free_guest(guard->guests[i]);
	event_del(&guard->deadline);
	free(guard->guests);
	free(guard->admitted);
	free(guard);
}
