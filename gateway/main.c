/*
 * The command line. Exit status: 0 fine, 1 could not run, 2 wrong usage or configuration.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/control/control.h"
#include "gateway/import/import.h"
#include "gateway/jose/source.h"
#include "gateway/net/beacon.h"
#include "gateway/net/livez.h"
#include "gateway/options.h"
#include "gateway/replay/replay.h"
#include "routes/config/complaints.h"
#include "routes/config/config.h"
#include "routes/config/print.h"

#ifndef GATEWAY_COMMIT
#define GATEWAY_COMMIT "" /* the Makefile knows it; analysis and tests don't */
#endif

enum { EXIT_FINE = 0, EXIT_CANNOT_RUN = 1, EXIT_USAGE = 2 };
enum { BEACONS_MOST = 8 };

enum action { ACTION_RUN, ACTION_CHECK, ACTION_PRINT, ACTION_HEALTHCHECK, ACTION_IMPORT, ACTION_REPLAY };

/* NULL, after a message: there is none. A running gateway is found by the name alone, also when its file is gone. */
static const char *default_file(enum action action)
{
	if (access("gateway.yml", F_OK) == 0)
		return "gateway.yml";
	if (action == ACTION_HEALTHCHECK || access(SYSTEM_FILE, F_OK) == 0)
		return SYSTEM_FILE;
	fputs("gateway: there is no ./gateway.yml and no " SYSTEM_FILE "; name one: gateway FILE\n", stderr);
	if (access(SYSTEM_FILE ".example", F_OK) == 0)
		fputs("gateway: to begin: cp " SYSTEM_FILE ".example " SYSTEM_FILE "\n", stderr);
	return NULL;
}

/* Prints what there is to complain of. A gateway that runs doesn't fail its health check because its file was broken since. */
static struct config *read_config(enum action action, const char *file)
{
	struct complaints complaints;
	struct config *config = action == ACTION_HEALTHCHECK ? config_read_anyway(file, &complaints)
	                                                     : config_read(file, &complaints);

	complaints_print(&complaints, file, stderr);
	complaints_free(&complaints);
	return config;
}

/* Asks the gateway that runs with this file, wherever it is; the file, which may be NULL, is the second choice. Of several it is
 * the one that the file, filled in from this environment, means. */
static int check_health(const char *file, const struct config *config)
{
	struct address found[BEACONS_MOST];
	size_t count = beacon_find(file, found, BEACONS_MOST);

	if (config == NULL && count == 0)
		return EXIT_CANNOT_RUN;
	if (count == 0 && config->admin.family == 0) {
		fputs("gateway: there is no admin listener to ask (admin: off)\n", stderr);
		return EXIT_CANNOT_RUN;
	}
	for (size_t i = 0; config != NULL && i < count; i++)
		if (address_equal(&found[i], &config->admin))
			count = 0;
	if (count == 0)
		found[count++] = config->admin;
	for (size_t i = 0; i < count; i++)
		if (livez_ask(found[i], "gateway"))
			return EXIT_FINE;
	return EXIT_CANNOT_RUN;
}

/* The kernel gives the lowest free number. */
static bool fill_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* Without them the gateway would log into its own sockets and pipes. A bare root has no /dev/null, which only this needs. */
static bool have_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return fill_standard_descriptors();
	return true;
}

/* Are there keys in the files of auth.jwt? */
static bool have_keys(const char *file, const struct config *config)
{
	size_t count = 0;
	const char *why;

	for (size_t i = 0; (i = key_source_check(config, i, &why)) < config->route_count; i++, count++) {
		const struct jwt_settings *jwt = config->routes[i].jwt;

		fprintf(stderr, "%s:%zu:%zu: error: auth.jwt: can't use %s: %s\n", file, jwt->line, jwt->column, jwt->jwks, why);
	}
	return count == 0;
}

static int check(const char *file, const struct config *config)
{
	if (!have_keys(file, config))
		return EXIT_USAGE;
	fprintf(stderr, "%s: fine, %zu route%s, %zu upstream%s\n", file, config->route_count, config->route_count == 1 ? "" : "s",
	        config->upstream_count, config->upstream_count == 1 ? "" : "s");
	return EXIT_FINE;
}

/* `arguments`: what stands behind the options. */
static int act(enum action action, const char *file, char *const *arguments, size_t count)
{
	struct config *config = read_config(action, file);
	int status = EXIT_FINE;

	if (config == NULL && action != ACTION_HEALTHCHECK)
		return EXIT_USAGE;
	switch (action) {
	case ACTION_RUN:
		if (have_keys(file, config))
			return control_run(config);
		status = EXIT_USAGE;
		break;
	case ACTION_CHECK:
		status = check(file, config);
		break;
	case ACTION_PRINT:
		config_print(config, stdout);
		if (fflush(stdout) != 0 || ferror(stdout)) {
			perror("gateway: stdout");
			status = EXIT_CANNOT_RUN;
		}
		break;
	case ACTION_HEALTHCHECK:
		status = check_health(file, config);
		break;
	case ACTION_REPLAY:
		status = replay_run(config, arguments, count);
		break;
	case ACTION_IMPORT:
		break; /* has no configuration */
	}
	config_release(config);
	return status;
}

int main(int argc, char **argv)
{
	enum action action = ACTION_RUN;
	const char *file = NULL;
	int option;

	if (!have_standard_descriptors())
		return EXIT_CANNOT_RUN;
	while ((option = usage_next(&GATEWAY_USAGE, argc, argv)) != -1) {
		switch (option) {
		case OPTION_CONFIG:
			file = optarg;
			break;
		case OPTION_CHECK:
			action = ACTION_CHECK;
			break;
		case OPTION_PRINT_CONFIG:
			action = ACTION_PRINT;
			break;
		case OPTION_HEALTHCHECK:
			action = ACTION_HEALTHCHECK;
			break;
		case OPTION_IMPORT:
			action = ACTION_IMPORT;
			break;
		case OPTION_REPLAY:
			action = ACTION_REPLAY;
			break;
		case OPTION_VERSION:
			puts("gateway " GATEWAY_VERSION GATEWAY_COMMIT);
			return EXIT_FINE;
		case OPTION_HELP:
			usage_print(&GATEWAY_USAGE, stdout);
			return EXIT_FINE;
		default:
			fputs("try: gateway --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (action == ACTION_IMPORT)
		return import_run(argv + optind, (size_t)(argc - optind));
	if (optind < argc && file == NULL && action != ACTION_REPLAY)
		file = argv[optind++];
	if (optind < argc && action != ACTION_REPLAY) {
		fprintf(stderr, "gateway: unexpected argument '%s'; try: gateway --help\n", argv[optind]);
		return EXIT_USAGE;
	}
	if (file == NULL)
		file = default_file(action);
	return file == NULL ? EXIT_USAGE : act(action, file, argv + optind, (size_t)(argc - optind));
}
