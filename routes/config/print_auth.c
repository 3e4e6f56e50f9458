#include "routes/config/print_auth.h"

#include "routes/config/print_jwt.h"
#include "routes/config/print_text.h"

static void print_forward(FILE *to, const struct forward_settings *forward)
{
	fputs("      forward:\n        upstream: ", to);
	print_text(to, forward->upstream->name);
	fputs("\n        path: ", to);
	print_text(to, forward->path);
	fputs("\n        request_headers: ", to);
	print_texts(to, &forward->request_headers);
	fputs("\n        response_headers: ", to);
	print_texts(to, &forward->response_headers);
	fputc('\n', to);
}

static void print_basic(FILE *to, const struct config *config, const struct basic_settings *basic)
{
	fputs("      basic:\n        file: ", to);
	print_file(to, config, basic->file);
	fputs("\n        realm: ", to);
	print_text(to, basic->realm);
	fputc('\n', to);
}

void print_auth(FILE *to, const struct config *config, const struct route *route)
{
	fputs(route->jwt != NULL || route->basic.enabled || route->forward.enabled ? "    auth:\n" : "    auth: off\n", to);
	print_jwt(to, config, route->jwt);
	if (route->basic.enabled)
		print_basic(to, config, &route->basic);
	if (route->forward.enabled)
		print_forward(to, &route->forward);
}
