#include "gateway/net/redis_reader.h"

#include <dlfcn.h>
#include <hiredis/hiredis.h>
#include <stdio.h>

static struct {
	redisReader *(*reader_create)(void);
	void (*reader_free)(redisReader *reader);
	int (*reader_feed)(redisReader *reader, const char *bytes, size_t length);
	int (*reader_get)(redisReader *reader, void **reply);
	void (*reply_free)(void *reply);
	bool is_loaded;
} hiredis;

#define TEXT(name) #name
#define LIBRARY(version) "libhiredis.so." TEXT(version)
/* POSIX lets dlsym()'s pointer be a function's; ISO C does not let it be cast. */
#define LOAD(library, name, member) (*(void **)&(member) = dlsym((library), (name)), (member) != NULL)

/* ---- arrays ---------------------------------------------------------------------------------------------------- */

/* As soon as a reply announces an array, hiredis takes memory for all its elements, and looks at each of them when it frees the
 * array: a server that announces two thousand million of them would stop the worker for seconds. So hiredis is told to fail
 * for an array that is larger than any that is asked for. */
#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif
static void *(*create_any_array)(const redisReadTask *task, element_count count);

static void *create_array(const redisReadTask *task, element_count count)
{
	return count > REDIS_READER_ELEMENTS ? NULL : create_any_array(task, count);
}

/* hiredis' own functions but for one. Static, since the control thread frees readers when their worker is gone. */
static redisReplyObjectFunctions functions;

/* False: out of memory. */
static bool take_functions(void)
{
	redisReader *reader = hiredis.reader_create();

	if (reader == NULL)
		return false;
	functions = *reader->fn;
	create_any_array = functions.createArray;
	functions.createArray = create_array;
	hiredis.reader_free(reader);
	return true;
}

/* ---- for callers ----------------------------------------------------------------------------------------------- */

bool redis_reader_load(char *error, size_t size)
{
	void *opened;

	if (hiredis.is_loaded)
		return true;
	/* The layout of replies in memory differs between versions: accept only the version whose header was used. */
	opened = dlopen(LIBRARY(HIREDIS_SONAME), RTLD_NOW | RTLD_LOCAL);
	if (opened == NULL || !LOAD(opened, "redisReaderCreate", hiredis.reader_create) ||
	    !LOAD(opened, "redisReaderFree", hiredis.reader_free) || !LOAD(opened, "redisReaderFeed", hiredis.reader_feed) ||
	    !LOAD(opened, "redisReaderGetReply", hiredis.reader_get) || !LOAD(opened, "freeReplyObject", hiredis.reply_free)) {
		snprintf(error, size, "hiredis can't be loaded: %s", opened == NULL ? dlerror() : "it is another one");
		return false;
	}
	hiredis.is_loaded = take_functions();
	if (!hiredis.is_loaded)
		snprintf(error, size, "out of memory");
	return hiredis.is_loaded;
}

redisReader *redis_reader_new(void)
{
	redisReader *reader = hiredis.reader_create();

	if (reader != NULL)
		reader->fn = &functions;
	return reader;
}

void redis_reader_free(redisReader *reader)
{
	hiredis.reader_free(reader);
}

bool redis_reader_feed(redisReader *reader, const char *bytes, size_t length)
{
	return hiredis.reader_feed(reader, bytes, length) == REDIS_OK;
}

bool redis_reader_get(redisReader *reader, redisReply **reply)
{
	void *got = NULL;
	bool is_fine = hiredis.reader_get(reader, &got) == REDIS_OK;

	*reply = got;
	return is_fine;
}

void redis_reader_free_reply(redisReply *reply)
{
	hiredis.reply_free(reply);
}
