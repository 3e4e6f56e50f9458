/*
 * Input laid against an unreadable page: a parser that looks one byte too far dies on the spot, which no sanitizer needs
 * to notice. The bytes before the input are readable, so that looking back is left to ASan.
 */
#ifndef TESTS_UNIT_PAGE_H
#define TESTS_UNIT_PAGE_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_ROOM = 128 * 1024, PAGE_SIZE_MAX = 64 * 1024 };

/* A copy of the bytes, writable, that ends where the unreadable begins. Valid until the next call. */
static inline char *page_lay(const void *bytes, size_t length)
{
	static char *room;

	if (room == NULL) {
		room = mmap(NULL, PAGE_ROOM + PAGE_SIZE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (room == MAP_FAILED || mprotect(room + PAGE_ROOM, PAGE_SIZE_MAX, PROT_NONE) != 0)
			abort();
	}
	if (length > PAGE_ROOM)
		abort();
	if (length > 0)
		memcpy(room + PAGE_ROOM - length, bytes, length);
	return room + PAGE_ROOM - length;
}

#endif
