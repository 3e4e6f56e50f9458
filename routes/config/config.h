/*
 * gateway.yml, read: one immutable tree that all threads may read without a lock.
 *
 * A reload builds a new one; exchanges under way keep theirs. The owner of a pointer holds a reference
 * (config_reference/config_release, any thread). Everything below is in the configuration's own memory.
 * Names, kinds, units, defaults and limits of the keys: keys.h.
 */
#ifndef ROUTES_CONFIG_CONFIG_H
#define ROUTES_CONFIG_CONFIG_H

#include "routes/config/complaints.h"
#include "routes/config/settings.h"

/* Reads and checks `file`. NULL when there is at least one error; complaints are filled in both cases and must be freed
 * with complaints_free(). Environment variables are read here and only here. */
struct config *config_read(const char *file, struct complaints *complaints);
/* The same, but in spite of errors: with the plain values that could be read, defaults for the rest, and no usable routes.
 * NULL: there was nothing to read. */
struct config *config_read_anyway(const char *file, struct complaints *complaints);
/* As config_read(), from memory; `file` is only a name for messages. */
struct config *config_parse(const char *file, const char *text, size_t length, struct complaints *complaints);
/* Is this peer believed in what it says of its own clients (trusted_proxies)? */
bool config_trusts(const struct config *config, const struct address *peer);
/* NULL: there is no upstream of this name. */
const struct upstream_settings *config_find_upstream(const struct config *config, const char *name);

struct config *config_reference(struct config *config);
void config_release(struct config *config);

#endif
