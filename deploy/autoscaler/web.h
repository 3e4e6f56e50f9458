/*
 * The autoscaler's HTTP listener. The room of evhttp.
 *
 *   POST /alert/api/v2/alerts, /alert/api/v1/alerts   Prometheus' alerts
 *   POST /alert                                       Alertmanager's webhook
 *   GET  /livez, /metrics, /                          alive; Prometheus text; what it did and why
 *
 * A page of another origin can't send alerts: a browser says where a request comes from, and then it is refused.
 */
#ifndef AUTOSCALER_WEB_H
#define AUTOSCALER_WEB_H

#include <stddef.h>

#include "deploy/autoscaler/scaler.h"
#include "routes/address.h"

struct event_base;
struct web;

/* NULL: it can't listen; `error` says why. */
struct web *web_new(struct event_base *base, const struct address *address, struct scaler *scaler, bool is_dry_run, char *error,
                    size_t error_size);
void web_free(struct web *web);

#endif
