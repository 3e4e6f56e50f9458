/*
 * The Docker Engine API (v1.41 and later), as far as an autoscaler needs it. The room of libcurl.
 *
 * The engine names its own version in each answer (Api-Version), and is asked in that version: an update in an older one would
 * lose the parts of the Spec that the older one does not know, and an engine refuses versions that are too old for it. An engine
 * that names none is asked in v1.41.
 *
 * Calls block: they are for the scaler's own thread. Each request takes DOCKER_TIMEOUT_MS at most, and a call makes a few. An
 * engine that is no manager of its swarm answers 503.
 */
#ifndef AUTOSCALER_DOCKER_H
#define AUTOSCALER_DOCKER_H

#include "deploy/autoscaler/service.h"

enum { DOCKER_TIMEOUT_MS = 5000, DOCKER_ANSWER_MAX = 32 << 20, DOCKER_ERROR_MAX = 255 };

enum docker_result {
	DOCKER_FINE,
	DOCKER_NOT_FOUND,
	DOCKER_CONFLICT, /* somebody else changed the service meanwhile */
	DOCKER_UNSURE,   /* the change was sent, but no answer came: it may have been made; `error` says more */
	DOCKER_FAILED,   /* `error` says how */
};

struct docker {
	void *curl;
	char base[256], socket[108]; /* socket empty: over TCP */
	unsigned minor;              /* of the version 1.MINOR in which the engine is asked */
	char error[DOCKER_ERROR_MAX + 1];
};

/* `url`: unix:///var/run/docker.sock, tcp://host:port or http://host:port. False: it is none of these, or out of memory. */
bool docker_init(struct docker *docker, const char *url);
void docker_finish(struct docker *docker);

/* The service of exactly this name or, where there is none, the only one whose name is STACK_name with its stack's label. On
 * DOCKER_FINE service_finish() is the caller's. */
enum docker_result docker_find(struct docker *docker, const char *name, struct service *service);
/* All services as the engine's JSON list, to be released by the caller. */
enum docker_result docker_list(struct docker *docker, json_t **list);
/* `service` as it was read: its version is what the change is made to. */
enum docker_result docker_scale(struct docker *docker, struct service *service, uint64_t replicas);

#endif
