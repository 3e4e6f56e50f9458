/*
 * The work of the hospital's services besides naming themselves:
 *
 *   patient     /patient                                   the newest patients
 *               /patient/7                                 one of them
 *   reception   /reception/check_in_patient?patientId=7    sends check_in_completed
 *   ward        hears check_in_completed, and when a bed is made sends open_invoice
 *   finance     hears check_in_completed and open_invoice
 *   all but patient   /NAME/events                         what was to be sent or was handled, by topic and replica
 *
 * Each has a database of its own: the others learn of something by events only.
 */
#ifndef HOSPITAL_CLINIC_H
#define HOSPITAL_CLINIC_H

#include <jansson.h>
#include <stdbool.h>

struct event_base;
struct clinic;

struct clinic_settings {
	const char *service, *replica;
	const char *database; /* NULL: none; then only events of the service's own make sense */
	const char *brokers;  /* NULL: it neither sends nor hears events */
	bool has_no_group;
};

/* NULL: it can't begin; said on stderr. Waits until the database answers. */
struct clinic *clinic_new(struct event_base *base, const struct clinic_settings *settings);
void clinic_free(struct clinic *clinic);
/* Does what it needs answer? */
bool clinic_is_well(struct clinic *clinic);

struct clinic_answer {
	const char *uri; /* the template of the path, for metrics */
	int status;      /* 0: it comes later, by clinic_done */
	json_t *value;   /* the caller's */
};
typedef void clinic_done(void *context, int status, json_t *value);
/* False: this path is nothing of the clinic's. `on_done` may be called later, on the loop, unless an answer is given at once. */
bool clinic_ask(struct clinic *clinic, const char *path, long patient_id, struct clinic_answer *answer, clinic_done *on_done,
                void *context);

#endif
