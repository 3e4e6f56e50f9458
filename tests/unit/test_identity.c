/* Whose an address is, by the names that swarm's DNS gives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/discovery/identity.h"

static enum identity identity(const char *host, const char *name)
{
	const char *names[] = {name, NULL}, *which = NULL;
	enum identity found = identity_of(host, names, &which);

	if (found != IDENTITY_UNKNOWN)
		assert_ptr_equal(which, name);
	return found;
}

static void test_own(void **state)
{
	(void)state;
	assert_int_equal(identity("tasks.patient", "patient.1.5sd8yqvfmrbyoz1c1a0ngzn3b.hospital_default"), IDENTITY_OWN);
	assert_int_equal(identity("tasks.patient", "hospital_patient.12.abc.hospital_default"), IDENTITY_OWN);
	assert_int_equal(identity("tasks.hospital_patient", "hospital_patient.1.abc.hospital_default"), IDENTITY_OWN);
	/* a global service has the node's id where others have the slot */
	assert_int_equal(identity("tasks.agent", "agent.k3j2h1g4f5d6s7a8q9w0e1r2t.abc.net"), IDENTITY_OWN);
	/* the name may say its network, which may have dots; case says nothing */
	assert_int_equal(identity("tasks.patient.my.net", "hospital_patient.1.abc.my.net"), IDENTITY_OWN);
	assert_int_equal(identity("tasks.patient", "Hospital_PATIENT.1.abc.net"), IDENTITY_OWN);
}

static void test_foreign(void **state)
{
	(void)state;
	assert_int_equal(identity("tasks.patient", "reception.1.abc.hospital_default"), IDENTITY_FOREIGN);
	assert_int_equal(identity("tasks.patient", "hospital_reception.1.abc.hospital_default"), IDENTITY_FOREIGN);
	assert_int_equal(identity("tasks.patient", "inpatient.1.abc.net"), IDENTITY_FOREIGN); /* no "_" before it */
	assert_int_equal(identity("tasks.patient", "patient_reports.1.abc.net"), IDENTITY_FOREIGN);
	assert_int_equal(identity("tasks.patient", "patien.1.abc.net"), IDENTITY_FOREIGN);
	/* of another stack, asked for by the full name */
	assert_int_equal(identity("tasks.hospital_patient", "clinic_patient.1.abc.net"), IDENTITY_FOREIGN);
	assert_int_equal(identity("tasks.hospital_patient", "patient.1.abc.net"), IDENTITY_FOREIGN);
	assert_int_equal(identity("tasks.patient", "agent.k3j2h1g4f5d6s7a8q9w0e1r2t.abc.net"), IDENTITY_FOREIGN);
}

static void test_says_nothing(void **state)
{
	static const char *const NAMES[] = {
		"", ".", "....", "5sd8yqvfmrby", "5sd8yqvfmrby.hospital_default", "hospital_patient_1.hospital_default",
		"reception.1.abc", "reception.1.abc.", "reception..abc.net", ".1.abc.net", "ip-10-0-0-5.eu-west-1.compute.internal",
		"host.berlin.example.com", "reception.12345678901.abc.net", "reception.k3j2h1g4f5d6s7a8q9w0e1r2.abc.net",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		assert_int_equal(identity("tasks.patient", NAMES[i]), IDENTITY_UNKNOWN);
}

/* One of its names is enough to belong, one of another service to be foreign. */
static void test_several_names(void **state)
{
	const char *own[] = {"5sd8yqvfmrby.net", "reception.1.abc.net", "patient.1.abc.net", NULL};
	const char *foreign[] = {"5sd8yqvfmrby.net", "reception.1.abc.net", "billing.1.abc.net", NULL};
	const char *none[] = {NULL}, *which = NULL;

	(void)state;
	assert_int_equal(identity_of("tasks.patient", own, &which), IDENTITY_OWN);
	assert_string_equal(which, own[2]);
	assert_int_equal(identity_of("tasks.patient", foreign, &which), IDENTITY_FOREIGN);
	assert_string_equal(which, foreign[1]);
	assert_int_equal(identity_of("tasks.patient", none, &which), IDENTITY_UNKNOWN);
	assert_int_equal(identity_of("tasks.patient", NULL, &which), IDENTITY_UNKNOWN);
}

static void test_labels(void **state)
{
	(void)state;
	assert_true(identity_is_same_service("hospital_patient.1.abc.net", "Hospital_Patient.2.xyz.other"));
	assert_false(identity_is_same_service("hospital_patient.1.abc.net", "evil_out_patient.1.abc.net"));
	assert_false(identity_is_same_service("patient.1.abc.net", "patients.1.abc.net"));
	assert_false(identity_is_same_service("", "patient.1.abc.net"));
	assert_int_equal(identity_doubt("tasks.patient", "patient.1.abc.net"), 0);
	assert_int_equal(identity_doubt("tasks.patient", "hospital_patient.1.abc.net"), 1);
	assert_int_equal(identity_doubt("tasks.patient", "evil_out_patient.1.abc.net"), 2);
	assert_int_equal(identity_doubt("tasks.out_patient", "evil_out_patient.1.abc.net"), 1);
}

static void test_task_names(void **state)
{
	(void)state;
	assert_true(identity_is_task_name("tasks.patient"));
	assert_true(identity_is_task_name("TASKS.patient"));
	assert_false(identity_is_task_name("tasks."));
	assert_false(identity_is_task_name("patient"));
	assert_false(identity_is_task_name("tasksXpatient"));
}

static void test_public(void **state)
{
	static const char *const OURS[] = {"10.0.1.2", "172.16.0.1", "172.31.255.255", "192.168.9.9", "100.64.0.1", "127.0.0.1",
	                                   "169.254.1.1", "fd00::1", "fe80::1", "::1", "::ffff:10.0.0.1"};
	static const char *const PUBLIC[] = {"8.8.8.8", "172.32.0.1", "11.0.0.1", "203.0.113.7", "100.128.0.1", "2001:db8::1",
	                                     "::ffff:8.8.8.8"};
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(OURS) / sizeof(OURS[0]); i++) {
		assert_true(address_parse_ip(&address, OURS[i]));
		assert_false(identity_is_public(&address));
	}
	for (size_t i = 0; i < sizeof(PUBLIC) / sizeof(PUBLIC[0]); i++) {
		assert_true(address_parse_ip(&address, PUBLIC[i]));
		assert_true(identity_is_public(&address));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),           cmocka_unit_test(test_foreign),    cmocka_unit_test(test_says_nothing),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_several_names), cmocka_unit_test(test_task_names), cmocka_unit_test(test_public),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
