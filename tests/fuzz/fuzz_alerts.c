/*
 * Any bytes as alerts, and as what the Docker Engine tells of a service: never a crash, every name in a wish is one that may stand
 * in a URL, one wish for a service, and a decision to scale stays within the service's bounds.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/autoscaler/service.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decide(const json_t *answer)
{
	const struct wish wish = { .is_firing = true, .replicas = 7, .wants_step = true };
	const struct past past = { .fired_ms = 1000, .fires = { { .alert = 1, .ends_ms = 2000 } } };
	struct decision decisions[2];
	struct service service;

	if (!service_read(answer, &service))
		return;
	CHECK(service.spec != NULL && alerts_is_service_name(service.id, strlen(service.id)));
	decisions[0] = service_decide(&service, &wish, &past, 100000);
	decisions[1] = service_decide_down(&service, &past, 100000);
	for (size_t i = 0; i < 2; i++) {
		char *spec;

		CHECK(decisions[i].why[0] != '\0');
		if (decisions[i].verdict != VERDICT_SCALE)
			continue;
		CHECK(service.has_max && service.is_replicated && decisions[i].replicas >= service.min);
		CHECK(i == 0 ? decisions[i].replicas > service.replicas && decisions[i].replicas <= service.max
		             : decisions[i].replicas < service.replicas);
		spec = service_spec_with(&service, decisions[i].replicas);
		CHECK(spec != NULL);
		free(spec);
	}
	service_finish(&service);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wishes wishes;
	char error[160] = "";
	json_t *answer;

	if (!alerts_read((const char *)data, size, 1.7e9, &wishes, error, sizeof error)) {
		CHECK(error[0] != '\0' && wishes.list == NULL);
	} else {
		CHECK(wishes.count + wishes.unnamed + wishes.misnamed <= wishes.alerts);
		for (size_t i = 0; i < wishes.count; i++) {
			CHECK(alerts_is_service_name(wishes.list[i].service, strlen(wishes.list[i].service)));
			CHECK(wishes.list[i].replicas <= REPLICAS_MAX);
			CHECK(wishes.list[i].is_firing == (wishes.list[i].replicas > 0 || wishes.list[i].wants_step));
			for (size_t k = 0; k < i; k++)
				CHECK(strcmp(wishes.list[i].service, wishes.list[k].service) != 0);
		}
		alerts_free(&wishes);
	}
	answer = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
	decide(answer);
	json_decref(answer);
	return 0;
}
