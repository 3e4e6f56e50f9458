/* POST /cluster/breakers/NAME: an override for all gateways (cluster.h). */
#ifndef GATEWAY_ADMIN_CLUSTER_POST_H
#define GATEWAY_ADMIN_CLUSTER_POST_H

#include <jansson.h>

struct cluster;
struct page_request;
struct waiting;

void cluster_breakers_page(struct page_request *request);
/* Each gateway's result for that override. NULL: out of memory. */
json_t *cluster_describe_override(const struct cluster *cluster, const struct waiting *waiting);

#endif
