/* hiredis' reader of replies. The library is opened when a configuration first needs it. */
#ifndef GATEWAY_NET_REDIS_READER_H
#define GATEWAY_NET_REDIS_READER_H

#include <stdbool.h>
#include <stddef.h>

struct redisReader;
struct redisReply;

enum { REDIS_READER_ELEMENTS = 3 }; /* the most of an array */

/* The control thread, before all others here. False with `error`: hiredis is not installed, or memory is short. */
bool redis_reader_load(char *error, size_t size);

/* NULL: out of memory. */
struct redisReader *redis_reader_new(void);
void redis_reader_free(struct redisReader *reader);
/* False: memory is short. */
bool redis_reader_feed(struct redisReader *reader, const char *bytes, size_t length);
/* False: the bytes are no reply, or one with a larger array. `reply` NULL: it is not whole yet. */
bool redis_reader_get(struct redisReader *reader, struct redisReply **reply);
void redis_reader_free_reply(struct redisReply *reply);

#endif
