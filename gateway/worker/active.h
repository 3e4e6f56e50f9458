/* The requests under way in a worker, and for how long. The worker publishes them when somebody asks for the metrics,
 * so that requests pay nothing. */
#ifndef GATEWAY_WORKER_ACTIVE_H
#define GATEWAY_WORKER_ACTIVE_H

struct worker;

/* The worker's thread. */
void active_publish(struct worker *worker);

#endif
