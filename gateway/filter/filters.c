/*
 * The filters, in the order in which a request meets them. First CORS, because without it a browser shows a page no refusal;
 * then limits by client, so that guessing passwords is limited, too; then authentication; then limits by a claim, which only
 * authentication knows. Last the filters that look at the body of a response.
 */
#include "gateway/filter/filters.h"

#include <stdlib.h>

#include "gateway/filter/basic.h"
#include "gateway/filter/body_limit.h"
#include "gateway/filter/cors.h"
#include "gateway/filter/filter.h"
#include "gateway/filter/forward.h"
#include "gateway/filter/jwt.h"
#include "gateway/filter/rate_limit.h"

static const struct filter_type *const order[] = {
	&filter_cors,
	&filter_rate_limit,
	&filter_basic,
	&filter_jwt,
	&filter_forward,
	&filter_rate_limit_by_claim,
	&filter_body_limit,
	NULL,
};

static const void *settings_of(const struct filter_type *const *type, const struct route *route)
{
	return (*type)->settings_of(route);
}

static void free_list(struct filter_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->filters[i].type->destroy != NULL)
			list->filters[i].type->destroy(&list->filters[i]);
	free(list);
}

static bool make_list(struct route *route, size_t count)
{
	struct filter_list *list = calloc(1, sizeof *list + count * sizeof *list->filters);

	if (list == NULL)
		return false;
	for (const struct filter_type *const *type = order; *type != NULL; type++) {
		struct filter filter = { .type = *type, .route = route, .settings = settings_of(type, route) };

		if (filter.settings == NULL)
			continue;
		if ((*type)->create != NULL && !(*type)->create(&filter)) {
			free_list(list);
			return false;
		}
		filter_list_add(list, &filter);
	}
	route->filters = list;
	return true;
}

bool filters_make(struct config *config)
{
	for (size_t i = 0; i < config->route_count; i++) {
		size_t count = 0;

		for (const struct filter_type *const *type = order; *type != NULL; type++)
			count += settings_of(type, &config->routes[i]) != NULL;
		if (count > 0 && !make_list(&config->routes[i], count))
			return false;
	}
	return true;
}

void filters_free(struct config *config)
{
	for (size_t i = 0; i < config->route_count; i++) {
		if (config->routes[i].filters != NULL)
			free_list(config->routes[i].filters);
		config->routes[i].filters = NULL;
	}
}
