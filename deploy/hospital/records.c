#include "deploy/hospital/records.h"

#include <mariadb/mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct records {
	MYSQL *mysql; /* NULL: not connected */
	char user[64], password[64], host[128], database[64];
	unsigned port;
	char trouble[256]; /* the last that was said, until a statement succeeds */
};

enum { STATEMENT_MAX = 1024, TEXT_MAX = 256 };

/* Takes the text before `end`, and goes on behind it. False: there is no such mark, or the text is empty or too long. */
static bool take(char *to, size_t size, const char **from, const char *end)
{
	if (end == NULL || end <= *from || (size_t)(end - *from) >= size)
		return false;
	memcpy(to, *from, (size_t)(end - *from));
	to[end - *from] = '\0';
	*from = end + 1;
	return true;
}

/* The host begins behind the last @ and ends at the last slash: so a password may have both, and colons. */
static bool parse_url(struct records *records, const char *url)
{
	static const char scheme[] = "mysql://";
	const char *slash = strrchr(url, '/'), *at = slash == NULL ? NULL : memrchr(url, '@', (size_t)(slash - url));
	char place[160], *port;

	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return false;
	url += strlen(scheme);
	if (!take(records->user, sizeof records->user, &url, strchr(url, ':')) ||
	    !take(records->password, sizeof records->password, &url, at) || !take(place, sizeof place, &url, slash) || *url == '\0' ||
	    strlen(url) >= sizeof records->database)
		return false;
	strcpy(records->database, url);
	records->port = 3306;
	if ((port = strchr(place, ':')) != NULL) {
		*port++ = '\0';
		records->port = (unsigned)strtoul(port, NULL, 10);
	}
	if (strlen(place) >= sizeof records->host || records->port == 0 || records->port > 65535)
		return false;
	strcpy(records->host, place);
	return true;
}

struct records *records_new(const char *url)
{
	struct records *records = calloc(1, sizeof *records);

	if (records != NULL && !parse_url(records, url)) {
		free(records);
		return NULL;
	}
	return records;
}

static void disconnect(struct records *records)
{
	if (records->mysql != NULL)
		mysql_close(records->mysql);
	records->mysql = NULL;
}

void records_free(struct records *records)
{
	if (records == NULL)
		return;
	disconnect(records);
	free(records);
}

/* A database that is away for an hour is told of once. */
static void complain(struct records *records, MYSQL *mysql)
{
	if (strncmp(records->trouble, mysql_error(mysql), sizeof records->trouble - 1) == 0)
		return;
	snprintf(records->trouble, sizeof records->trouble, "%s", mysql_error(mysql));
	fprintf(stderr, "service: database: %s\n", records->trouble);
}

static bool connect_again(struct records *records)
{
	unsigned timeout_s = RECORDS_TIMEOUT_S;
	MYSQL *mysql;

	if (records->mysql != NULL)
		return true;
	if ((mysql = mysql_init(NULL)) == NULL)
		return false;
	mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
	mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
	mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	if (mysql_real_connect(mysql, records->host, records->user, records->password, records->database, records->port, NULL, 0) ==
	    NULL) {
		complain(records, mysql);
		mysql_close(mysql);
		return false;
	}
	records->mysql = mysql;
	return true;
}

/* SQLSTATE's classes for values that do not fit their columns. Any other error may pass, such as a full disk or a deadlock. */
static bool is_refusal(MYSQL *mysql)
{
	const char *state = mysql_sqlstate(mysql);

	return strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0;
}

/* Once more on a new connection: an idle one may have been closed by the database since. */
static enum records_outcome execute(struct records *records, const char *statement)
{
	for (int try = 0; try < 2; try++) {
		if (!connect_again(records))
			return RECORDS_AWAY;
		if (mysql_query(records->mysql, statement) == 0) {
			records->trouble[0] = '\0';
			return RECORDS_KEPT;
		}
		complain(records, records->mysql);
		if (is_refusal(records->mysql))
			return RECORDS_REFUSED;
		disconnect(records);
	}
	return RECORDS_AWAY;
}

static MYSQL_RES *select_rows(struct records *records, const char *statement)
{
	return execute(records, statement) == RECORDS_KEPT ? mysql_store_result(records->mysql) : NULL;
}

bool records_prepare(struct records *records)
{
	static const char *const statements[] = {
		"CREATE TABLE IF NOT EXISTS patients (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100) NOT NULL, "
		"ward VARCHAR(50) NOT NULL)",
		"CREATE TABLE IF NOT EXISTS events (topic VARCHAR(50) NOT NULL, id VARCHAR(36) NOT NULL, patient_id INT NOT NULL, "
		"replica VARCHAR(100) NOT NULL, at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), KEY (topic, id))",
		"INSERT IGNORE INTO patients (id, name, ward) VALUES (1, 'Florence Nightingale', 'surgery'), "
		"(2, 'Ignaz Semmelweis', 'maternity'), (3, 'Elizabeth Blackwell', 'surgery')",
	};

	for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
		if (execute(records, statements[i]) != RECORDS_KEPT)
			return false;
	return true;
}

bool records_are_there(struct records *records)
{
	MYSQL_RES *rows = select_rows(records, "SELECT 1");

	mysql_free_result(rows);
	return rows != NULL;
}

json_t *records_patient(struct records *records, long id)
{
	char statement[STATEMENT_MAX];
	MYSQL_RES *rows;
	json_t *patient;
	MYSQL_ROW row;

	snprintf(statement, sizeof statement, "SELECT name, ward FROM patients WHERE id = %ld", id);
	if ((rows = select_rows(records, statement)) == NULL)
		return NULL;
	row = mysql_fetch_row(rows);
	patient = row == NULL ? json_null() : json_pack("{s:I, s:s, s:s}", "id", (json_int_t)id, "name", row[0], "ward", row[1]);
	mysql_free_result(rows);
	return patient;
}

json_t *records_patients(struct records *records)
{
	MYSQL_RES *rows = select_rows(records, "SELECT id, name, ward FROM patients ORDER BY id DESC LIMIT 10");
	json_t *list = rows == NULL ? NULL : json_array();
	MYSQL_ROW row;

	while (rows != NULL && (row = mysql_fetch_row(rows)) != NULL)
		json_array_append_new(list, json_pack("{s:I, s:s, s:s}", "id", (json_int_t)strtol(row[0], NULL, 10), "name", row[1],
		                                      "ward", row[2]));
	mysql_free_result(rows);
	return list;
}

static void escape(struct records *records, char to[2 * TEXT_MAX + 1], const char *text)
{
	size_t length = strnlen(text, TEXT_MAX);

	mysql_real_escape_string(records->mysql, to, text, length);
}

enum records_outcome records_add_event(struct records *records, const char *topic, const char *id, long patient_id,
                                       const char *replica)
{
	char texts[3][2 * TEXT_MAX + 1], statement[STATEMENT_MAX + 2 * sizeof texts];

	if (!connect_again(records))
		return RECORDS_AWAY;
	escape(records, texts[0], topic);
	escape(records, texts[1], id);
	escape(records, texts[2], replica);
	/* An event comes again when its invoice could not be sent, and a statement when its answer was lost. */
	snprintf(statement, sizeof statement,
	         "INSERT INTO events (topic, id, patient_id, replica) SELECT '%s', '%s', %ld, '%s' FROM DUAL WHERE NOT EXISTS "
	         "(SELECT * FROM events WHERE topic = '%s' AND id = '%s' AND replica = '%s')",
	         texts[0], texts[1], patient_id, texts[2], texts[0], texts[1], texts[2]);
	return execute(records, statement);
}

json_t *records_events(struct records *records)
{
	static const char statement[] = "SELECT topic, replica, COUNT(*), (SELECT COUNT(DISTINCT id) FROM events AS one WHERE "
	                                "one.topic = events.topic) FROM events GROUP BY topic, replica ORDER BY topic, replica";
	MYSQL_RES *rows = select_rows(records, statement);
	json_t *topics = rows == NULL ? NULL : json_object();
	MYSQL_ROW row;

	while (rows != NULL && (row = mysql_fetch_row(rows)) != NULL) {
		json_int_t times = strtoll(row[2], NULL, 10), handled;
		json_t *topic = json_object_get(topics, row[0]);

		if (topic == NULL) {
			topic = json_pack("{s:I, s:i, s:{}}", "events", (json_int_t)strtoll(row[3], NULL, 10), "handled", 0, "by_replica");
			json_object_set_new(topics, row[0], topic);
		}
		handled = json_integer_value(json_object_get(topic, "handled")) + times;
		json_object_set_new(topic, "handled", json_integer(handled));
		json_object_set_new(json_object_get(topic, "by_replica"), row[1], json_integer(times));
	}
	mysql_free_result(rows);
	return topics;
}
