#include "gateway/filter/passwords.h"

#include <crypt.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "gateway/base/log.h"
#include "gateway/base/siphash.h"

enum { REMEMBERED = 4096, NICE = 5, RESEND_NS = 10 * 1000 * 1000 };

struct password_check {
	struct worker_run run; /* first */
	struct password_check *next; /* in the queue */
	struct worker *worker;
	void (*on_answer)(void *context, enum password_verdict verdict); /* the worker's */
	void *context;
	_Atomic bool is_cancelled;
	enum password_verdict verdict;
	uint64_t client, tag;
	bool is_user;
	char password[HTPASSWD_PASSWORD_MAX + 1], hash[HTPASSWD_HASH_MAX + 1];
};

/* Two words that a reader may see of two different answers: the tag identifies the question and the answer. At worst the
 * other word is the time at which to forget it. */
struct remembered {
	_Atomic uint64_t tag; /* its lowest bit: right */
	_Atomic uint64_t until_ms;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t has_work;
	pthread_t thread;
	const struct sandbox *sandbox;
	bool is_running, must_stop;
	struct password_check *first, **last;
	unsigned waiting;
	struct siphash_seed tag_seed, place_seed;
	struct remembered remembered[REMEMBERED];
} passwords = { .mutex = PTHREAD_MUTEX_INITIALIZER, .has_work = PTHREAD_COND_INITIALIZER };

/* ---- what is remembered -------------------------------------------------------------------------------------- */

/* Name, password and hash, each with its NUL: no two questions have the same bytes. */
static uint64_t hash_of(const struct siphash_seed *seed, const struct password_question *question)
{
	char bytes[sizeof *question->credentials + HTPASSWD_HASH_MAX + 2], *to = bytes;
	uint64_t hash;

	*to++ = question->is_user ? 'u' : 'n';
	to = stpcpy(to, question->credentials->name) + 1;
	to = stpcpy(to, question->credentials->password) + 1;
	to = stpcpy(to, question->hash) + 1;
	hash = siphash(seed, bytes, (size_t)(to - bytes));
	explicit_bzero(bytes, sizeof bytes);
	return hash;
}

static struct remembered *place_of(uint64_t tag)
{
	return &passwords.remembered[siphash(&passwords.place_seed, &tag, sizeof tag) % REMEMBERED];
}

static enum password_verdict recall(uint64_t tag, uint64_t now_ms)
{
	struct remembered *place = place_of(tag);
	uint64_t known = atomic_load_explicit(&place->tag, memory_order_acquire);

	if ((known | 1) != (tag | 1) || atomic_load_explicit(&place->until_ms, memory_order_relaxed) <= now_ms)
		return PASSWORD_UNKNOWN;
	return (known & 1) != 0 ? PASSWORD_RIGHT : PASSWORD_WRONG;
}

static void remember(uint64_t tag, enum password_verdict verdict, uint64_t now_ms)
{
	struct remembered *place = place_of(tag);

	atomic_store_explicit(&place->until_ms, 0, memory_order_relaxed);
	atomic_store_explicit(&place->tag, (tag & ~UINT64_C(1)) | (verdict == PASSWORD_RIGHT), memory_order_release);
	atomic_store_explicit(&place->until_ms, now_ms + (verdict == PASSWORD_RIGHT ? PASSWORDS_RIGHT_MS : PASSWORDS_WRONG_MS),
	                      memory_order_release);
}

enum password_verdict passwords_look(const struct password_question *question, uint64_t now_ms)
{
	return recall(hash_of(&passwords.tag_seed, question) | 1, now_ms);
}

const char *passwords_decoy(const struct htpasswd *users, const char *name)
{
	if (users->count == 0)
		return NULL;
	return users->users[siphash(&passwords.place_seed, name, strlen(name)) % users->count].hash;
}

/* ---- for workers --------------------------------------------------------------------------------------------- */

static void free_check(struct password_check *check)
{
	explicit_bzero(check, sizeof *check);
	free(check);
}

static void on_checked(struct worker_run *run)
{
	struct password_check *check = (struct password_check *)run;
	void (*on_answer)(void *context, enum password_verdict verdict) = check->on_answer;
	void *context = check->context;
	enum password_verdict verdict = check->verdict;
	bool is_cancelled = atomic_load_explicit(&check->is_cancelled, memory_order_relaxed);

	free_check(check);
	if (!is_cancelled)
		on_answer(context, verdict);
}

/* With the mutex. */
static bool has_room(uint64_t client)
{
	unsigned of_client = 0;

	for (const struct password_check *check = passwords.first; check != NULL; check = check->next)
		of_client += check->client == client;
	return passwords.is_running && passwords.waiting < PASSWORDS_WAITING && of_client < PASSWORDS_OF_CLIENT;
}

struct password_check *passwords_ask(struct worker *worker, const struct password_question *question,
                                     void (*on_answer)(void *context, enum password_verdict verdict), void *context)
{
	struct password_check *check = malloc(sizeof *check);
	bool is_taken;

	if (check == NULL)
		return NULL;
	*check = (struct password_check){ .run = { on_checked }, .worker = worker, .on_answer = on_answer, .context = context,
		                              .client = question->client, .is_user = question->is_user,
		                              .tag = hash_of(&passwords.tag_seed, question) | 1 };
	strcpy(check->password, question->credentials->password);
	strcpy(check->hash, question->hash);
	pthread_mutex_lock(&passwords.mutex);
	is_taken = has_room(question->client);
	if (is_taken) {
		*passwords.last = check;
		passwords.last = &check->next;
		passwords.waiting++;
		pthread_cond_signal(&passwords.has_work);
	}
	pthread_mutex_unlock(&passwords.mutex);
	if (is_taken)
		return check;
	free_check(check);
	return NULL;
}

void passwords_cancel(struct password_check *check)
{
	atomic_store_explicit(&check->is_cancelled, true, memory_order_relaxed);
}

/* ---- the thread ---------------------------------------------------------------------------------------------- */

/* In constant time for equal lengths, so that nobody learns where they differ. */
static bool is_equal(const char *a, const char *b)
{
	size_t length = strlen(a);
	unsigned char difference = 0;

	if (strlen(b) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

static enum password_verdict compute(const struct password_check *check)
{
	static struct crypt_data data; /* 32 KiB */
	const char *made = crypt_r(check->password, check->hash, &data);
	bool is_right = made != NULL && made[0] != '*' && is_equal(made, check->hash) && check->is_user;

	if (made == NULL || made[0] == '*')
		log_error("auth.basic: crypt(3) can't make a hash of the kind that a file of users has: %s", strerror(errno));
	explicit_bzero(&data, sizeof data);
	return is_right ? PASSWORD_RIGHT : PASSWORD_WRONG;
}

/* Six connections of a browser ask at once: five of them find the first one's result. */
static void answer(struct password_check *check)
{
	if (!atomic_load_explicit(&check->is_cancelled, memory_order_relaxed)) {
		check->verdict = recall(check->tag, clock_now_ms());
		if (check->verdict == PASSWORD_UNKNOWN) {
			check->verdict = compute(check);
			remember(check->tag, check->verdict, clock_now_ms());
		}
	}
	explicit_bzero(check->password, sizeof check->password);
	while (!inbox_send(&check->worker->inbox, WORKER_RUN, check, NULL))
		nanosleep(&(struct timespec){ .tv_nsec = RESEND_NS }, NULL); /* memory is short, and a request waits */
}

/* With the mutex. NULL: the thread must stop. */
static struct password_check *wait_for_work(void)
{
	struct password_check *check;

	while (passwords.first == NULL && !passwords.must_stop)
		pthread_cond_wait(&passwords.has_work, &passwords.mutex);
	if (passwords.must_stop)
		return NULL;
	check = passwords.first;
	passwords.first = check->next;
	if (passwords.first == NULL)
		passwords.last = &passwords.first;
	passwords.waiting--;
	return check;
}

static void *run(void *context)
{
	struct password_check *check;
	sigset_t signals;

	(void)context;
	sigfillset(&signals);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	setpriority(PRIO_PROCESS, 0, NICE); /* of this thread alone */
	if (!sandbox_enter_worker(passwords.sandbox))
		log_error("auth.basic: the thread that checks passwords has no filter of system calls: %s", strerror(errno));
	pthread_mutex_lock(&passwords.mutex);
	while ((check = wait_for_work()) != NULL) {
		pthread_mutex_unlock(&passwords.mutex);
		answer(check);
		pthread_mutex_lock(&passwords.mutex);
	}
	pthread_mutex_unlock(&passwords.mutex);
	return NULL;
}

bool passwords_start(const struct sandbox *sandbox)
{
	int error = 0;

	if (passwords.is_running)
		return true;
	passwords.sandbox = sandbox;
	passwords.tag_seed = siphash_seed_new();
	passwords.place_seed = siphash_seed_new();
	passwords.last = &passwords.first;
	passwords.must_stop = false;
	pthread_mutex_lock(&passwords.mutex);
	error = pthread_create(&passwords.thread, NULL, run, NULL);
	passwords.is_running = error == 0;
	pthread_mutex_unlock(&passwords.mutex);
	errno = error;
	return passwords.is_running;
}

void passwords_stop(void)
{
	if (!passwords.is_running)
		return;
	pthread_mutex_lock(&passwords.mutex);
	passwords.must_stop = true;
	passwords.is_running = false;
	pthread_cond_signal(&passwords.has_work);
	pthread_mutex_unlock(&passwords.mutex);
	pthread_join(passwords.thread, NULL);
	for (struct password_check *check = passwords.first, *next; check != NULL; check = next) {
		next = check->next;
		free_check(check);
	}
	passwords.first = NULL;
	passwords.waiting = 0;
}
