#include "gateway/admin/later.h"

#include <event2/http.h>

/* When its client has ended a connection, evhttp has dropped the request before it tells us, and left it to us. */
static void on_close(struct evhttp_connection *connection, void *context)
{
	struct later *later = context;

	if (!later_waits(later) || later->connection != connection)
		return;
	if (evhttp_request_get_connection(later->request.http) == NULL)
		evhttp_request_free(later->request.http);
	later->request.http = NULL;
}

void later_keep(struct later *later, const struct page_request *request)
{
	later->request = *request;
	later->connection = evhttp_request_get_connection(request->http);
	evhttp_connection_set_closecb(later->connection, on_close, later);
}

struct page_request later_take(struct later *later)
{
	struct page_request request = later->request;

	later->request.http = NULL;
	evhttp_connection_set_closecb(later->connection, NULL, NULL);
	return request;
}

void later_end(struct later *later)
{
	if (later_waits(later))
		evhttp_connection_free(later->connection); /* on_close forgets it */
}
