/*
 * A client that leaves does not stop the service: most services notice nothing before they answer. So the request keeps its
 * place, and its share of the endpoint's load. Otherwise a client that asks and leaves, over and over, would give the service
 * more work than it can do.
 *
 * The upstream gets a FIN; a service that watches for it may stop. Its answer, or its end, says that it is done. If neither
 * comes within timeouts.response, the gateway waits no longer.
 */
#include "gateway/worker/abandoned.h"

#include <stdlib.h>

#include "gateway/base/container.h"
#include "gateway/worker/snapshot.h"
#include "gateway/worker/upstreams.h"

struct abandoned {
	struct worker *worker;
	struct snapshot *snapshot;
	struct upstream *upstream; /* the snapshot's */
	struct lease *lease;
	struct ring ring; /* worker->abandoned */
};

static void end(struct abandoned *abandoned)
{
	/* What has ended has left its ring: abandoned_end_all() meets each once. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	struct worker *worker = abandoned->worker;
	struct lease *lease = abandoned->lease;

	atomic_fetch_sub_explicit(&lease->endpoint->in_flight, 1, memory_order_relaxed);
	lease->operations->release(lease, LEASE_CUT, NULL);
	upstreams_leave(worker, abandoned->upstream);
	ring_remove(&abandoned->ring);
	snapshot_release(worker, abandoned->snapshot);
	free(abandoned);
}

static void on_end(struct lease *lease, enum lease_end how)
{
	(void)how;
	end(lease->owner);
}

static void on_due(struct lease *lease)
{
	end(lease->owner);
}

static const struct lease_events abandoned_events = { .on_end = on_end, .on_due = on_due };

bool abandoned_begin(struct worker *worker, struct snapshot *snapshot, struct upstream *upstream, struct lease *lease,
                     uint64_t due_ms)
{
	struct abandoned *abandoned;

	if (lease->is_blocked || worker_now_ms(worker) >= due_ms || (abandoned = malloc(sizeof *abandoned)) == NULL)
		return false;
	if (!lease->operations->abandon(lease)) {
		free(abandoned);
		return false;
	}
	*abandoned = (struct abandoned){ .worker = worker, .snapshot = snapshot, .upstream = upstream, .lease = lease };
	snapshot->uses++;
	lease->owner = abandoned;
	lease->events = &abandoned_events;
	deadline_set(&worker->io.deadlines, &lease->deadline, due_ms);
	ring_append(&worker->abandoned, &abandoned->ring);
	return true;
}

void abandoned_end_all(struct worker *worker)
{
	while (!ring_is_empty(&worker->abandoned))
		end(container_of(worker->abandoned.next, struct abandoned, ring));
}
