/*
 * Open addressing with linear probing, at most half full. What leaves is not marked but closed up (Knuth, volume 3, section 6.4,
 * algorithm R), so that the table is as good after a year as on the first day. The hash is seeded: nobody outside can choose
 * addresses that collide.
 */
#include "gateway/crowd.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/random.h"

struct crowd_place {
	uint64_t network; /* the address, or the first half of one */
	uint32_t count;   /* 0: the place is free */
	uint8_t family;
};

static struct crowd_place place_of(const struct address *client)
{
	struct crowd_place place = { .family = client->family, .count = 1 };

	memcpy(&place.network, client->ip, client->family == 4 ? 4 : 8);
	return place;
}

/* Where it would stand if nothing stood there: the multiply-and-shift of SplitMix64 over what the seed has made unknown. */
static size_t home_of(const struct crowd *crowd, const struct crowd_place *place)
{
	uint64_t hash = (place->network ^ crowd->seed) + place->family;

	hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
	return (size_t)(hash ^ hash >> 31) & crowd->mask;
}

/* Its place, or the free one that it would take. */
static size_t find(const struct crowd *crowd, const struct crowd_place *wanted)
{
	size_t at = home_of(crowd, wanted);

	while (crowd->places[at].count != 0 &&
	       (crowd->places[at].network != wanted->network || crowd->places[at].family != wanted->family))
		at = (at + 1) & crowd->mask;
	return at;
}

/* Frees the place and moves up what had been pushed past it. */
static void close_gap(struct crowd *crowd, size_t gap)
{
	crowd->places[gap].count = 0;
	for (size_t at = (gap + 1) & crowd->mask; crowd->places[at].count != 0; at = (at + 1) & crowd->mask) {
		size_t home = home_of(crowd, &crowd->places[at]);

		if (((at - home) & crowd->mask) < ((at - gap) & crowd->mask))
			continue; /* it stands between its home and the gap: it would be lost before its home */
		crowd->places[gap] = crowd->places[at];
		crowd->places[at].count = 0;
		gap = at;
	}
}

bool crowd_init(struct crowd *crowd, uint32_t most_connections)
{
	struct random random;
	size_t size = 16;

	while (size < 2 * (size_t)most_connections + 2)
		size *= 2;
	random_seed(&random);
	crowd->seed = random_next(&random);
	crowd->mask = size - 1;
	crowd->places = calloc(size, sizeof *crowd->places); /* untouched pages cost nothing */
	if (crowd->places != NULL && pthread_mutex_init(&crowd->mutex, NULL) == 0)
		return true;
	free(crowd->places);
	crowd->places = NULL;
	return false;
}

void crowd_destroy(struct crowd *crowd)
{
	if (crowd->places == NULL)
		return;
	pthread_mutex_destroy(&crowd->mutex);
	free(crowd->places);
	crowd->places = NULL;
}

uint32_t crowd_enter(struct crowd *crowd, const struct address *client)
{
	struct crowd_place wanted = place_of(client);
	struct crowd_place *place;
	uint32_t count;

	pthread_mutex_lock(&crowd->mutex);
	place = &crowd->places[find(crowd, &wanted)];
	if (place->count == 0)
		*place = wanted;
	else
		place->count++;
	count = place->count;
	pthread_mutex_unlock(&crowd->mutex);
	return count;
}

void crowd_leave(struct crowd *crowd, const struct address *client)
{
	struct crowd_place wanted = place_of(client);
	size_t at;

	pthread_mutex_lock(&crowd->mutex);
	at = find(crowd, &wanted);
	assert(crowd->places[at].count > 0);
	if (--crowd->places[at].count == 0)
		close_gap(crowd, at);
	pthread_mutex_unlock(&crowd->mutex);
}
