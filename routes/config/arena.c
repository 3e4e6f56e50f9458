/*
 * Memory for one reading or one configuration: chunks in a list, handed out front to back, freed together.
 * Large pieces get a chunk of their own size, so nothing is too large but by malloc's word.
 *
 * Where an address sanitizer watches, each piece is a chunk of exactly its size: else nobody would notice who writes beyond one.
 */
#include "routes/config/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __has_feature
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined __SANITIZE_ADDRESS__ || HAS_FEATURE(address_sanitizer)
enum { CHUNK_BYTES = 0, PIECE_BYTES = 1 };
#else
enum { CHUNK_BYTES = 16 * 1024, PIECE_BYTES = alignof(max_align_t) };
#endif

struct chunk {
	struct chunk *next;
	size_t used, size;
	alignas(max_align_t) char bytes[];
};

struct arena {
	struct chunk *first;
};

struct arena *arena_new(void)
{
	return calloc(1, sizeof(struct arena));
}

void *arena_allocate(void *context, size_t size)
{
	struct arena *arena = context;
	struct chunk *chunk = arena->first;
	char *bytes;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + PIECE_BYTES - 1) & ~(size_t)(PIECE_BYTES - 1);
	if (chunk == NULL || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + room);
		if (chunk == NULL)
			return NULL;
		*chunk = (struct chunk){.next = arena->first, .size = room};
		arena->first = chunk;
	}
	bytes = chunk->bytes + chunk->used;
	chunk->used += size;
	return memset(bytes, 0, size);
}

void arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	while (arena->first != NULL) {
		struct chunk *chunk = arena->first;

		arena->first = chunk->next;
		free(chunk);
	}
	free(arena);
}
