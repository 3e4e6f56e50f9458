/*
 * The records that a service of the hospital keeps in its database. The room of MariaDB's client library.
 *
 * A connection is used by one thread. Calls block. The library waits up to RECORDS_TIMEOUT_S each time that it connects, writes or
 * reads, and a call may do all of that twice: on a connection that was lost meanwhile, and on a new one. No timeout bounds the
 * lookup of the host's name. JSON values are the caller's.
 */
#ifndef HOSPITAL_RECORDS_H
#define HOSPITAL_RECORDS_H

#include <jansson.h>
#include <stdbool.h>

enum { RECORDS_TIMEOUT_S = 2 };

struct records;

/* `url`: mysql://USER:PASSWORD@HOST[:PORT]/DATABASE. Does not connect yet. NULL: it is no such URL, or out of memory. */
struct records *records_new(const char *url);
void records_free(struct records *records);
/* Makes the tables where they are missing, and patients where there are none. False: the database does not answer. */
bool records_prepare(struct records *records);
/* Does it answer? */
bool records_are_there(struct records *records);

/* NULL: the database does not answer. JSON null: there is no such patient. */
json_t *records_patient(struct records *records, long id);
/* The ten newest, as a list. NULL as above. */
json_t *records_patients(struct records *records);
/* An event that this service is about to send, or handles. A replica's event is added once, however often this is called. */
enum records_outcome {
	RECORDS_KEPT,
	RECORDS_REFUSED, /* the values do not fit: nor will they the next time */
	RECORDS_AWAY,    /* the database does not answer, or can't keep it now */
};
enum records_outcome records_add_event(struct records *records, const char *topic, const char *id, long patient_id,
                                       const char *replica);
/* By topic: how many events, how often they were handled, and by which replica. NULL as above. */
json_t *records_events(struct records *records);

#endif
