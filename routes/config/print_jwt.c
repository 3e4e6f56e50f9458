#include "routes/config/print_jwt.h"

#include <string.h>

#include "routes/config/keys.h"
#include "routes/config/print_text.h"

static void print_audiences(FILE *to, const struct jwt_settings *settings)
{
	if (settings->audience_count == 0)
		return;
	fputs("        audiences: [", to);
	for (size_t i = 0; i < settings->audience_count; i++) {
		fputs(i > 0 ? ", " : "", to);
		print_text(to, settings->audiences[i]);
	}
	fputs("]\n", to);
}

static void print_algorithms(FILE *to, const struct jwt_settings *settings)
{
	const char *comma = "";

	fputs("        algorithms: [", to);
	for (unsigned i = 0; jwt_algorithm_name(i) != NULL; i++) {
		if ((settings->algorithms & JWT_BIT(i)) == 0)
			continue;
		fprintf(to, "%s%s", comma, jwt_algorithm_name(i));
		comma = ", ";
	}
	fputs("]\n", to);
}

static void print_number(FILE *to, const char *name, const struct jwt_settings *settings)
{
	const struct key *key = keys_find(SCOPE_JWT, name);
	char text[KEY_VALUE_TEXT_MAX];

	fprintf(to, "        %s: %s\n", name, key_format(key, key_load(key, settings), text));
}

void print_jwt(FILE *to, const struct config *config, const struct jwt_settings *settings)
{
	if (settings == NULL)
		return;
	fputs("      jwt:\n", to);
	if (settings->issuer != NULL) {
		fputs("        issuer: ", to);
		print_text(to, settings->issuer);
		fputc('\n', to);
	}
	print_audiences(to, settings);
	fputs("        jwks: ", to);
	if (settings->jwks_url != NULL)
		print_text(to, settings->jwks);
	else
		print_file(to, config, settings->jwks);
	fputc('\n', to);
	print_algorithms(to, settings);
	print_number(to, "leeway", settings);
	for (size_t i = 0; i < settings->header_count; i++) {
		fprintf(to, "%s          \"%s\": ", i == 0 ? "        claims_to_headers:\n" : "", settings->headers[i].name);
		print_text(to, settings->claims[settings->headers[i].claim]);
		fputc('\n', to);
	}
	print_number(to, "forward_token", settings);
	print_number(to, "refresh", settings);
}
