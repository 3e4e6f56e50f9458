/* Which service an address belongs to, by the name that swarm's DNS gives it. Pure text. */
#ifndef GATEWAY_DISCOVERY_IDENTITY_H
#define GATEWAY_DISCOVERY_IDENTITY_H

#include "routes/address.h"

enum identity {
	IDENTITY_OWN,     /* a task of the service in question */
	IDENTITY_FOREIGN, /* a task of another service */
	IDENTITY_UNKNOWN, /* the name of something other than a task (a container, a host), or none */
};

/* "tasks.patient", also "tasks.patient.NETWORK": only for such names is the form of the addresses' names known. */
bool identity_is_task_name(const char *host);
/* `host`: such a name. `names`: all that the address has, ending with NULL; the first that counts is stored in *which, unless
 * the identity is unknown. */
enum identity identity_of(const char *host, const char *const *names, const char **which);
/* Are these tasks of one service? */
bool identity_is_same_service(const char *name, const char *other);
/* For names that are IDENTITY_OWN: how far-fetched it is that this is the service which `host` means. 0: the names are
 * equal; 1: it stands behind a stack's name without "_"; 2: "a_b_patient" may be stack a's b_patient as well as stack
 * a_b's patient. */
unsigned identity_doubt(const char *host, const char *name);
/* An address that no swarm assigns unless an administrator told it to. */
bool identity_is_public(const struct address *address);

#endif
