/* Between cluster.c, cluster_view.c and cluster_post.c: what they share as data. */
#ifndef GATEWAY_ADMIN_CLUSTER_INSIDE_H
#define GATEWAY_ADMIN_CLUSTER_INSIDE_H

#include <event2/event_struct.h>

#include "gateway/admin/later.h"
#include "gateway/admin/peers.h"

/* The most requests whose answer waits for peers; further ones are answered with what is known. */
enum { WAITING_MAX = 16, WAITING_ROUND_MS = PEERS_LIMIT_MS + 200, WAITING_OVERRIDE_MS = 2500 };

struct cluster;

struct waiting {
	struct later later;
	uint64_t due_ms;
	uint32_t wait_ms;
	/* Is everything there that it waits for? `is_round`: all peers have just answered or failed. */
	bool (*is_whole)(const struct cluster *cluster, const struct waiting *waiting, bool is_round);
	void (*answer)(struct cluster *cluster, struct page_request *request, const struct waiting *waiting);
	char breaker[OVERRIDE_NAME];           /* of an override */
	uint64_t stamp, span_ms;
	size_t seconds;                        /* of the page */
};

struct cluster {
	const struct admin_view *view;
	const struct history *history;
	struct peers *peers;
	struct overrides overrides;
	struct event settle_timer, expiry_timer, waiting_timer;
	char written[300]; /* cluster.peers; "": off */
	char error[160];   /* of the last lookup; "": fine */
	uint32_t refresh_ms;
	bool is_settled;
	struct waiting waiting[WAITING_MAX];
};

#endif
