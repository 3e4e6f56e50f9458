/* Whose an address is, by the name that swarm's DNS gives it. Pure text. */
#ifndef GATEWAY_DISCOVERY_IDENTITY_H
#define GATEWAY_DISCOVERY_IDENTITY_H

#include "routes/address.h"

enum identity {
	IDENTITY_OWN,     /* a task of the service that was asked for */
	IDENTITY_FOREIGN, /* a task of another service */
	IDENTITY_UNKNOWN, /* the name of something that is no task: a container's, a host's, none */
};

/* "tasks.patient", also "tasks.patient.NETWORK": only for such names is it known what their addresses are called. */
bool identity_is_task_name(const char *host);
/* `host`: such a name. `names`: all that the address has, ending with NULL; the first that counts is stored in *which, unless
 * the identity is unknown. */
enum identity identity_of(const char *host, const char *const *names, const char **which);
/* An address that no swarm hands out unless it was told to. */
bool identity_is_public(const struct address *address);

#endif
