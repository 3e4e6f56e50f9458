/*
 * Memory that is short on demand: preloaded, and told by the first byte of the file $NOMALLOC how many of 100 allocations fail.
 * The eight bytes at offset 8 count those that did.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static volatile uint64_t *told;

__attribute__((constructor)) static void map(void)
{
	const char *file = getenv("NOMALLOC");
	int fd = file != NULL ? open(file, O_RDWR | O_CLOEXEC) : -1;
	void *mapped = fd >= 0 ? mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (mapped != MAP_FAILED)
		told = mapped;
	if (fd >= 0)
		close(fd);
}

static bool is_short(void)
{
	static _Thread_local uint32_t dice = 2463534242u;

	if (told == NULL || (told[0] & 0xff) == 0)
		return false;
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	if (dice % 100 >= (told[0] & 0xff))
		return false;
	__atomic_fetch_add(&told[1], 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return is_short() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return is_short() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return is_short() ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return is_short() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	if (is_short() || (*memory = __libc_memalign(alignment, size)) == NULL)
		return ENOMEM;
	return 0;
}
