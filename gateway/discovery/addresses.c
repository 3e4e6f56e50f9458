#include "gateway/discovery/addresses.h"

#include <stdlib.h>

static void append(struct addresses *to, const struct address *address, uint64_t missing_ms)
{
	to->list[to->count] = *address;
	to->missing_ms[to->count++] = missing_ms;
}

static void replace(struct addresses *known, const struct addresses *with)
{
	addresses_clear(known);
	*known = *with;
}

/* In place of a time, for new addresses. */
static const uint64_t NEW = UINT64_MAX;

/* Counts the addresses that both lists have, those that stay though the answer lacks them, and all new ones. */
static void merge(struct addresses *all, const struct addresses *known, const struct addresses_answer *answer)
{
	size_t old = 0, new = 0;

	while (old < known->count || new < answer->count) {
		int order = old == known->count   ? 1
		            : new == answer->count ? -1
		                                   : address_compare(&known->list[old], &answer->list[new]);
		uint64_t missing_ms = order <= 0 ? known->missing_ms[old] : 0;

		if (order >= 0)
			append(all, &answer->list[new++], order == 0 ? 0 : NEW);
		else if (known->list[old].family == answer->kept_family)
			append(all, &known->list[old], missing_ms);
		else if (answer->is_cut)
			append(all, &known->list[old], missing_ms != 0 ? missing_ms : answer->now_ms);
		old += order <= 0;
	}
}

static struct addresses_taken leave_out(struct addresses *all, size_t new_most)
{
	struct addresses_taken taken = { .new = 0 };
	size_t kept = 0, new = 0, room;

	for (size_t i = 0; i < all->count; i++)
		new += all->missing_ms[i] == NEW;
	room = ADDRESSES_MOST - (all->count - new);
	room = room < new_most ? room : new_most;
	for (size_t i = 0; i < all->count; i++) {
		bool is_new = all->missing_ms[i] == NEW;

		if (is_new && taken.new == room) {
			taken.left_out++;
			continue;
		}
		taken.new += is_new;
		all->list[kept] = all->list[i];
		all->missing_ms[kept++] = is_new ? 0 : all->missing_ms[i];
	}
	all->count = kept;
	return taken;
}

bool addresses_take(struct addresses *known, const struct addresses_answer *answer, struct addresses_taken *taken)
{
	size_t most = known->count + answer->count + 1;
	struct addresses all = { .list = malloc(most * sizeof *all.list), .missing_ms = malloc(most * sizeof *all.missing_ms) };

	if (all.list == NULL || all.missing_ms == NULL) {
		addresses_clear(&all);
		return false;
	}
	merge(&all, known, answer);
	*taken = leave_out(&all, answer->new_most);
	replace(known, &all);
	return true;
}

void addresses_deny(struct addresses *known, uint64_t since_ms)
{
	for (size_t i = 0; i < known->count; i++)
		if (known->missing_ms[i] == 0)
			known->missing_ms[i] = since_ms;
}

uint64_t addresses_expire(struct addresses *known, uint64_t now_ms, uint64_t grace_ms)
{
	uint64_t next_ms = 0;
	size_t kept = 0;

	for (size_t i = 0; i < known->count; i++) {
		uint64_t missing_ms = known->missing_ms[i], due_ms = missing_ms == 0 ? 0 : missing_ms + grace_ms;

		if (due_ms != 0 && due_ms <= now_ms)
			continue;
		if (due_ms != 0 && (next_ms == 0 || due_ms < next_ms))
			next_ms = due_ms;
		known->list[kept] = known->list[i];
		known->missing_ms[kept++] = missing_ms;
	}
	known->count = kept;
	return next_ms;
}

uint64_t addresses_missing_since(const struct addresses *known, const struct address *address)
{
	size_t low = 0, high = known->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = address_compare(&known->list[middle], address);

		if (order == 0)
			return known->missing_ms[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

void addresses_clear(struct addresses *known)
{
	free(known->list);
	free(known->missing_ms);
	*known = (struct addresses){ .list = NULL };
}
