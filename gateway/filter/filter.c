/* Runs the filters of a route, and keeps their changes and answers. */
#include "gateway/filter/filter.h"

#include <stdlib.h>

#include "gateway/base/container.h"
#include "gateway/base/sanitizer.h"

enum { SPARE_RUNS_MOST = HAS_ADDRESS_SANITIZER ? 0 : 256, ROOM_LEAST = 256, STATES_CLEARED = 64 };

/* Memory beside the run's own, freed with it. */
struct filter_text {
	struct filter_text *next;
	char bytes[];
};

/* ---- for filters --------------------------------------------------------------------------------------------------- */

void *filter_state_of(struct filter_run *run, const struct filter_type *type)
{
	for (size_t i = 0; i < run->list->count; i++)
		if (run->list->filters[i].type == type)
			return filter_state(run, &run->list->filters[i]);
	return NULL;
}

static void change_request(struct filter_run *run, enum change_kind kind, struct slice name, struct slice value)
{
	run->changes_request = true;
	changes_add(&run->request, kind, name, value);
	run->is_short |= run->request.is_short;
}

static void change_response(struct filter_run *run, enum change_kind kind, struct slice name, struct slice value)
{
	run->changes_response = true;
	changes_add(&run->response, kind, name, value);
	run->is_short |= run->response.is_short;
}

bool filter_set_request_field(struct filter_run *run, struct slice name, struct slice value)
{
	if (!changes_is_value(value)) {
		filter_remove_request_field(run, name);
		return false;
	}
	change_request(run, CHANGE_SET, name, value);
	return true;
}

void filter_remove_request_field(struct filter_run *run, struct slice name)
{
	change_request(run, CHANGE_REMOVE, name, (struct slice){ NULL, 0 });
}

static bool put_response(struct filter_run *run, enum change_kind kind, struct slice name, struct slice value)
{
	if (run->response.bytes + name.length + value.length + 4 > FILTER_RESPONSE_BYTES_MAX)
		return false;
	change_response(run, kind, name, value);
	return true;
}

bool filter_add_response_field(struct filter_run *run, struct slice name, struct slice value)
{
	return put_response(run, CHANGE_ADD, name, value);
}

bool filter_set_response_field(struct filter_run *run, struct slice name, struct slice value)
{
	return put_response(run, CHANGE_SET, name, value);
}

bool filter_set_response_lines(struct filter_run *run, struct slice lines)
{
	if (run->response.bytes + lines.length > FILTER_RESPONSE_BYTES_MAX)
		return false;
	changes_set_lines(&run->response, lines);
	return true;
}

void filter_remove_response_fields(struct filter_run *run, struct slice prefix)
{
	change_response(run, CHANGE_REMOVE_PREFIX, prefix, (struct slice){ NULL, 0 });
}

char *filter_room(struct filter_run *run, size_t length)
{
	struct filter_text *more;

	if (length <= sizeof run->text - run->text_used) {
		run->text_used += length;
		return run->text + run->text_used - length;
	}
	more = malloc(sizeof *more + length);
	if (more == NULL) {
		run->is_short = true;
		return NULL;
	}
	more->next = run->more;
	run->more = more;
	return more->bytes;
}

struct slice filter_keep(struct filter_run *run, struct slice text)
{
	char *room = text.length > 0 ? filter_room(run, text.length) : NULL;

	if (room == NULL)
		return (struct slice){ NULL, 0 };
	return (struct slice){ memcpy(room, text.data, text.length), text.length };
}

enum filter_verdict filter_answer(struct filter_run *run, enum outcome outcome, const char *why)
{
	run->reply = (struct filter_reply){ .outcome = outcome, .why = why };
	return FILTER_ANSWER;
}

enum filter_verdict filter_wait(struct filter_run *run, uint64_t most_ms)
{
	deadline_set(&run->origin.worker->io.deadlines, &run->deadline, worker_now_ms(run->origin.worker) + most_ms);
	return FILTER_WAIT;
}

void filter_resume(struct filter_run *run)
{
	deadline_clear(&run->deadline);
	run->origin.on_ready(run->origin.owner);
}

/* After filter_wait(), until its end. */
static bool is_waiting(const struct filter_run *run)
{
	return run->deadline.at_ms != 0;
}

static void give_up(struct filter_run *run, const struct filter *filter, bool is_late)
{
	deadline_clear(&run->deadline);
	filter->type->on_give_up(run, filter, is_late);
}

static void on_late(struct deadline *deadline)
{
	struct filter_run *run = container_of(deadline, struct filter_run, deadline);

	give_up(run, run->waiting, true);
	filter_resume(run);
}

const struct address *filter_client(const struct filter_run *run, struct address *room)
{
	const struct slice *asked_for = &run->origin.asked_for;

	return asked_for->length > 0 && address_parse_ip_part(room, asked_for->data, asked_for->length) ? room : run->origin.peer;
}

const struct field *filter_find_field(const struct fields *fields, struct slice name, bool *are_several)
{
	const struct field *found = NULL;

	*are_several = false;
	for (size_t i = 0; i < fields->count; i++) {
		if (!slice_equal_nocase(fields->list[i].name, name))
			continue;
		*are_several = found != NULL;
		found = &fields->list[i];
	}
	return found;
}

/* ---- the list ------------------------------------------------------------------------------------------------------ */

static size_t round_up(size_t size)
{
	return (size + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t);
}

static void link_by(struct filter_list *list, enum filter_hooks hook, const struct filter *filter)
{
	const struct filter **link = &list->first[hook];

	for (size_t i = 0; i + 1 < list->count; i++)
		if (*link == &list->filters[i])
			link = &list->filters[i].next[hook];
	*link = filter;
}

void filter_list_add(struct filter_list *list, const struct filter *filter)
{
	const struct filter_type *type = filter->type;
	struct filter *added = &list->filters[list->count++];

	*added = *filter;
	added->state_offset = list->state_size;
	list->state_size += round_up(type->state_size);
	if (type->on_arrival != NULL)
		link_by(list, FILTER_ARRIVAL, added);
	if (type->on_request != NULL)
		link_by(list, FILTER_REQUEST, added);
	if (type->on_response != NULL)
		link_by(list, FILTER_RESPONSE, added);
	if (type->on_body != NULL)
		link_by(list, FILTER_BODY, added);
	if (type->on_end != NULL)
		link_by(list, FILTER_END, added);
}

/* ---- for the exchange ---------------------------------------------------------------------------------------------- */

/* A spare run that is too small for this list goes, so that after a reload soon all are large enough. */
static struct filter_run *open_run(struct worker *worker, size_t size)
{
	struct filter_run *run = worker->spare_run;

	if (run != NULL) {
		worker->spare_run = run->next_spare;
		worker->spare_run_count--;
		if (run->room >= size)
			return run;
		free(run);
	}
	if (size < ROOM_LEAST)
		size = ROOM_LEAST;
	run = malloc(sizeof *run + size);
	if (run == NULL)
		return NULL;
	run->room = size;
	run->more = NULL;
	deadline_init(&run->deadline, on_late);
	changes_begin(&run->request);
	changes_begin(&run->response);
	return run;
}

/* The run is in the state of a new one: no more memory, no changes. */
static void close_run(struct worker *worker, struct filter_run *run)
{
	if (worker->spare_run_count + 1 > SPARE_RUNS_MOST) {
		free(run);
		return;
	}
	run->next_spare = worker->spare_run;
	worker->spare_run = run;
	worker->spare_run_count++;
}

void filter_free_spares(struct worker *worker)
{
	struct filter_run *run;

	while ((run = worker->spare_run) != NULL) {
		worker->spare_run = run->next_spare;
		free(run);
	}
}

struct filter_run *filter_begin(struct worker *worker, const struct filter_list *list)
{
	struct filter_run *run = open_run(worker, list->state_size);

	if (run == NULL)
		return NULL;
	run->list = list;
	run->reply.has_body = false;
	run->waiting = NULL;
	run->is_short = run->changes_request = run->changes_response = false;
	run->response_base = UINT32_MAX;
	run->response.lines = (struct slice){ NULL, 0 };
	run->response.bytes = 0;
	run->text_used = 0;
	/* With a length that the compiler knows, for most have less. */
	memset(run->states, 0, STATES_CLEARED);
	if (list->state_size > STATES_CLEARED)
		memset(run->states + STATES_CLEARED, 0, list->state_size - STATES_CLEARED);
	return run;
}

/* A filter may wait though memory was short before, for another field. */
static enum filter_verdict judge(struct filter_run *run, const struct filter *filter, enum filter_verdict verdict)
{
	if (!run->is_short)
		return verdict;
	if (is_waiting(run))
		give_up(run, filter, false);
	return filter_answer(run, OUTCOME_OUT_OF_MEMORY, NULL);
}

enum filter_verdict filter_arrive(struct filter_run *run, const struct request *request)
{
	for (const struct filter *filter = run->list->first[FILTER_ARRIVAL]; filter != NULL; filter = filter->next[FILTER_ARRIVAL]) {
		enum filter_verdict verdict = judge(run, filter, filter->type->on_arrival(run, filter, request));

		if (verdict != FILTER_CONTINUE)
			return verdict;
	}
	return FILTER_CONTINUE;
}

static inline enum filter_verdict ask(struct filter_run *run, const struct request *request, const struct filter *filter)
{
	for (; filter != NULL; filter = filter->next[FILTER_REQUEST]) {
		enum filter_verdict verdict = judge(run, filter, filter->type->on_request(run, filter, request));

		if (verdict != FILTER_CONTINUE) {
			run->waiting = filter;
			return verdict;
		}
	}
	return FILTER_CONTINUE;
}

enum filter_verdict filter_admit(struct filter_run *run, const struct request *request)
{
	return ask(run, request, run->list->first[FILTER_REQUEST]);
}

enum filter_verdict filter_go_on(struct filter_run *run, const struct request *request)
{
	const struct filter *filter = run->waiting;
	enum filter_verdict verdict = judge(run, filter, filter->type->on_resume(run, filter, request));

	return verdict == FILTER_CONTINUE ? ask(run, request, filter->next[FILTER_REQUEST]) : verdict;
}

/* Takes back the changes that on_response has made. */
static void take_back(struct filter_run *run)
{
	changes_cut(&run->response, run->response_base);
	changes_set_lines(&run->response, (struct slice){ NULL, 0 });
}

bool filter_respond(struct filter_run *run, const struct response *response, const struct changes **changes)
{
	if (run->response_base == UINT32_MAX)
		run->response_base = run->response.count;
	else
		take_back(run);
	for (const struct filter *filter = run->list->first[FILTER_RESPONSE]; filter != NULL; filter = filter->next[FILTER_RESPONSE])
		filter->type->on_response(run, filter, response);
	*changes = changes_are_none(&run->response) ? NULL : &run->response;
	return !run->is_short;
}

enum filter_body filter_begin_body(struct filter_run *run, const struct response *response)
{
	const struct filter *filter = run->list->first[FILTER_BODY];

	if (filter == NULL)
		return FILTER_BODY_PASS;
	for (run->takers = 0; filter != NULL; filter = filter->next[FILTER_BODY]) {
		enum filter_body answer = filter->type->on_body(run, filter, response);

		if (answer == FILTER_BODY_REFUSE)
			return FILTER_BODY_REFUSE;
		if (answer == FILTER_BODY_TAKE)
			run->takers |= UINT32_C(1) << (filter - run->list->filters);
	}
	return run->takers != 0 ? FILTER_BODY_TAKE : FILTER_BODY_PASS;
}

bool filter_pieces(struct filter_run *run, struct pieces *pieces)
{
	for (uint32_t left = run->takers; left != 0; left &= left - 1) {
		const struct filter *filter = &run->list->filters[__builtin_ctz(left)];

		if (!filter->type->on_pieces(run, filter, pieces))
			return false;
	}
	return true;
}

static void end_wait(struct filter_run *run)
{
	if (is_waiting(run))
		give_up(run, run->waiting, false);
	deadline_remove(&run->origin.worker->io.deadlines, &run->deadline);
}

void filter_end(struct filter_run *run)
{
	struct filter_text *next;

	if (run->waiting != NULL)
		end_wait(run);
	for (const struct filter *filter = run->list->first[FILTER_END]; filter != NULL; filter = filter->next[FILTER_END])
		filter->type->on_end(run, filter);
	if (run->changes_request)
		changes_end(&run->request);
	if (run->changes_response)
		changes_end(&run->response);
	for (; run->more != NULL; run->more = next) {
		next = run->more->next;
		free(run->more);
	}
	close_run(run->origin.worker, run);
}
