/* The metrics as Prometheus reads them: in its own text format or, where Accept names it, as OpenMetrics; all of them or those that
 * ?includedNames= asks for. */
#include "gateway/admin/prometheus.h"

#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/memory_file.h"

enum { HEAD_BYTES = 7 }; /* "# HELP ", "# TYPE " */

/* ---- the text ------------------------------------------------------------------------------------------------------ */

static void write_tag(FILE *to, const struct metrics_tag *tag)
{
	fprintf(to, "%s=\"", tag->name);
	for (const char *at = tag->value; *at != '\0'; at++) {
		if (*at == '\n')
			fputs("\\n", to);
		else
			fprintf(to, *at == '\\' || *at == '"' ? "\\%c" : "%c", *at);
	}
	fputc('"', to);
}

/* The tags of the configuration come first in every series. */
static void write_with_tags(FILE *to, const char *text, const struct config *config)
{
	for (size_t length; *text != '\0'; text += length) {
		size_t name_length = text[0] == '#' ? 0 : strcspn(text, "{ ");

		length = strcspn(text, "\n") + 1;
		if (name_length > 0) {
			fwrite(text, 1, name_length, to);
			for (size_t i = 0; i < config->metrics_tag_count; i++) {
				fputc(i == 0 ? '{' : ',', to);
				write_tag(to, &config->metrics_tags[i]);
			}
			fputc(text[name_length] == '{' ? ',' : '}', to);
			name_length += text[name_length] == '{';
		}
		fwrite(text + name_length, 1, length - name_length, to);
	}
}

/* Takes `text`. NULL: out of memory. */
static char *with_tags(char *text, const struct config *config)
{
	struct memory_file memory;
	size_t length;

	if (text == NULL || config == NULL || config->metrics_tag_count == 0)
		return text;
	memory_file_open(&memory);
	if (memory.file != NULL)
		write_with_tags(memory.file, text, config);
	free(text);
	return memory_file_close(&memory, &length);
}

char *page_metrics(struct page_request *request)
{
	const struct admin_view *view = request->view;
	struct memory_file memory;
	size_t length;
	char *text;

	memory_file_open(&memory);
	if (memory.file != NULL)
		view->write_metrics(view->context, memory.file);
	text = with_tags(memory_file_close(&memory, &length), view->config(view->context));
	if (text == NULL)
		page_error(request, 500, "out of memory");
	return text;
}

/* ---- what is asked for --------------------------------------------------------------------------------------------- */

static bool is_joined(const char *whole, size_t length, const char *start, size_t start_length, const char *ending)
{
	return length == start_length + strlen(ending) && memcmp(whole, start, start_length) == 0 &&
	       memcmp(whole + start_length, ending, length - start_length) == 0;
}

/* Spring Boot 2 is asked by names of samples, Spring Boot 3 by those of families, without a counter's ending. */
static bool is_name_of(const char *name, size_t name_length, const char *family, size_t length)
{
	static const char *const endings[] = { "", "_bucket", "_count", "_sum" };

	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
		if (is_joined(name, name_length, family, length, endings[i]))
			return true;
	return is_joined(family, length, name, name_length, "_total");
}

/* `names`: lists with commas; none: all. */
static bool is_included(const json_t *names, const char *family, size_t length)
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *list = json_string_value(json_array_get(names, i));

		for (size_t at = 0, until; list[at] != '\0'; at = until + (list[until] == ',')) {
			until = at + strcspn(list + at, ",");
			if (is_name_of(list + at, until - at, family, length))
				return true;
		}
	}
	return json_array_size(names) == 0;
}

/* ---- the page ------------------------------------------------------------------------------------------------------ */

/* OpenMetrics announces a counter without its ending. */
static void write_head(FILE *to, const char *line, size_t length, size_t name_length, bool is_openmetrics)
{
	size_t name_end = HEAD_BYTES + name_length;
	bool is_cut = is_openmetrics && name_length > 6 && memcmp(line + name_end - 6, "_total", 6) == 0;

	fwrite(line, 1, is_cut ? name_end - 6 : name_end, to);
	fwrite(line + name_end, 1, length - name_end, to);
}

static char *included(const char *text, const json_t *names, bool is_openmetrics, size_t *size)
{
	struct memory_file memory;
	bool is_wanted = true;

	memory_file_open(&memory);
	for (size_t length; memory.file != NULL && *text != '\0'; text += length) {
		size_t name_length;

		length = strcspn(text, "\n") + 1;
		if (text[0] != '#') {
			fwrite(text, 1, is_wanted ? length : 0, memory.file);
			continue;
		}
		name_length = strcspn(text + HEAD_BYTES, " ");
		is_wanted = is_included(names, text + HEAD_BYTES, name_length);
		if (is_wanted)
			write_head(memory.file, text, length, name_length, is_openmetrics);
	}
	if (memory.file != NULL && is_openmetrics)
		fputs("# EOF\n", memory.file);
	return memory_file_close(&memory, size);
}

void prometheus_page(struct page_request *request)
{
	bool is_openmetrics = page_prefers(request, "application/openmetrics-text");
	json_t *names = page_parameters(request, "includedNames");
	char *all = names == NULL ? NULL : page_metrics(request), *text;
	size_t length;

	if (all != NULL) {
		text = included(all, names, is_openmetrics, &length);
		if (text == NULL)
			page_error(request, 500, "out of memory");
		else
			page_text(request, 200,
			          is_openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			                         : "text/plain; version=0.0.4; charset=utf-8",
			          text, length);
	}
	free(all);
	json_decref(names);
}
