/*
 * Open addressing with linear probing, at most half full. Removing an entry leaves no mark but moves up the entries
 * behind it (Knuth, volume 3, section 6.4, algorithm R), so the table is as good after a year as on the first day. The
 * hash is seeded, so nobody outside can choose addresses that collide.
 */
#include "gateway/worker/client_counts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/random.h"

struct client_counts_place {
	uint64_t network; /* the address, or the first half of one */
	uint32_t count;   /* 0: the place is free */
	uint8_t family;
};

static struct client_counts_place place_of(const struct address *client)
{
	const uint8_t *bytes;
	size_t length = address_client(client, &bytes);
	struct client_counts_place place = { .family = length == 4 ? 4 : 6, .count = 1 };

	if (length == 4) /* not so many as a variable says: a length that the compiler knows is no call */
		memcpy(&place.network, bytes, 4);
	else
		memcpy(&place.network, bytes, 8);
	return place;
}

/* The multiply-and-shift of SplitMix64, over bytes that the seed has made unpredictable. */
static uint64_t hash_of(uint64_t seed, const struct client_counts_place *place)
{
	uint64_t hash = (place->network ^ seed) + place->family;

	hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
	return hash ^ hash >> 31;
}

uint64_t client_counts_hash(uint64_t seed, const struct address *client)
{
	struct client_counts_place place = place_of(client);

	return hash_of(seed, &place);
}

/* The slot of this address if the table were empty. */
static size_t home_of(const struct client_counts *counts, const struct client_counts_place *place)
{
	return (size_t)hash_of(counts->seed, place) & counts->mask;
}

/* Its slot, or the free one that it would take. */
static size_t find(const struct client_counts *counts, const struct client_counts_place *wanted)
{
	size_t at = home_of(counts, wanted);

	while (counts->places[at].count != 0 &&
	       (counts->places[at].network != wanted->network || counts->places[at].family != wanted->family))
		at = (at + 1) & counts->mask;
	return at;
}

/* Frees the slot and moves up the entries that had been pushed past it. */
static void close_gap(struct client_counts *counts, size_t gap)
{
	counts->places[gap].count = 0;
	for (size_t at = (gap + 1) & counts->mask; counts->places[at].count != 0; at = (at + 1) & counts->mask) {
		size_t home = home_of(counts, &counts->places[at]);

		if (((at - home) & counts->mask) < ((at - gap) & counts->mask))
			continue; /* it stands between its home and the gap, and must not move before its home */
		counts->places[gap] = counts->places[at];
		counts->places[at].count = 0;
		gap = at;
	}
}

bool client_counts_init(struct client_counts *counts, uint32_t most_connections)
{
	struct random random;
	size_t size = 16;

	while (size < 2 * (size_t)most_connections + 2)
		size *= 2;
	random_seed(&random);
	counts->seed = random_next(&random);
	counts->mask = size - 1;
	counts->places = calloc(size, sizeof *counts->places); /* untouched pages cost nothing */
	if (counts->places != NULL && pthread_mutex_init(&counts->mutex, NULL) == 0)
		return true;
	free(counts->places);
	counts->places = NULL;
	return false;
}

void client_counts_destroy(struct client_counts *counts)
{
	if (counts->places == NULL)
		return;
	pthread_mutex_destroy(&counts->mutex);
	free(counts->places);
	counts->places = NULL;
}

uint32_t client_counts_enter(struct client_counts *counts, const struct address *client)
{
	struct client_counts_place wanted = place_of(client);
	struct client_counts_place *place;
	uint32_t count;

	pthread_mutex_lock(&counts->mutex);
	place = &counts->places[find(counts, &wanted)];
	if (place->count == 0)
		*place = wanted;
	else
		place->count++;
	count = place->count;
	pthread_mutex_unlock(&counts->mutex);
	return count;
}

void client_counts_leave(struct client_counts *counts, const struct address *client)
{
	struct client_counts_place wanted = place_of(client);
	size_t at;

	pthread_mutex_lock(&counts->mutex);
	at = find(counts, &wanted);
	assert(counts->places[at].count > 0);
	if (--counts->places[at].count == 0)
		close_gap(counts, at);
	pthread_mutex_unlock(&counts->mutex);
}
