/*
 * Prints the manual pages and the shell's completions, from the tables that the programs themselves read: manual WHAT, where WHAT
 * is gateway.8, autoscaler.8, gateway.yml.5, gateway.bash, autoscaler.bash, _gateway or _autoscaler (zsh's).
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "deploy/autoscaler/options.h"
#include "gateway/options.h"
#include "routes/config/keys.h"

enum { PREFIX_MOST = 200 };

/* ---- roff -------------------------------------------------------------------------------------------------------- */

static void print_text(const char *text)
{
	bool is_first = true;

	for (; *text != '\0'; text++) {
		if (is_first && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		is_first = *text == '\n';
		if (*text == '-')
			fputs("\\-", stdout);
		else if (*text == '\\')
			fputs("\\e", stdout);
		else
			putchar(*text);
	}
}

static void print_heading(const char *text)
{
	fputs(".SH ", stdout);
	putchar('"');
	for (; *text != '\0'; text++)
		putchar(toupper((unsigned char)*text));
	puts("\"");
}

static void print_title(const char *name, int section, const char *summary)
{
	fputs(".TH ", stdout);
	for (const char *letter = name; *letter != '\0'; letter++)
		putchar(toupper((unsigned char)*letter));
	printf(" %d \"\" \"gateway " GATEWAY_VERSION "\"\n.SH NAME\n", section);
	print_text(name);
	fputs(" \\- ", stdout);
	print_text(summary);
	putchar('\n');
}

static void print_program(const struct usage *usage, const char *const paragraphs[], const char *see_also)
{
	char text[USAGE_OPTION_TEXT_MAX];

	print_title(usage->program, 8, usage->summary);
	printf(".SH SYNOPSIS\n.B %s\n", usage->program);
	print_text(usage->arguments);
	puts("\n.SH DESCRIPTION");
	for (size_t i = 0; paragraphs[i] != NULL; i++) {
		if (i > 0)
			puts(".PP");
		print_text(paragraphs[i]);
		putchar('\n');
	}
	print_heading("Options");
	for (const struct usage_option *option = usage->options; option->name != NULL; option++) {
		usage_format(option, text);
		fputs(".TP\n.B ", stdout);
		print_text(text);
		putchar('\n');
		print_text(option->help);
		puts(".");
	}
	for (const struct usage_note *note = usage->notes; note->heading != NULL; note++) {
		print_heading(note->heading);
		print_text(note->text);
		putchar('\n');
	}
	printf(".SH \"SEE ALSO\"\n%s\n", see_also);
}

/* ---- gateway.yml(5) ---------------------------------------------------------------------------------------------- */

static const char *const KINDS_TEXT[KINDS] = {
	[KIND_COUNT] = "a number", [KIND_COUNT_OR_AUTO] = "a number or auto", [KIND_COUNT_OR_NONE] = "a number or none",
	[KIND_DURATION] = "a duration", [KIND_DURATION_OR_OFF] = "a duration or off", [KIND_SIZE] = "a size",
	[KIND_SIZE_OR_AUTO] = "a size or auto", [KIND_SIZE_OR_NONE] = "a size or none", [KIND_PERCENT] = "a share",
	[KIND_STATUSES] = "a list of statuses", [KIND_SWITCH] = "on, off or a section", [KIND_OPTION] = "on, off or a section",
	[KIND_JWT] = "off, or a section", [KIND_CORS] = "off, or a section", [KIND_FALLBACK] = "a text, or a section",
	[KIND_ADMIN] = "a section, or the value of its listen", [KIND_ACCESS_LOG] = "a section, or the value of its to",
};

static void print_range(const struct key *key)
{
	char least[KEY_VALUE_TEXT_MAX], most[KEY_VALUE_TEXT_MAX];

	switch (key->kind) {
	case KIND_COUNT:
	case KIND_COUNT_OR_AUTO:
	case KIND_COUNT_OR_NONE:
	case KIND_DURATION:
	case KIND_DURATION_OR_OFF:
	case KIND_SIZE:
	case KIND_SIZE_OR_AUTO:
	case KIND_SIZE_OR_NONE:
	case KIND_PERCENT:
		/* 0 is what formats as `auto` or `none`, but as the least it is a number. */
		printf(", %s to %s", key->least == 0 ? "0" : key_format(key, key->least, least), key_format(key, key->most, most));
		break;
	default:
		break;
	}
}

/* "a|b|c" as "a, b or c" */
static void print_words(const struct key *key)
{
	for (const char *letter = key->words; *letter != '\0'; letter++) {
		if (*letter == '|')
			fputs(strchr(letter + 1, '|') != NULL ? ", " : " or ", stdout);
		else
			putchar(*letter);
	}
}

static void print_key(const struct key *key, const char *prefix)
{
	fputs(".TP\n.B ", stdout);
	print_text(prefix);
	print_text(key->name);
	putchar('\n');
	print_text(key->help);
	fputs(".", stdout);
	if (key->kind == KIND_CHOICE || KINDS_TEXT[key->kind] != NULL) {
		fputs(" It is ", stdout);
		if (key->kind == KIND_CHOICE)
			print_words(key);
		else
			fputs(KINDS_TEXT[key->kind], stdout);
		print_range(key);
		fputs(".", stdout);
	}
	if (key->default_text[0] != '\0') {
		fputs(" Default: ", stdout);
		print_text(key->default_text);
		fputs(".", stdout);
	}
	putchar('\n');
}

static void print_scope(enum key_scope scope, const char *prefix)
{
	char below[PREFIX_MOST];
	size_t count;
	const struct key *keys = keys_all(&count);

	for (size_t i = 0; i < count; i++) {
		const struct key *key = &keys[i];
		enum key_scope child = key->child;

		if (child == SCOPE_UPSTREAMS || child == SCOPE_ROUTES)
			child = child == SCOPE_UPSTREAMS ? SCOPE_UPSTREAM : SCOPE_ROUTE;
		if (key->scope != scope)
			continue;
		print_key(key, prefix);
		snprintf(below, sizeof below, "%s%s%s.", prefix, key->name,
		         key->child == SCOPE_UPSTREAMS ? ".NAME" : key->child == SCOPE_ROUTES ? "[]" : "");
		if (child != SCOPE_NONE && child != SCOPE_DEFAULTS)
			print_scope(child, below);
	}
}

static void print_file(void)
{
	print_title("gateway.yml", 5, "configuration of the gateway");
	puts(".SH DESCRIPTION\n"
	     "A YAML file without anchors. It needs\n.BR upstreams ,\neach with its\n.BR url ,\nand\n.BR routes ,\n"
	     "each with its\n.B path\nand\n.BR upstream ;\neverything else has a default. An unknown key is an error.\n"
	     ".B gateway \\-\\-check\nreports every error with its line and column.\n.PP\n"
	     "Durations carry a unit (250ms, 1s, 5m, 1h), sizes too (512B, 16KiB, 1MiB, 1GiB), shares a percent sign (50%, 12.5%).\n"
	     "Inside values, ${NAME} and ${NAME:\\-default} stand for a variable of the environment, and $$ for a dollar sign.\n"
	     "true and false mean the same as on and off.\n"
	     ".SH KEYS");
	print_scope(SCOPE_ROOT, "");
	puts(".SH EXAMPLE\n.nf\nupstreams:\n  patient: { url: \"http://tasks.patient:2222\" }\nroutes:\n"
	     "  \\- { path: /patient, upstream: patient, fallback: Patient information is currently unavailable }\n.fi\n"
	     ".SH \"SEE ALSO\"\n.BR gateway (8)");
}

/* ---- completion -------------------------------------------------------------------------------------------------- */

static void print_bash(const struct usage *usage)
{
	const struct usage_option *option = usage->options;

	printf("_%s()\n{\n\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n\tlocal words=\"", usage->program);
	for (size_t i = 0; option[i].name != NULL; i++)
		printf("%s--%s", i > 0 ? " " : "", option[i].name);
	puts("\"\n\n\tcase $before in");
	for (size_t i = 0; option[i].name != NULL; i++) {
		if (option[i].argument == NULL)
			continue;
		putchar('\t');
		for (const char *letter = option[i].letters; *letter != '\0'; letter++)
			printf("-%c | ", *letter);
		printf("--%s) words= ;;\n", option[i].name);
	}
	puts("\tesac\n\tif [[ -n $words && $word == -* ]]; then\n"
	     "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n\telse\n"
	     "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n\tfi");
	printf("} && complete -o filenames -F _%s %s\n", usage->program, usage->program);
}

static void print_zsh(const struct usage *usage)
{
	printf("#compdef %s\n_arguments", usage->program);
	for (const struct usage_option *option = usage->options; option->name != NULL; option++) {
		printf(" \\\n\t'--%s[", option->name);
		for (const char *letter = option->help; *letter != '\0'; letter++)
			printf(*letter == '\'' ? "'\\''" : strchr("[]:", *letter) != NULL ? "\\%c" : "%c", *letter);
		fputs("]", stdout);
		if (option->argument != NULL)
			printf(":%s:%s", strcmp(option->argument, "FILE") == 0 ? "file" : "value",
			       strcmp(option->argument, "FILE") == 0 ? "_files" : "");
		putchar('\'');
	}
	puts(strstr(usage->arguments, "[FILE") != NULL ? " \\\n\t'*:file:_files'" : "");
}

static const char *const GATEWAY_TEXT[] = {
	"Routes HTTP requests by path, host and method to services that it finds through DNS, and guards each of them with a circuit\n"
	"breaker. When a service is down or slow, clients get a fallback at once.",
	"The access log goes to standard output, diagnostics go to standard error, and health, metrics and breakers are on the admin\n"
	"listener, 127.0.0.1:8081 unless the configuration names another.", NULL,
};

static const char *const AUTOSCALER_TEXT[] = {
	"Takes alerts from Prometheus (/alert/api/v2/alerts) or Alertmanager (/alert), and asks the Docker Engine of a swarm's\n"
	"manager for more replicas of the service that an alert names, or for fewer.", NULL,
};

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "gateway.8") == 0)
		print_program(&GATEWAY_USAGE, GATEWAY_TEXT, ".BR gateway.yml (5),\n.BR autoscaler (8)");
	else if (strcmp(what, "autoscaler.8") == 0)
		print_program(&AUTOSCALER_USAGE, AUTOSCALER_TEXT, ".BR gateway (8)");
	else if (strcmp(what, "gateway.yml.5") == 0)
		print_file();
	else if (strcmp(what, "gateway.bash") == 0)
		print_bash(&GATEWAY_USAGE);
	else if (strcmp(what, "autoscaler.bash") == 0)
		print_bash(&AUTOSCALER_USAGE);
	else if (strcmp(what, "_gateway") == 0)
		print_zsh(&GATEWAY_USAGE);
	else if (strcmp(what, "_autoscaler") == 0)
		print_zsh(&AUTOSCALER_USAGE);
	else {
		fprintf(stderr, "manual: '%s' is not known\n", what);
		return 2;
	}
	return ferror(stdout) || fflush(stdout) != 0;
}
