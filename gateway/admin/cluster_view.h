/* /cluster: all gateways in one table (cluster.h). */
#ifndef GATEWAY_ADMIN_CLUSTER_VIEW_H
#define GATEWAY_ADMIN_CLUSTER_VIEW_H

#include <jansson.h>
#include <stddef.h>

struct cluster;
struct page_request;

void cluster_page(struct page_request *request);
/* Of the values of `seconds` in its query: 1 to TREND_SECONDS; 0: the first is no such number. */
size_t cluster_read_seconds(const json_t *values);
/* Its answer, from what is known now. NULL: out of memory. */
json_t *cluster_describe(const struct cluster *cluster, size_t seconds);
/* The messages of /turbine.stream, from this gateway's own and what the others last said; they are asked for it for the next
 * PEERS_WATCHED_MS. A new array; NULL: out of memory. */
json_t *cluster_sum_messages(struct cluster *cluster, const json_t *own);

#endif
