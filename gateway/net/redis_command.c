#include "gateway/net/redis_command.h"

#include <stdio.h>

enum { LENGTH_ROOM = 32 }; /* "$LENGTH", and two line ends */

size_t redis_command_room(const struct slice *words, unsigned count)
{
	size_t room = LENGTH_ROOM;

	for (unsigned i = 0; i < count; i++)
		room += words[i].length + LENGTH_ROOM;
	return room;
}

size_t redis_command_write(char *to, const struct slice *words, unsigned count)
{
	char *end = to + sprintf(to, "*%u\r\n", count);

	for (unsigned i = 0; i < count; i++) {
		end += sprintf(end, "$%zu\r\n", words[i].length);
		if (words[i].length > 0)
			end = mempcpy(end, words[i].data, words[i].length);
		end = stpcpy(end, "\r\n");
	}
	return (size_t)(end - to);
}
