/* http_server_requests_seconds_* as Micrometer writes them, by method, kind of path and status. For the loop's thread. */
#ifndef HOSPITAL_METRICS_H
#define HOSPITAL_METRICS_H

struct evbuffer;

/* `uri`: a template such as /patient/{id}; a static text. */
void metrics_count(const char *method, const char *uri, int status, double seconds);
/* The same for events, from any thread. */
void metrics_count_event(const char *topic);
void metrics_write(struct evbuffer *to, const char *service);

#endif
