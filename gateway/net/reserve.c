/*
 * evhttp 2.1 crashes if an allocation fails while it takes a connection or a request, because it frees what it has not
 * yet made. So when malloc() fails, libevent gets one of a few small blocks that were set aside. The admin listener has
 * few connections, and evhttp's allocations for a request are small. Larger allocations, such as a page, may fail, and
 * do so cleanly.
 *
 * Unused blocks cost no memory, because nobody has touched their pages. Any thread may take a block, so the mark that
 * it is taken is an atomic; that is no more sharing between threads than malloc() itself.
 */
#include "gateway/net/reserve.h"

#include <event2/event.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 512, BLOCK_BYTES = 1024 };

static _Alignas(max_align_t) char blocks[BLOCKS][BLOCK_BYTES];
static atomic_bool taken[BLOCKS];

static bool is_block(const void *memory)
{
	return (uintptr_t)memory - (uintptr_t)blocks < sizeof blocks;
}

static void *take_block(size_t size)
{
	for (size_t i = 0; size <= BLOCK_BYTES && i < BLOCKS; i++)
		if (!atomic_exchange(&taken[i], true))
			return blocks[i];
	return NULL;
}

static void *reserve_malloc(size_t size)
{
	void *memory = malloc(size);

	return memory != NULL ? memory : take_block(size);
}

static void reserve_free(void *memory)
{
	if (is_block(memory))
		atomic_store(&taken[((uintptr_t)memory - (uintptr_t)blocks) / BLOCK_BYTES], false);
	else
		free(memory);
}

static void *reserve_realloc(void *memory, size_t size)
{
	size_t held;
	void *moved;

	if (memory == NULL)
		return reserve_malloc(size);
	if (!is_block(memory) && (moved = realloc(memory, size)) != NULL)
		return moved;
	held = is_block(memory) ? BLOCK_BYTES : malloc_usable_size(memory);
	if (size <= held)
		return memory;
	moved = reserve_malloc(size);
	if (moved == NULL)
		return NULL;
	memcpy(moved, memory, held);
	reserve_free(memory);
	return moved;
}

void reserve_begin(void)
{
	event_set_mem_functions(reserve_malloc, reserve_realloc, reserve_free);
}
