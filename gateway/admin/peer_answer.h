/*
 * Reads another gateway's answer (self.h). The peer may have another version, be another program, or be hostile. So every
 * part that is not as in self.h is refused or left out, nothing unchecked is passed on, and every text has a bounded length
 * and no control characters. Texts stay texts: the code that shows them must not take them for anything else.
 */
#ifndef GATEWAY_ADMIN_PEER_ANSWER_H
#define GATEWAY_ADMIN_PEER_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "gateway/admin/overrides.h"

/* Bytes of an answer; upstreams, endpoints and events in it, those beyond are left out. */
enum { PEER_ANSWER_MAX = 1024 * 1024, PEER_UPSTREAMS_MAX = 1000, PEER_ENDPOINTS_MAX = 20000, PEER_EVENTS_MAX = 200 };
/* Objects and lists in an answer: all of those, and the rest is for texts with a brace in them. */
enum { PEER_OPENINGS_MAX = 32768 };
enum { PEER_NAME = 65, PEER_WORD = 33, PEER_RESULT = 33 };

struct peer_override {
	struct override_entry entry;
	char result[PEER_RESULT];
};

struct peer_answer {
	char instance[PEER_WORD], name[PEER_NAME], version[PEER_WORD], config[PEER_WORD], state[PEER_WORD];
	uint64_t uptime_ms, wall_ms, second;
	struct peer_override *overrides;
	size_t override_count;
	bool is_whole;
};

/* `now_ms`: what is left of an override begins then. With `root` not NULL the tree is given there, to be json_decref()ed.
 * False: `error` says why, in static words, and nothing has to be freed. */
bool peer_answer_read(const char *bytes, size_t length, uint64_t now_ms, struct peer_answer *answer, json_t **root,
                      const char **error);
/* The same of a tree, however large. */
bool peer_answer_take(const json_t *root, uint64_t now_ms, struct peer_answer *answer, const char **error);
void peer_answer_free(struct peer_answer *answer);

/* The parts of its tree, looked at and copied. `take` is given a new object each time, without what names it, which it takes
 * over; `name` and `address` are valid during the call. `seconds`: of the trends only so many of the newest. */
typedef void peer_take_upstream(void *to, const char *name, json_t *cell);
typedef void peer_take_endpoint(void *to, const char *name, const char *address, json_t *cell);
void peer_answer_each(const json_t *root, size_t seconds, peer_take_upstream *take_upstream, peer_take_endpoint *take_endpoint,
                      void *to);
typedef void peer_take_event(void *to, json_t *event);
void peer_answer_events(const json_t *root, peer_take_event *take, void *to);

/* Shorter than `room`, and no control characters in it. */
bool peer_is_text(const char *text, size_t room);

#endif
