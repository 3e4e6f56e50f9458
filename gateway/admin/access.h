/* The access rules of the admin listener. */
#ifndef GATEWAY_ADMIN_ACCESS_H
#define GATEWAY_ADMIN_ACCESS_H

#include "gateway/admin/page.h"

/* access.c: false after an error was answered */
bool access_may_ask(struct page_request *request);
bool access_may_change(struct page_request *request);

#endif
