/*
 * Memory for one reading or one configuration: chunks in a list, handed out front to back, freed together.
 * Large pieces get a chunk of their own size, so nothing is too large but by malloc's word.
 */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "routes/config_reader.h"

enum { CHUNK_BYTES = 16 * 1024 };

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
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
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

void *reader_allocate(struct reader *reader, size_t size)
{
	void *bytes = arena_allocate(reader->memory, size);

	reader->is_memory_short = reader->is_memory_short || bytes == NULL;
	return bytes;
}

char *reader_copy(struct reader *reader, const char *text, size_t length)
{
	char *copy = reader_allocate(reader, length + 1);

	if (copy != NULL)
		memcpy(copy, text, length);
	return copy;
}

void *reader_allocate_scratch(void *context, size_t size)
{
	struct reader *reader = context;
	void *bytes = arena_allocate(reader->scratch, size);

	reader->is_memory_short = reader->is_memory_short || bytes == NULL;
	return bytes;
}
