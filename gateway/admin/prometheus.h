/* Metrics for Prometheus. */
#ifndef GATEWAY_ADMIN_PROMETHEUS_H
#define GATEWAY_ADMIN_PROMETHEUS_H

#include "gateway/admin/page.h"

/* prometheus.c */
void prometheus_page(struct page_request *request);
/* The whole text, which the caller frees; NULL after an error was answered. */
char *page_metrics(struct page_request *request);

#endif
