/*
 * What a thread can't do any more once it has put a filter on, and that it still can what it must; the same for files. Each case
 * runs in a child: a filter is never taken off. The filters are those that the gateway's own threads put on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/syscall_filter.h"
#include "gateway/base/landlock.h"
#include "tests/unit/remove_folder.h"

enum { NO_FILTER = 77 };

/* How a child ends that puts the filter on and then does `what`: its exit status, or minus the signal. */
static int end_of(struct syscall_filter (*filter_for)(void), int (*what)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		struct syscall_filter filter = filter_for();

		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		_exit(filter.length != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall_filter_put_on(&filter) ? what()
		                                                                                                          : NO_FILTER);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* 0, or errno. */
static int result_of(long returned)
{
	return returned < 0 ? errno : 0;
}

static int open_a_file(void)
{
	return result_of(open("/etc/passwd", O_RDONLY));
}

static int make_a_file(void)
{
	return result_of(syscall(SYS_openat, AT_FDCWD, "/tmp/gateway-test-filter", O_WRONLY | O_CREAT, 0600));
}

static int look_at_a_file(void)
{
	struct stat about;

	return result_of(stat("/etc/passwd", &about));
}

static int execute(void)
{
	char name[] = "true", *arguments[] = { name, NULL };

	return result_of(execve("/bin/true", arguments, NULL));
}

static int execute_by_descriptor(void)
{
	char name[] = "true", *arguments[] = { name, NULL };

	return result_of(syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, NULL, 0));
}

static int trace(void)
{
	return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int start_a_process(void)
{
	long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (child == 0)
		_exit(0);
	return result_of(child);
}

static int open_a_unix_socket(void)
{
	return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int open_a_udp_socket(void)
{
	return result_of(socket(AF_INET, SOCK_DGRAM, 0));
}

static int listen_somewhere(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

	return fd < 0 ? 100 : result_of(bind(fd, (struct sockaddr *)&any, sizeof any));
}

static int open_a_multipath_socket(void)
{
	return result_of(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
}

static int give_a_socket_a_program(void)
{
	struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	struct sock_fprog program = { .len = 1, .filter = &pass };
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

	return fd < 0 ? 100 : result_of(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

static int ask_for_a_sockets_program(void)
{
	struct sock_filter filter[8];
	socklen_t size = sizeof filter;
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

	return fd < 0 ? 100 : result_of(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, filter, &size));
}

/* A descriptor's signals go to its owner, which may be any process of this user. The kernel looks at 32 bits of the command. */
static int own_by_another(void)
{
	int first = result_of(fcntl(STDERR_FILENO, F_SETOWN, getppid()));
	int second = result_of(syscall(SYS_fcntl, (long)STDERR_FILENO, (long)F_SETOWN | 1L << 32, (long)getppid()));
	int third = result_of(ioctl(STDERR_FILENO, FIOSETOWN, &(int){ getppid() }));

	return first == second && second == third ? first : 100;
}

static int choose_a_signal(void)
{
	return result_of(fcntl(STDERR_FILENO, F_SETSIG, SIGKILL));
}

static int make_memory_executable(void)
{
	return result_of((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static int make_memory_executable_later(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? 100 : result_of(mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
}

static int end_another(void)
{
	return result_of(kill(getppid(), SIGTERM));
}

static int fail_an_assertion(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* A request's life in calls. */
static int serve(void)
{
	int sockets[2], pipes[2], loop = epoll_create1(0);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	struct linger linger = { .l_onoff = 1 };
	char bytes[16];
	void *memory;

	if (loop >= 0) /* the loop is made before */
		return 101;
	if (fd < 0 || pipe2(pipes, O_NONBLOCK | O_CLOEXEC) != 0 || fcntl(pipes[1], F_SETPIPE_SZ, 65536) < 0)
		return 102;
	sockets[0] = pipes[1], sockets[1] = pipes[0];
	if (write(sockets[0], "hello", 5) != 5 || read(sockets[1], bytes, sizeof bytes) != 5)
		return 103;
	memory = malloc(8 << 20);
	if (memory == NULL)
		return 104;
	memory = realloc(memory, 16 << 20);
	free(memory);
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &linger.l_onoff, sizeof linger.l_onoff) != 0)
		return 106;
	return close(fd) == 0 && time(NULL) > 0 ? 0 : 105;
}

static void *thread(void *context)
{
	return context;
}

static int start_a_thread(void)
{
	pthread_t started;
	int failed = pthread_create(&started, NULL, thread, NULL);

	return failed != 0 ? failed : pthread_join(started, NULL);
}

static void a_worker_opens_nothing_and_starts_nothing(void **state)
{
	(void)state;
	assert_int_equal(end_of(syscall_filter_for_serving, serve), 0);
	assert_int_equal(end_of(syscall_filter_for_serving, open_a_file), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, look_at_a_file), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, make_a_file), ENOSYS);
	assert_int_equal(access("/tmp/gateway-test-filter", F_OK), -1);
	assert_int_equal(end_of(syscall_filter_for_serving, start_a_process), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, open_a_unix_socket), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, open_a_udp_socket), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, listen_somewhere), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, make_memory_executable), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, make_memory_executable_later), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, end_another), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, open_a_multipath_socket), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, give_a_socket_a_program), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, ask_for_a_sockets_program), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, own_by_another), ENOSYS);
	assert_int_equal(end_of(syscall_filter_for_serving, choose_a_signal), ENOSYS);
}

static void a_thread_that_executes_or_traces_ends_the_process(void **state)
{
	struct syscall_filter (*const filters[])(void) = { syscall_filter_for_serving, syscall_filter_for_control };

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(end_of(filters[i], execute), -SIGSYS);
		assert_int_equal(end_of(filters[i], execute_by_descriptor), -SIGSYS);
		assert_int_equal(end_of(filters[i], trace), -SIGSYS);
	}
}

static void a_failed_assertion_still_ends_as_one(void **state)
{
	(void)state;
	assert_int_equal(end_of(syscall_filter_for_serving, fail_an_assertion), -SIGABRT);
}

static void the_control_thread_opens_and_starts_threads(void **state)
{
	(void)state;
	assert_int_equal(end_of(syscall_filter_for_control, open_a_file), 0);
	assert_int_equal(end_of(syscall_filter_for_control, open_a_udp_socket), 0);
	assert_int_equal(end_of(syscall_filter_for_control, open_a_unix_socket), 0);
	assert_int_equal(end_of(syscall_filter_for_control, start_a_thread), 0);
	assert_int_equal(end_of(syscall_filter_for_control, start_a_process), EPERM);
	assert_int_equal(end_of(syscall_filter_for_control, make_memory_executable), EPERM);
	assert_int_equal(end_of(syscall_filter_for_control, make_memory_executable_later), EPERM);
	assert_int_equal(end_of(syscall_filter_for_control, end_another), EPERM);
	assert_int_equal(end_of(syscall_filter_for_control, open_a_multipath_socket), EPERM);
	assert_int_equal(end_of(syscall_filter_for_control, give_a_socket_a_program), EPERM);
	assert_int_equal(end_of(syscall_filter_for_control, own_by_another), EPERM);
	assert_int_equal(end_of(syscall_filter_for_control, choose_a_signal), EPERM);
	assert_int_equal(end_of(syscall_filter_for_control, fail_an_assertion), -SIGABRT);
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/gateway-landlock-XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static int open_as(const char *name, int flags)
{
	int fd = open(in_folder(name), flags, 0600);

	if (fd >= 0)
		close(fd);
	return result_of(fd);
}

static int look_at_files(int abi)
{
	if (open_as("read/file", O_RDONLY) != 0)
		return 1;
	if (open_as("read/file", O_WRONLY) != EACCES || open_as("read/new", O_WRONLY | O_CREAT) != EACCES)
		return 2;
	if (open_as("write/new", O_WRONLY | O_CREAT) != 0)
		return 3;
	if (open_as("write/file", O_RDONLY) != EACCES || unlink(in_folder("write/file")) == 0)
		return 4;
	if (open_as("other/file", O_RDONLY) != EACCES || open_as("other/file", O_WRONLY) != EACCES)
		return 5;
	if (abi >= 4 && listen_somewhere() != EACCES)
		return 6;
	execute();
	return errno == EACCES ? 0 : 7;
}

static void only_what_was_allowed_is_opened(void **state)
{
	struct landlock landlock = landlock_begin();
	pid_t child;
	int status;

	(void)state;
	if (landlock.abi == 0)
		skip();
	child = fork();
	if (child == 0) {
		landlock_allow_reading(&landlock, in_folder("read"));
		landlock_allow_writing(&landlock, in_folder("write"));
		landlock_allow_writing(&landlock, in_folder("missing"));
		_exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && landlock_enforce(&landlock) ? look_at_files(landlock.abi) : NO_FILTER);
	}
	close(landlock.ruleset);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int make_folders(void **state)
{
	static const char *const names[] = { "read", "write", "other" };

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	for (int i = 0; i < 3; i++) {
		char name[32];

		snprintf(name, sizeof name, "%s/file", names[i]);
		if (mkdir(in_folder(names[i]), 0700) != 0 || open_as(name, O_WRONLY | O_CREAT) != 0)
			return -1;
	}
	return 0;
}

static int remove_folders(void **state)
{
	(void)state;
	return remove_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_opens_nothing_and_starts_nothing),
		cmocka_unit_test(a_thread_that_executes_or_traces_ends_the_process),
		cmocka_unit_test(a_failed_assertion_still_ends_as_one),
		cmocka_unit_test(the_control_thread_opens_and_starts_threads),
		cmocka_unit_test(only_what_was_allowed_is_opened),
	};

	return cmocka_run_group_tests_name("filter", tests, make_folders, remove_folders);
}
