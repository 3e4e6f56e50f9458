/*
 * Swarm's DNS calls a task's address
 *
 *     hospital_patient . 1 . 5sd8yqvfmrbyoz1c1a0ngzn3b . hospital_default
 *     service            |   task                        network
 *                        slot; the node's id where the service is global
 *
 * where the service has its stack's name before its own, but is asked for without it. A name of another form says nothing: an
 * address in transition answers a container's id, and a question that swarm forwards may get any host's name.
 */
#include "gateway/discovery/identity.h"

#include <string.h>
#include <strings.h>

static const char TASKS[] = "tasks.", DIGITS[] = "0123456789", ID[] = "0123456789abcdefghijklmnopqrstuvwxyz";

enum { NODE_ID_BYTES = 25, SLOT_DIGITS_MAX = 10 };

bool identity_is_task_name(const char *host)
{
	return strncasecmp(host, TASKS, strlen(TASKS)) == 0 && host[strlen(TASKS)] != '\0';
}

static bool is_slot(const char *label, size_t length)
{
	return (length <= SLOT_DIGITS_MAX && strspn(label, DIGITS) == length) ||
	       (length == NODE_ID_BYTES && strspn(label, ID) == length);
}

/* The length of the service's label; 0: no task's name. */
static size_t service_length(const char *name)
{
	const char *labels[4];
	size_t lengths[4];

	for (size_t i = 0; i < 4; i++) {
		labels[i] = name;
		lengths[i] = strcspn(name, ".");
		if (lengths[i] == 0 || (i < 3 && name[lengths[i]] == '\0'))
			return 0;
		name += lengths[i] + 1;
	}
	return is_slot(labels[1], lengths[1]) ? lengths[0] : 0;
}

/* "patient", or in a stack "hospital_patient". */
static bool is_service(const char *label, size_t length, const char *service, size_t service_bytes)
{
	if (length < service_bytes || strncasecmp(label + length - service_bytes, service, service_bytes) != 0)
		return false;
	return length == service_bytes || label[length - service_bytes - 1] == '_';
}

enum identity identity_of(const char *host, const char *const *names, const char **which)
{
	const char *service = host + strlen(TASKS);
	enum identity identity = IDENTITY_UNKNOWN;

	for (; names != NULL && *names != NULL; names++) {
		size_t length = service_length(*names);

		if (length == 0)
			continue;
		if (is_service(*names, length, service, strcspn(service, "."))) {
			*which = *names;
			return IDENTITY_OWN;
		}
		if (identity == IDENTITY_UNKNOWN)
			*which = *names;
		identity = IDENTITY_FOREIGN;
	}
	return identity;
}

bool identity_is_same_service(const char *name, const char *other)
{
	size_t length = strcspn(name, ".");

	return length == strcspn(other, ".") && strncasecmp(name, other, length) == 0;
}

unsigned identity_doubt(const char *host, const char *name)
{
	size_t length = strcspn(name, "."), service_bytes = strcspn(host + strlen(TASKS), ".");

	if (length <= service_bytes)
		return 0;
	return memchr(name, '_', length - service_bytes - 1) == NULL ? 1 : 2;
}

bool identity_is_public(const struct address *address)
{
	static const char *const OURS[] = {"10.0.0.0/8",     "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8",
	                                   "169.254.0.0/16", "fc00::/7",      "fe80::/10",      "::1"};

	for (size_t i = 0; i < sizeof(OURS) / sizeof(OURS[0]); i++) {
		struct prefix prefix;

		if (prefix_parse(&prefix, OURS[i]) && prefix_contains(&prefix, address))
			return false;
	}
	return true;
}
