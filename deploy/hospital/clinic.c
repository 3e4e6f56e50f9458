#include "deploy/hospital/clinic.h"

#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/hospital/events.h"
#include "deploy/hospital/metrics.h"
#include "deploy/hospital/records.h"

#define CHECK_IN "check_in_completed"
#define INVOICE "open_invoice"

enum { DATABASE_TRIES = 120 };

struct clinic {
	struct clinic_settings settings;
	struct records *records;  /* the loop's */
	struct records *heard_in; /* the consumer's thread's */
	struct events *events;
};

/* ---- events -------------------------------------------------------------------------------------------------------- */

/* On the consumer's thread. The ward's order matters: the bed is on record before the invoice is asked for. */
static bool on_event(void *context, const char *topic, const char *id, long patient_id)
{
	struct clinic *clinic = context;
	bool is_check_in = strcmp(topic, CHECK_IN) == 0;
	enum records_outcome outcome = records_add_event(clinic->heard_in, topic, id, patient_id, clinic->settings.replica);

	if (outcome == RECORDS_REFUSED)
		fprintf(stderr, "service: the event %s of %s is passed over: the database refuses it\n", id, topic);
	if (outcome != RECORDS_KEPT)
		return outcome == RECORDS_REFUSED;
	if (is_check_in && strcmp(clinic->settings.service, "ward") == 0 && !events_send_now(clinic->events, INVOICE, id, patient_id))
		return false;
	metrics_count_event(is_check_in ? CHECK_IN : INVOICE);
	return true;
}

static void make_id(char id[EVENT_ID_MAX + 1])
{
	unsigned char bytes[16];

	evutil_secure_rng_get_bytes(bytes, sizeof bytes);
	for (int i = 0; i < 16; i++)
		sprintf(id + 2 * i, "%02x", bytes[i]);
}

struct check_in {
	char id[EVENT_ID_MAX + 1];
	long patient_id;
	clinic_done *on_done;
	void *context;
};

static void on_sent(void *context, bool is_kept)
{
	struct check_in *check_in = context;

	if (is_kept)
		check_in->on_done(check_in->context, 200, json_pack("{s:s, s:s, s:I}", "event", CHECK_IN, "id", check_in->id, "patientId",
		                                                    (json_int_t)check_in->patient_id));
	else
		check_in->on_done(check_in->context, 503, json_pack("{s:s}", "error", "Kafka does not answer"));
	free(check_in);
}

/* The record comes first: a gateway that gets 503 asks again, and would make a second event beside one that is on its way. */
static void check_in_patient(struct clinic *clinic, long patient_id, struct clinic_answer *answer, clinic_done *on_done,
                             void *context)
{
	const char *trouble = "the event can't be sent";
	struct check_in *check_in;

	if (patient_id <= 0) {
		answer->status = 400;
		answer->value = json_pack("{s:s}", "error", "patientId is missing");
		return;
	}
	check_in = calloc(1, sizeof *check_in);
	if (check_in != NULL) {
		*check_in = (struct check_in){ .patient_id = patient_id, .on_done = on_done, .context = context };
		make_id(check_in->id);
		if (records_add_event(clinic->records, CHECK_IN, check_in->id, patient_id, clinic->settings.replica) != RECORDS_KEPT)
			trouble = "the database does not answer";
		else if (events_send(clinic->events, CHECK_IN, check_in->id, patient_id, on_sent, check_in))
			return;
	}
	free(check_in);
	answer->status = 503;
	answer->value = json_pack("{s:s}", "error", trouble);
}

/* ---- requests ------------------------------------------------------------------------------------------------------ */

static void tell(struct clinic_answer *answer, const char *what, json_t *value)
{
	answer->status = value == NULL ? 503 : json_is_null(value) ? 404 : 200;
	answer->value = value == NULL ? json_pack("{s:s}", "error", "the database does not answer") : json_pack("{s:o}", what, value);
}

static bool ask_patient(struct clinic *clinic, const char *rest, struct clinic_answer *answer)
{
	char *end;
	long id;

	if (rest[0] == '\0' || strcmp(rest, "/") == 0) {
		answer->uri = "/patient";
		tell(answer, "patients", records_patients(clinic->records));
		return true;
	}
	id = strtol(rest + 1, &end, 10);
	if (rest[0] != '/' || end == rest + 1 || *end != '\0')
		return false;
	answer->uri = "/patient/{id}";
	tell(answer, "patient", records_patient(clinic->records, id));
	return true;
}

bool clinic_ask(struct clinic *clinic, const char *path, long patient_id, struct clinic_answer *answer, clinic_done *on_done,
                void *context)
{
	size_t length = strlen(clinic->settings.service);
	const char *rest = path + 1 + length;

	*answer = (struct clinic_answer){ .status = 0 };
	if (path[0] != '/' || strncmp(path + 1, clinic->settings.service, length) != 0 || clinic->records == NULL)
		return false;
	if (strcmp(clinic->settings.service, "patient") == 0)
		return ask_patient(clinic, rest, answer);
	if (strcmp(rest, "/events") == 0) {
		answer->uri = "/events";
		tell(answer, "events", records_events(clinic->records));
		return true;
	}
	if (clinic->events == NULL || strcmp(clinic->settings.service, "reception") != 0 || strcmp(rest, "/check_in_patient") != 0)
		return false;
	answer->uri = "/reception/check_in_patient";
	check_in_patient(clinic, patient_id, answer, on_done, context);
	return true;
}

bool clinic_is_well(struct clinic *clinic)
{
	return clinic->records == NULL || records_are_there(clinic->records);
}

/* ---- its life -------------------------------------------------------------------------------------------------------- */

/* A database starts more slowly than a service does. */
static bool begin_records(struct clinic *clinic)
{
	clinic->records = records_new(clinic->settings.database);
	clinic->heard_in = records_new(clinic->settings.database);
	if (clinic->records == NULL || clinic->heard_in == NULL) {
		fprintf(stderr, "service: --database: mysql://USER:PASSWORD@HOST[:PORT]/DATABASE is wanted\n");
		return false;
	}
	for (int try = 1; !records_prepare(clinic->records); try++) {
		if (try == DATABASE_TRIES) {
			fprintf(stderr, "service: the database was of no use in %d tries\n", DATABASE_TRIES);
			return false;
		}
		sleep(1);
	}
	return true;
}

static bool begin_events(struct clinic *clinic, struct event_base *base)
{
	static const char *const ward[] = { CHECK_IN, NULL }, *const finance[] = { CHECK_IN, INVOICE, NULL };
	const struct events_settings settings = { clinic->settings.brokers, clinic->settings.service, clinic->settings.replica,
		                                  clinic->settings.has_no_group };
	bool is_ward = strcmp(clinic->settings.service, "ward") == 0, is_finance = strcmp(clinic->settings.service, "finance") == 0;

	clinic->events = events_new(base, &settings);
	return clinic->events != NULL && (!(is_ward || is_finance) || clinic->records == NULL ||
	                                  events_hear(clinic->events, is_ward ? ward : finance, on_event, clinic));
}

struct clinic *clinic_new(struct event_base *base, const struct clinic_settings *settings)
{
	struct clinic *clinic = calloc(1, sizeof *clinic);

	if (clinic == NULL)
		return NULL;
	clinic->settings = *settings;
	if ((settings->database != NULL && !begin_records(clinic)) || (settings->brokers != NULL && !begin_events(clinic, base)))
		return NULL;
	return clinic;
}

void clinic_free(struct clinic *clinic)
{
	events_free(clinic->events);
	records_free(clinic->heard_in);
	records_free(clinic->records);
	free(clinic);
}
