/*
 * PCRE2's room. A path may come from an attacker, and an expression from somebody who never thought of one:
 *
 *     (/?[a-z]+)+$     takes 2^n steps until it knows that a path does not match
 *
 * So what one path may cost is bounded: before each item of the expression the library calls count_step(), which gives up
 * after so many steps; its own limits bound the backtracking and the memory. A start is never looked for ahead of the steps
 * (NO_START_OPTIMIZE), as that is work which nobody counts. The library interprets: its JIT compiler needs memory that is
 * both written and run, which the sandbox refuses to all that is read after the start.
 *
 * All matches are replaced, wherever they begin, as Java's replaceAll() does, so that what was written for Spring means the
 * same. The result is put together with single slashes and must then be a normalised path, or the request is refused: pieces
 * that were harmless apart may make "..", or an encoded slash.
 */
#include "routes/expression.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <dlfcn.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "routes/path.h"
#include "routes/replacement.h"

enum { STEPS_LEAST = 16384, STEPS_PER_BYTE = 8, BACKTRACKS_MAX = 100000, HEAP_KIB_MAX = 4096 };

struct expression {
	const pcre2_code *code;
	struct replacement replacement;
};

/* ---- the library ----------------------------------------------------------------------------------------------------- */

static struct {
	pcre2_general_context *(*new_memory)(void *(*)(PCRE2_SIZE, void *), void (*)(void *, void *), void *);
	pcre2_compile_context *(*new_settings)(pcre2_general_context *);
	pcre2_code *(*compile)(PCRE2_SPTR, PCRE2_SIZE, uint32_t, int *, PCRE2_SIZE *, pcre2_compile_context *);
	int (*name)(const pcre2_code *, PCRE2_SPTR);
	int (*info)(const pcre2_code *, uint32_t, void *);
	int (*explain)(int, PCRE2_UCHAR *, PCRE2_SIZE);
	pcre2_match_context *(*new_limits)(pcre2_general_context *);
	int (*limit_backtracks)(pcre2_match_context *, uint32_t);
	int (*limit_heap)(pcre2_match_context *, uint32_t);
	int (*set_callout)(pcre2_match_context *, int (*)(pcre2_callout_block *, void *), void *);
	pcre2_match_data *(*new_match)(const pcre2_code *, pcre2_general_context *);
	void (*free_match)(pcre2_match_data *);
	PCRE2_SIZE *(*places)(pcre2_match_data *);
	int (*match)(const pcre2_code *, PCRE2_SPTR, PCRE2_SIZE, PCRE2_SIZE, uint32_t, pcre2_match_data *, pcre2_match_context *);
	pcre2_general_context *heap; /* malloc(): the memory that an expression was made with is not for its users */
	pcre2_match_context *limits;
} pcre;

/* The remaining budget for matching the present path. */
static _Thread_local struct {
	size_t steps_left, at;
} cost;

static int count_step(pcre2_callout_block *step, void *context)
{
	size_t moved = step->current_position > cost.at ? step->current_position - cost.at : cost.at - step->current_position;

	(void)context;
	cost.at = step->current_position;
	if (cost.steps_left <= moved)
		return PCRE2_ERROR_CALLOUT;
	cost.steps_left -= moved + 1;
	return 0;
}

/* POSIX lets dlsym()'s pointer be a function's; ISO C does not let it be cast. */
#define LOAD(library, name, member) (*(void **)&(member) = dlsym((library), (name)), (member) != NULL)

static bool load_all(void *library)
{
	return LOAD(library, "pcre2_general_context_create_8", pcre.new_memory) &&
	       LOAD(library, "pcre2_compile_context_create_8", pcre.new_settings) &&
	       LOAD(library, "pcre2_compile_8", pcre.compile) &&
	       LOAD(library, "pcre2_substring_number_from_name_8", pcre.name) &&
	       LOAD(library, "pcre2_pattern_info_8", pcre.info) &&
	       LOAD(library, "pcre2_get_error_message_8", pcre.explain) &&
	       LOAD(library, "pcre2_match_context_create_8", pcre.new_limits) &&
	       LOAD(library, "pcre2_set_match_limit_8", pcre.limit_backtracks) &&
	       LOAD(library, "pcre2_set_heap_limit_8", pcre.limit_heap) &&
	       LOAD(library, "pcre2_set_callout_8", pcre.set_callout) &&
	       LOAD(library, "pcre2_match_data_create_from_pattern_8", pcre.new_match) &&
	       LOAD(library, "pcre2_match_data_free_8", pcre.free_match) &&
	       LOAD(library, "pcre2_get_ovector_pointer_8", pcre.places) && LOAD(library, "pcre2_match_8", pcre.match);
}

/* Loads PCRE2 for good. False: `error` says why. */
static bool load(char *error, size_t size)
{
	void *library = pcre.limits == NULL ? dlopen("libpcre2-8.so.0", RTLD_NOW | RTLD_LOCAL) : NULL;
	pcre2_match_context *limits;

	if (pcre.limits != NULL)
		return true;
	if (library == NULL || !load_all(library)) {
		snprintf(error, size, "libpcre2 can't be loaded: %.80s", library == NULL ? dlerror() : "it is another one");
		return false;
	}
	pcre.heap = pcre.heap == NULL ? pcre.new_memory(NULL, NULL, NULL) : pcre.heap;
	limits = pcre.heap == NULL ? NULL : pcre.new_limits(pcre.heap);
	if (limits == NULL)
		return false;
	pcre.limit_backtracks(limits, BACKTRACKS_MAX);
	pcre.limit_heap(limits, HEAP_KIB_MAX);
	pcre.set_callout(limits, count_step, NULL);
	pcre.limits = limits;
	return true;
}

/* ---- putting a path together ----------------------------------------------------------------------------------------- */

struct writing {
	char *room;
	size_t length; /* the result is longer than EXPRESSION_RESULT_MAX */
};

/* The result in `room` begins with a slash. */
static void put(struct writing *writing, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '/' && writing->length > 0 && writing->length <= EXPRESSION_RESULT_MAX &&
		    writing->room[writing->length - 1] == '/')
			continue;
		if (writing->length >= EXPRESSION_RESULT_MAX) {
			writing->length = EXPRESSION_RESULT_MAX + 1;
			return;
		}
		writing->room[writing->length++] = text[i];
	}
}

/* Why the gateway must not send this path; NULL: it may. */
static const char *why_not(const struct writing *writing)
{
	char room[EXPRESSION_RESULT_MAX];
	struct path_result normal;

	if (writing->length > EXPRESSION_RESULT_MAX)
		return "the rewritten path is too long";
	normal = path_normalise(writing->room, writing->length, room);
	if (normal.verdict == PATH_REFUSED)
		return normal.why;
	return normal.verdict == PATH_UNCHANGED ? NULL : "the rewritten path has dot segments, or letters in percent-encoding";
}

/* Each group as one letter. */
static bool check_replacement(const struct replacement *replacement, char *error, size_t size)
{
	char room[EXPRESSION_RESULT_MAX];
	struct writing writing = {.room = room};
	const char *why;

	put(&writing, "/", 1);
	for (size_t i = 0; i < replacement->count; i++) {
		const struct piece *piece = &replacement->pieces[i];

		put(&writing, piece->text != NULL ? piece->text : "x", piece->text != NULL ? piece->length : 1);
	}
	why = why_not(&writing);
	if (why != NULL)
		snprintf(error, size, "replacement: %s", why);
	return why == NULL;
}

/* ---- making one ------------------------------------------------------------------------------------------------------ */

struct memory {
	void *(*allocate)(void *context, size_t size);
	void *context;
};

static void *allocate_for_pcre(PCRE2_SIZE size, void *memory)
{
	return ((struct memory *)memory)->allocate(((struct memory *)memory)->context, size);
}

static void free_for_pcre(void *bytes, void *memory)
{
	(void)bytes;
	(void)memory;
}

/* False: `error` says why. */
static bool compile(struct expression *expression, const char *regex, struct memory *memory, char *error, size_t size)
{
	static const uint32_t options = PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
	                                PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT | PCRE2_NO_START_OPTIMIZE;
	pcre2_general_context *general = pcre.new_memory(allocate_for_pcre, free_for_pcre, memory);
	pcre2_compile_context *settings = general != NULL ? pcre.new_settings(general) : NULL;
	char why[120];
	size_t place;
	int failed;

	if (settings == NULL)
		return false;
	expression->code = pcre.compile((PCRE2_SPTR)regex, strlen(regex), options, &failed, &place, settings);
	if (expression->code == NULL && failed != PCRE2_ERROR_HEAP_FAILED) {
		pcre.explain(failed, (PCRE2_UCHAR *)why, sizeof(why));
		snprintf(error, size, "regex: %s at character %zu", why, place + 1);
	}
	return expression->code != NULL;
}

static int find_group(const void *code, const char *name)
{
	return pcre.name(code, (PCRE2_SPTR)name);
}

struct expression *expression_new(const char *regex, const char *replacement, void *(*allocate)(void *context, size_t size),
                                  void *context, char *error, size_t size)
{
	struct memory *memory = allocate(context, sizeof(*memory));
	struct expression *expression = allocate(context, sizeof(*expression));
	struct groups groups = {.find = find_group};

	error[0] = '\0';
	if (memory == NULL || expression == NULL || !load(error, size))
		return NULL;
	*memory = (struct memory){allocate, context};
	if (!compile(expression, regex, memory, error, size))
		return NULL;
	groups.code = expression->code;
	pcre.info(expression->code, PCRE2_INFO_CAPTURECOUNT, &groups.count);
	if (!replacement_read(&expression->replacement, replacement, &groups, allocate, context, error, size))
		return NULL;
	return check_replacement(&expression->replacement, error, size) ? expression : NULL;
}

/* ---- using it -------------------------------------------------------------------------------------------------------- */

static struct expression_result refused(const char *why)
{
	return (struct expression_result){.verdict = EXPRESSION_REFUSED, .why = why};
}

static struct expression_result failed_as(int code)
{
	if (code == PCRE2_ERROR_NOMEMORY)
		return (struct expression_result){.verdict = EXPRESSION_NO_MEMORY};
	return refused("the route's expression takes too long with this path");
}

static void put_replacement(struct writing *writing, const struct replacement *replacement, const char *path,
                            const PCRE2_SIZE *places, uint32_t count)
{
	for (size_t i = 0; i < replacement->count; i++) {
		const struct piece *piece = &replacement->pieces[i];
		const PCRE2_SIZE *place = &places[(size_t)2 * piece->group];

		if (piece->text != NULL)
			put(writing, piece->text, piece->length);
		else if (piece->group < count && place[0] != PCRE2_UNSET)
			put(writing, path + place[0], place[1] - place[0]);
	}
}

static struct expression_result replace_all(const struct expression *expression, const char *path, size_t length,
                                            pcre2_match_data *match, struct writing *writing)
{
	const PCRE2_SIZE *places = pcre.places(match);
	size_t at = 0, copied = 0;
	bool has_matched = false;

	/* After an empty match Java looks from the next byte on. */
	while (at <= length && writing->length <= EXPRESSION_RESULT_MAX) {
		int count = pcre.match(expression->code, (PCRE2_SPTR)path, length, at, 0, match, pcre.limits);

		if (count == PCRE2_ERROR_NOMATCH)
			break;
		if (count < 0)
			return failed_as(count);
		if (places[0] < copied || places[1] < places[0]) /* \K can do that */
			return refused("the route's expression matches backwards");
		put(writing, path + copied, places[0] - copied);
		put_replacement(writing, &expression->replacement, path, places, (uint32_t)count);
		copied = places[1];
		at = places[1] + (places[1] == places[0]);
		has_matched = true;
	}
	put(writing, path + copied, length - copied);
	return (struct expression_result){.verdict = has_matched ? EXPRESSION_MATCHED : EXPRESSION_NO_MATCH};
}

/* Does it match anywhere? */
static int try(const struct expression *expression, const char *path, size_t length, pcre2_match_data *match)
{
	return pcre.match(expression->code, (PCRE2_SPTR)path, length, 0, 0, match, pcre.limits);
}

/* Parameters must not decide whether a path is rewritten, because the service may ignore them. */
static bool is_alike_without_parameters(const struct expression *expression, const char *path, size_t length,
                                        pcre2_match_data *match, bool is_match)
{
	char room[EXPRESSION_PATH_MAX];
	size_t plain = path_strip_parameters(path, length, true, room);

	return plain == length || (try(expression, room, plain, match) != PCRE2_ERROR_NOMATCH) == is_match;
}

struct expression_result expression_rewrite(const struct expression *expression, const char *path, size_t length, char *room)
{
	struct writing writing = {.room = room};
	struct expression_result result;
	pcre2_match_data *match;

	if (length > EXPRESSION_PATH_MAX)
		return refused("the path is too long for the route's expression");
	match = pcre.new_match(expression->code, pcre.heap);
	if (match == NULL)
		return (struct expression_result){.verdict = EXPRESSION_NO_MEMORY};
	cost.steps_left = STEPS_LEAST + STEPS_PER_BYTE * length;
	cost.at = 0;
	put(&writing, "/", 1);
	result = replace_all(expression, path, length, match, &writing);
	if (result.verdict < EXPRESSION_REFUSED &&
	    !is_alike_without_parameters(expression, path, length, match, result.verdict == EXPRESSION_MATCHED))
		result = refused("parameters in the path keep the route's expression from matching");
	pcre.free_match(match);
	if (result.verdict != EXPRESSION_MATCHED)
		return result;
	result.why = why_not(&writing);
	if (result.why != NULL)
		result.verdict = EXPRESSION_REFUSED;
	result.length = writing.length;
	return result;
}
