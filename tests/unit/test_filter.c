/*
 * A request's way through the filters of its route: their order, what they may change, and what becomes of what they hold. What the
 * exchange does with it: test_exchange.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/filter/filter.h"
#include "gateway/http/lookalikes.h"

/* ---- changes ------------------------------------------------------------------------------------------------------- */

static struct field field_of(const char *name)
{
	struct slice slice = { name, strlen(name) };

	return (struct field){ .name = slice, .id = field_identify(slice) };
}

static bool removes(const struct changes *changes, const char *name)
{
	struct field field = field_of(name);

	return changes_remove(changes, &field);
}

static bool removes_alike(const struct changes *changes, const char *name)
{
	struct field field = field_of(name);

	return changes_remove_alike(changes, &field);
}

/* As it would be put into a head. */
static const char *text_of(const struct changes *changes)
{
	static char text[4096];
	const struct change *list = changes_list(changes);
	size_t length = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < changes->count; i++)
		if (change_puts(&list[i]))
			length += (size_t)snprintf(text + length, sizeof text - length, "%.*s: %.*s\r\n", (int)list[i].name.length,
			                           list[i].name.data, (int)list[i].value.length, list[i].value.data);
	length += (size_t)snprintf(text + length, sizeof text - length, "%.*s", (int)changes->lines.length, changes->lines.data);
	assert_int_equal(changes->bytes, length);
	return text;
}

static void a_name_goes_in_every_spelling(void **state)
{
	struct changes changes;

	(void)state;
	changes_begin(&changes);
	changes_add(&changes, CHANGE_SET, SLICE("X-User"), SLICE("us"));
	changes_add(&changes, CHANGE_REMOVE, SLICE("X_Role"), (struct slice){ NULL, 0 });
	assert_true(removes(&changes, "x-user"));
	assert_false(removes(&changes, "x_user"));
	assert_true(removes_alike(&changes, "X-USER"));
	assert_true(removes_alike(&changes, "X_User"));
	assert_true(removes_alike(&changes, "x.user"));
	assert_true(removes_alike(&changes, "X-User_"));
	assert_true(removes_alike(&changes, "X-Role"));
	assert_true(removes_alike(&changes, "X.Role"));
	assert_false(removes_alike(&changes, "X-Users"));
	assert_false(removes_alike(&changes, "Accept"));
	changes_end(&changes);
}

static void a_prefix_takes_all_names_that_begin_so(void **state)
{
	struct changes changes;

	(void)state;
	changes_begin(&changes);
	changes_add(&changes, CHANGE_REMOVE_PREFIX, SLICE("Access-Control-"), (struct slice){ NULL, 0 });
	assert_true(removes(&changes, "access-control-allow-origin"));
	assert_true(removes(&changes, "Access-Control-"));
	assert_false(removes(&changes, "Access-Control"));
	assert_false(removes(&changes, "Accept"));
	changes_end(&changes);
}

static void the_last_that_sets_wins(void **state)
{
	struct changes changes;

	(void)state;
	changes_begin(&changes);
	changes_add(&changes, CHANGE_SET, SLICE("X-User"), SLICE("one"));
	changes_add(&changes, CHANGE_ADD, SLICE("Vary"), SLICE("Origin"));
	changes_add(&changes, CHANGE_ADD, SLICE("Vary"), SLICE("Accept"));
	changes_add(&changes, CHANGE_SET, SLICE("x-user"), SLICE("two"));
	assert_string_equal(text_of(&changes), "Vary: Origin\r\nVary: Accept\r\nx-user: two\r\n");
	changes_cut(&changes, 2);
	assert_string_equal(text_of(&changes), "Vary: Origin\r\n");
	assert_true(removes(&changes, "X-User"));
	for (int i = 0; i < 100; i++)
		changes_add(&changes, CHANGE_ADD, SLICE("A"), SLICE("b"));
	assert_int_equal(changes.count, 102);
	assert_int_equal(strlen(text_of(&changes)), 14 + 100 * 6);
	changes_end(&changes);
}

static void lines_are_put_as_they_are(void **state)
{
	struct changes changes;

	(void)state;
	changes_begin(&changes);
	assert_true(changes_are_none(&changes));
	changes_set_lines(&changes, SLICE("A: b\r\nC: d\r\n"));
	changes_add(&changes, CHANGE_SET, SLICE("A"), SLICE("x"));
	assert_string_equal(text_of(&changes), "A: x\r\nA: b\r\nC: d\r\n");
	changes_cut(&changes, 0);
	assert_false(changes_are_none(&changes));
	changes_set_lines(&changes, SLICE("E: f\r\n"));
	assert_string_equal(text_of(&changes), "E: f\r\n");
	changes_set_lines(&changes, (struct slice){ NULL, 0 });
	assert_int_equal(changes.bytes, 0);
	assert_true(changes_are_none(&changes));
	changes_end(&changes);
}

static void removals_are_counted(void **state)
{
	struct changes changes;

	(void)state;
	changes_begin(&changes);
	changes_add(&changes, CHANGE_ADD, SLICE("A"), SLICE("b"));
	assert_int_equal(changes.removals, 0);
	changes_add(&changes, CHANGE_SET, SLICE("A"), SLICE("c"));
	assert_int_equal(changes.removals, 2); /* the first stays as a removal */
	changes_add(&changes, CHANGE_SET, SLICE("a"), SLICE("d"));
	assert_int_equal(changes.removals, 3);
	changes_cut(&changes, 1);
	assert_int_equal(changes.removals, 1);
	changes_cut(&changes, 0);
	assert_int_equal(changes.removals, 0);
	changes_end(&changes);
}

/* ---- a run --------------------------------------------------------------------------------------------------------- */

static char trace[256];
static enum filter_verdict verdicts[2];

static enum filter_verdict step(const struct filter *filter, char what)
{
	size_t used = strlen(trace);

	snprintf(trace + used, sizeof trace - used, "%s%s%c", used > 0 ? " " : "", filter->type->name, what);
	return verdicts[filter->type->name[0] - 'a'];
}

static enum filter_verdict arrive(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	(void)run, (void)request;
	step(filter, '0');
	return FILTER_CONTINUE;
}

static enum filter_verdict admit(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	enum filter_verdict verdict = step(filter, '1');

	(void)request;
	return verdict == FILTER_ANSWER ? filter_answer(run, OUTCOME_FORBIDDEN, NULL) : verdict;
}

static enum filter_verdict resume(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	(void)run, (void)request;
	step(filter, '2');
	return FILTER_CONTINUE;
}

static void respond(struct filter_run *run, const struct filter *filter, const struct response *response)
{
	(void)response;
	step(filter, '3');
	filter_add_response_field(run, SLICE("X-Time"), filter_keep(run, SLICE("late")));
}

static void end(struct filter_run *run, const struct filter *filter)
{
	(void)run;
	step(filter, '4');
}

static const struct filter_type a = { .name = "a", .state_size = 1, .on_arrival = arrive, .on_request = admit,
	.on_resume = resume, .on_response = respond, .on_end = end };
static const struct filter_type b = { .name = "b", .state_size = 8, .on_request = admit, .on_resume = resume, .on_end = end };

static struct worker worker;
static struct filter_list *list;

static int set_up(void **state)
{
	(void)state;
	list = calloc(1, sizeof *list + 2 * sizeof *list->filters);
	filter_list_add(list, &(struct filter){ .type = &a });
	filter_list_add(list, &(struct filter){ .type = &b });
	trace[0] = '\0';
	verdicts[0] = verdicts[1] = FILTER_CONTINUE;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	filter_free_spares(&worker);
	worker.spare_run_count = 0;
	free(list);
	return 0;
}

static struct filter_run *begin(void)
{
	static const struct address peer = { .family = 4, .ip = { 192, 0, 2, 1 } };
	struct filter_run *run = filter_begin(&worker, list);

	assert_non_null(run);
	run->origin = (struct filter_origin){ .worker = &worker, .peer = &peer };
	return run;
}

static void filters_run_in_their_order(void **state)
{
	struct filter_run *run = begin();
	const struct request request = { .method = METHOD_GET };
	const struct changes *changes;

	(void)state;
	assert_int_equal(filter_arrive(run, &request), FILTER_CONTINUE);
	assert_int_equal(filter_admit(run, &request), FILTER_CONTINUE);
	assert_null(filter_request_changes(run));
	for (int i = 0; i < 2; i++) {
		assert_true(filter_respond(run, NULL, &changes));
		assert_string_equal(text_of(changes), "X-Time: late\r\n");
	}
	assert_non_null(filter_state_of(run, &b));
	assert_ptr_equal(filter_state_of(run, &b), filter_state(run, &list->filters[1]));
	filter_end(run);
	assert_string_equal(trace, "a0 a1 b1 a3 a3 a4 b4");
}

static void the_first_refusal_is_the_last_word(void **state)
{
	struct filter_run *run = begin();
	const struct request request = { .method = METHOD_GET };

	(void)state;
	verdicts[0] = FILTER_ANSWER;
	assert_int_equal(filter_admit(run, &request), FILTER_ANSWER);
	assert_int_equal(run->reply.outcome, OUTCOME_FORBIDDEN);
	filter_end(run);
	assert_string_equal(trace, "a1 a4 b4");
}

static void one_that_waits_is_asked_again(void **state)
{
	struct filter_run *run = begin();
	const struct request request = { .method = METHOD_GET };

	(void)state;
	verdicts[0] = verdicts[1] = FILTER_WAIT;
	assert_int_equal(filter_admit(run, &request), FILTER_WAIT);
	assert_int_equal(filter_go_on(run, &request), FILTER_WAIT); /* the other's turn */
	assert_int_equal(filter_go_on(run, &request), FILTER_CONTINUE);
	filter_end(run);
	assert_string_equal(trace, "a1 a2 b1 b2 a4 b4");
}

/* ---- waiting for at most a while ----------------------------------------------------------------------------------- */

enum { MOST_MS = 50 };

static bool is_short_of_memory;
static unsigned resumed;

static enum filter_verdict wait_for_it(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	(void)request;
	step(filter, '1');
	run->is_short = is_short_of_memory;
	return filter_wait(run, MOST_MS);
}

static void give_up(struct filter_run *run, const struct filter *filter, bool is_late)
{
	(void)run;
	step(filter, is_late ? 'L' : 'G');
}

static const struct filter_type waiting = { .name = "a", .on_request = wait_for_it, .on_resume = resume, .on_give_up = give_up,
	.on_end = end };

static void on_ready(void *owner)
{
	const struct request request = { .method = METHOD_GET };

	resumed++;
	assert_int_equal(filter_go_on(owner, &request), FILTER_CONTINUE);
}

static struct filter_run *begin_waiting(enum filter_verdict expected)
{
	const struct request request = { .method = METHOD_GET };
	struct filter_run *run;

	list->filters[0].type = &waiting;
	worker.io.now_us = 7000000;
	worker.io.now_ms = 7000;
	deadlines_init(&worker.io.deadlines, worker.io.now_ms);
	resumed = 0;
	run = begin();
	run->origin.on_ready = on_ready;
	run->origin.owner = run;
	assert_int_equal(filter_admit(run, &request), expected);
	return run;
}

static void one_that_waits_too_long_gives_up(void **state)
{
	struct filter_run *run = begin_waiting(FILTER_WAIT);

	(void)state;
	deadlines_run(&worker.io.deadlines, 7000 + MOST_MS - 1);
	assert_string_equal(trace, "a1");
	deadlines_run(&worker.io.deadlines, 7000 + MOST_MS + 2 * DEADLINE_TICK_MS);
	assert_int_equal(resumed, 1);
	filter_end(run);
	assert_string_equal(trace, "a1 aL a2 b1 a4 b4");
}

static void one_whose_event_comes_waits_no_longer(void **state)
{
	struct filter_run *run = begin_waiting(FILTER_WAIT);

	(void)state;
	filter_resume(run);
	deadlines_run(&worker.io.deadlines, 7000 + 2 * MOST_MS);
	assert_int_equal(resumed, 1);
	filter_end(run);
	assert_string_equal(trace, "a1 a2 b1 a4 b4");
}

static void one_that_waits_gives_up_when_the_request_ends(void **state)
{
	(void)state;
	filter_end(begin_waiting(FILTER_WAIT));
	assert_string_equal(trace, "a1 aG a4 b4");
	deadlines_run(&worker.io.deadlines, 7000 + 2 * MOST_MS); /* its memory may be freed */
	assert_int_equal(deadlines_next_ms(&worker.io.deadlines), UINT64_MAX);
	assert_int_equal(resumed, 0);
}

static void one_that_would_wait_gives_up_when_memory_is_short(void **state)
{
	struct filter_run *run;

	(void)state;
	is_short_of_memory = true;
	run = begin_waiting(FILTER_ANSWER);
	is_short_of_memory = false;
	assert_int_equal(run->reply.outcome, OUTCOME_OUT_OF_MEMORY);
	deadlines_run(&worker.io.deadlines, 7000 + 2 * MOST_MS);
	assert_int_equal(resumed, 0);
	filter_end(run);
	assert_string_equal(trace, "a1 aG a4 b4");
}

static void bad_and_long_values_are_refused(void **state)
{
	struct filter_run *run = begin();
	static char much[FILTER_RESPONSE_BYTES_MAX];

	(void)state;
	memset(much, 'x', sizeof much);
	assert_false(filter_set_request_field(run, SLICE("X-User"), SLICE("a\r\nX-Admin: yes")));
	assert_string_equal(text_of(&run->request), "");
	assert_true(removes(&run->request, "X-User")); /* nor does the client's word pass */
	assert_false(filter_set_response_field(run, SLICE("A"), (struct slice){ much, sizeof much }));
	assert_true(filter_set_response_field(run, SLICE("A"), (struct slice){ much, sizeof much - 5 }));
	assert_false(filter_add_response_field(run, SLICE("B"), SLICE("c")));
	for (int i = 0; i < 10; i++) {
		struct slice kept = filter_keep(run, (struct slice){ much, 100 });

		assert_memory_equal(kept.data, much, 100);
	}
	filter_end(run);
}

static void a_trusted_proxy_names_the_client(void **state)
{
	struct filter_run *run = begin();
	struct address room;

	(void)state;
	run->origin.asked_for = SLICE("2001:db8::1");
	assert_int_equal(filter_client(run, &room)->family, 6);
	run->origin.asked_for = (struct slice){ NULL, 0 };
	assert_int_equal(filter_client(run, &room)->family, 4);
	filter_end(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_goes_in_every_spelling),
		cmocka_unit_test(a_prefix_takes_all_names_that_begin_so),
		cmocka_unit_test(the_last_that_sets_wins),
		cmocka_unit_test(lines_are_put_as_they_are),
		cmocka_unit_test(removals_are_counted),
		cmocka_unit_test_setup_teardown(filters_run_in_their_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_first_refusal_is_the_last_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_waits_is_asked_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_waits_too_long_gives_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_whose_event_comes_waits_no_longer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_waits_gives_up_when_the_request_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_would_wait_gives_up_when_memory_is_short, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_and_long_values_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_trusted_proxy_names_the_client, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
