/* A command as Redis reads it (RESP): an array of strings of bytes. Pure. */
#ifndef GATEWAY_NET_REDIS_COMMAND_H
#define GATEWAY_NET_REDIS_COMMAND_H

#include "gateway/base/slice.h"

/* An upper bound of its bytes, with the NUL that is written behind it. */
size_t redis_command_room(const struct slice *words, unsigned count);
/* Returns its length. */
size_t redis_command_write(char *to, const struct slice *words, unsigned count);

#endif
