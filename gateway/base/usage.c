#include "gateway/base/usage.h"

#include <getopt.h>
#include <string.h>

enum { OPTIONS_MOST = 31, LETTERS_MOST = 63, HELP_COLUMN = 26 };

int usage_next(const struct usage *usage, int argc, char **argv)
{
	struct option options[OPTIONS_MOST + 1] = { 0 };
	char letters[2 * LETTERS_MOST + 1] = "";
	const struct usage_option *option = usage->options;
	size_t used = 0;
	int code;

	for (size_t i = 0; i < OPTIONS_MOST && option[i].name != NULL; i++) {
		options[i] = (struct option){ option[i].name, option[i].argument != NULL ? required_argument : no_argument, NULL,
		                              option[i].code };
		for (const char *letter = option[i].letters; *letter != '\0' && used < sizeof letters - 2; letter++) {
			letters[used++] = *letter;
			if (option[i].argument != NULL)
				letters[used++] = ':';
		}
	}
	code = getopt_long(argc, argv, letters, options, NULL);
	for (size_t i = 0; code > 0 && option[i].name != NULL; i++)
		if (strchr(option[i].letters, code) != NULL)
			return option[i].code;
	return code;
}

void usage_format(const struct usage_option *option, char text[USAGE_OPTION_TEXT_MAX])
{
	size_t used = 0;

	for (const char *letter = option->letters; *letter != '\0' && used < USAGE_OPTION_TEXT_MAX / 2; letter++)
		used += (size_t)snprintf(text + used, USAGE_OPTION_TEXT_MAX - used, "-%c, ", *letter);
	snprintf(text + used, USAGE_OPTION_TEXT_MAX - used, "--%s%s%s", option->name, option->argument != NULL ? " " : "",
	         option->argument != NULL ? option->argument : "");
}

void usage_print(const struct usage *usage, FILE *to)
{
	char text[USAGE_OPTION_TEXT_MAX];

	fprintf(to, "%s " GATEWAY_VERSION ", %s\n\nusage: %s %s\n\n", usage->program, usage->summary, usage->program, usage->arguments);
	for (const struct usage_option *option = usage->options; option->name != NULL; option++) {
		usage_format(option, text);
		fprintf(to, "  %-*s %s\n", HELP_COLUMN, text, option->help);
	}
	for (const struct usage_note *note = usage->notes; note->heading != NULL; note++)
		fprintf(to, "\n%s:\n%s\n", note->heading, note->text);
}
