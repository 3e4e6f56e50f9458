/*
 * The order of the lists has no meaning: the program is a binary tree over the numbers. If it allows a call whatever its
 * arguments, as for every call that a request on open connections makes, the kernel (5.11 and later) does not even run it.
 *
 * A call that does many things is allowed only for the uses of serving: fcntl() could have the kernel send signals to other
 * processes of this user (F_SETOWN), setsockopt() can give programs to the kernel (SO_ATTACH_FILTER) and reaches protocols
 * that nothing here speaks, and socket() can make Multipath TCP sockets.
 */
#include "gateway/base/syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The library's macros leave the last field of a comparison out, which clang says at each use. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define ALWAYS { { 0 } }, 0
#define CALL(name) SCMP_SYS(name)
enum { CLONE_THREAD_FLAG = 0x00010000, LISTED_MOST = 4 };

struct rule {
	int call;
	struct scmp_arg_cmp when[LISTED_MOST];
	unsigned when_count;
};

#define WHEN1(a) { a }, 1
#define TCP_OVER(family) \
	{ SCMP_A0(SCMP_CMP_EQ, (family)), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM), SCMP_A2(SCMP_CMP_EQ, IPPROTO_TCP) }, 3
#define OPTION(level, name) { SCMP_A1(SCMP_CMP_EQ, (level)), SCMP_A2(SCMP_CMP_EQ, (name)) }, 2
/* For refusals: the kernel looks at 32 bits, whatever the others hold. */
#define LOW(argument, value) argument(SCMP_CMP_MASKED_EQ, UINT32_MAX, (value))

/* The calls that serving needs: sockets, the loop, pipes of bodies, logs; memory; time; locks; an assertion that fails. */
static const struct rule serving[] = {
	{ CALL(recvfrom), ALWAYS },
	{ CALL(sendto), ALWAYS },
	{ CALL(sendmsg), ALWAYS },
	{ CALL(recvmsg), ALWAYS },
	{ CALL(read), ALWAYS },
	{ CALL(write), ALWAYS },
	{ CALL(writev), ALWAYS },
	{ CALL(splice), ALWAYS },
	{ CALL(accept4), ALWAYS },
	{ CALL(connect), ALWAYS },
	{ CALL(close), ALWAYS },
	{ CALL(shutdown), ALWAYS },
	{ CALL(setsockopt), OPTION(SOL_SOCKET, SO_KEEPALIVE) },
	{ CALL(setsockopt), OPTION(SOL_SOCKET, SO_LINGER) },
	{ CALL(setsockopt), OPTION(IPPROTO_TCP, TCP_NODELAY) },
	{ CALL(setsockopt), OPTION(IPPROTO_TCP, TCP_KEEPIDLE) },
	{ CALL(setsockopt), OPTION(IPPROTO_TCP, TCP_KEEPINTVL) },
	{ CALL(setsockopt), OPTION(IPPROTO_TCP, TCP_KEEPCNT) },
	{ CALL(setsockopt), OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT) },
	{ CALL(setsockopt), OPTION(IPPROTO_IP, IP_MINTTL) },
	{ CALL(setsockopt), OPTION(IPPROTO_IPV6, IPV6_MINHOPCOUNT) },
	{ CALL(getsockopt), OPTION(SOL_SOCKET, SO_ERROR) },
	{ CALL(getsockopt), OPTION(SOL_SOCKET, SO_TYPE) },
	{ CALL(getsockopt), OPTION(IPPROTO_TCP, TCP_INFO) },
	{ CALL(getsockname), ALWAYS },
	{ CALL(socket), TCP_OVER(AF_INET) },
	{ CALL(socket), TCP_OVER(AF_INET6) },
	{ CALL(pipe2), WHEN1(SCMP_A1(SCMP_CMP_EQ, O_NONBLOCK | O_CLOEXEC)) },
	{ CALL(fcntl), WHEN1(SCMP_A1(SCMP_CMP_EQ, F_SETPIPE_SZ)) },
	{ CALL(lseek), ALWAYS },
	{ CALL(fstat), ALWAYS },
	{ CALL(newfstatat), WHEN1(SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH)) }, /* fstat() of newer C libraries */
	{ CALL(epoll_wait), ALWAYS },
	{ CALL(epoll_pwait), ALWAYS },
	{ CALL(epoll_pwait2), ALWAYS },
	{ CALL(epoll_ctl), ALWAYS },
	{ CALL(brk), ALWAYS },
	{ CALL(mmap), WHEN1(SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) },
	{ CALL(mprotect), WHEN1(SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) },
	{ CALL(munmap), ALWAYS },
	{ CALL(mremap), ALWAYS },
	{ CALL(madvise), ALWAYS },
	{ CALL(clock_gettime), ALWAYS },
	{ CALL(gettimeofday), ALWAYS },
	{ CALL(time), ALWAYS },
	{ CALL(nanosleep), ALWAYS },
	{ CALL(clock_nanosleep), ALWAYS },
	{ CALL(getrandom), ALWAYS },
	{ CALL(futex), ALWAYS },
	{ CALL(sched_yield), ALWAYS },
	{ CALL(sched_getaffinity), ALWAYS },
	{ CALL(getcpu), ALWAYS },
	{ CALL(sysinfo), ALWAYS },
	{ CALL(set_robust_list), ALWAYS },
	{ CALL(rseq), ALWAYS },
	{ CALL(membarrier), ALWAYS },
	{ CALL(restart_syscall), ALWAYS },
	{ CALL(rt_sigprocmask), ALWAYS },
	{ CALL(rt_sigaction), ALWAYS },
	{ CALL(rt_sigreturn), ALWAYS },
	{ CALL(sigaltstack), ALWAYS },
	{ CALL(getpid), ALWAYS },
	{ CALL(gettid), ALWAYS },
	{ CALL(exit), ALWAYS },
	{ CALL(exit_group), ALWAYS },
};

/* No honest thread of this program makes them. */
static const int deadly[] = {
	CALL(execve), CALL(execveat), CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(bpf),
	CALL(init_module), CALL(finit_module), CALL(kexec_load), CALL(kexec_file_load), CALL(mount), CALL(pivot_root),
	CALL(open_by_handle_at),
};

/* Neither does any library, but one might check whether it may. */
static const int refused[] = {
	CALL(fork), CALL(vfork), CALL(setns), CALL(unshare), CALL(chroot), CALL(umount2), CALL(move_mount), CALL(open_tree),
	CALL(fsopen), CALL(fsmount), CALL(fsconfig), CALL(fspick), CALL(delete_module), CALL(reboot), CALL(swapon), CALL(swapoff),
	CALL(acct), CALL(quotactl), CALL(settimeofday), CALL(clock_settime), CALL(adjtimex), CALL(clock_adjtime),
	CALL(sethostname), CALL(setdomainname), CALL(iopl), CALL(ioperm), CALL(personality), CALL(perf_event_open),
	CALL(userfaultfd), CALL(io_uring_setup), CALL(io_uring_enter), CALL(io_uring_register), CALL(memfd_create),
	CALL(pidfd_open), CALL(pidfd_getfd), CALL(pidfd_send_signal), CALL(kcmp), CALL(add_key), CALL(request_key), CALL(keyctl),
	CALL(setuid), CALL(setgid), CALL(setreuid), CALL(setregid), CALL(setresuid), CALL(setresgid), CALL(setgroups),
	CALL(setfsuid), CALL(setfsgid), CALL(capset), CALL(fanotify_init), CALL(name_to_handle_at), CALL(syslog), CALL(mknod),
	CALL(mknodat), CALL(migrate_pages), CALL(move_pages), CALL(lookup_dcookie), CALL(vhangup), CALL(kill), CALL(tkill),
	CALL(rt_sigqueueinfo), CALL(rt_tgsigqueueinfo),
};

/* The uses of these calls that no library needs: signals to other processes, programs for the kernel, Multipath TCP. */
static const struct rule refused_uses[] = {
	{ CALL(fcntl), WHEN1(LOW(SCMP_A1, F_SETOWN)) },
	{ CALL(fcntl), WHEN1(LOW(SCMP_A1, F_SETOWN_EX)) },
	{ CALL(fcntl), WHEN1(LOW(SCMP_A1, F_SETSIG)) },
	{ CALL(ioctl), WHEN1(LOW(SCMP_A1, FIOSETOWN)) },
	{ CALL(ioctl), WHEN1(LOW(SCMP_A1, SIOCSPGRP)) },
	{ CALL(setsockopt), { LOW(SCMP_A1, SOL_SOCKET), LOW(SCMP_A2, SO_ATTACH_FILTER) }, 2 },
	{ CALL(setsockopt), { LOW(SCMP_A1, SOL_SOCKET), LOW(SCMP_A2, SO_ATTACH_BPF) }, 2 },
	{ CALL(setsockopt), { LOW(SCMP_A1, SOL_SOCKET), LOW(SCMP_A2, SO_ATTACH_REUSEPORT_CBPF) }, 2 },
	{ CALL(setsockopt), { LOW(SCMP_A1, SOL_SOCKET), LOW(SCMP_A2, SO_ATTACH_REUSEPORT_EBPF) }, 2 },
	{ CALL(socket), WHEN1(LOW(SCMP_A2, IPPROTO_MPTCP)) },
};

/* ---- building ------------------------------------------------------------------------------------------------- */

/* A call that the architecture does not have needs no rule. */
static bool add(scmp_filter_ctx context, uint32_t action, int call, unsigned when_count, const struct scmp_arg_cmp *when)
{
	int failed = call < 0 ? 0 : seccomp_rule_add_array(context, action, call, when_count, when);

	return failed == 0 || failed == -EDOM;
}

static bool add_deadly(scmp_filter_ctx context)
{
	bool is_added = true;

	for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
		is_added = is_added && add(context, SCMP_ACT_KILL_PROCESS, deadly[i], 0, NULL);
	return is_added;
}

static bool add_serving(scmp_filter_ctx context)
{
	struct scmp_arg_cmp own_process[] = { SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()) };
	bool is_added = true;

	for (size_t i = 0; i < sizeof serving / sizeof serving[0]; i++)
		is_added = is_added && add(context, SCMP_ACT_ALLOW, serving[i].call, serving[i].when_count, serving[i].when);
	return is_added && add(context, SCMP_ACT_ALLOW, CALL(tgkill), 1, own_process); /* abort() */
}

static bool add_refused(scmp_filter_ctx context)
{
	static const struct scmp_arg_cmp no_thread[] = { SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD_FLAG, 0) },
	                                 write_and_run[] = { SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC,
	                                                             PROT_WRITE | PROT_EXEC) };
	struct scmp_arg_cmp another_process[] = { SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid()) };
	const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
	bool is_added = add(context, refuse, CALL(tgkill), 1, another_process);

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		is_added = is_added && add(context, refuse, refused[i], 0, NULL);
	for (size_t i = 0; i < sizeof refused_uses / sizeof refused_uses[0]; i++)
		is_added = is_added &&
		           add(context, refuse, refused_uses[i].call, refused_uses[i].when_count, refused_uses[i].when);
	/* clone3()'s flags stand in memory, where no filter can look: libraries then use clone(), whose flags it sees. */
	return is_added && add(context, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0, NULL) &&
	       add(context, refuse, CALL(clone), 1, no_thread) && add(context, refuse, CALL(mmap), 1, write_and_run) &&
	       add(context, refuse, CALL(mprotect), 1, write_and_run);
}

/* The program in the kernel's form: libseccomp writes it only to a file. */
static struct syscall_filter export(scmp_filter_ctx context)
{
	struct syscall_filter filter = { .length = 0 };
	int fd = memfd_create("filter", MFD_CLOEXEC);
	off_t size = fd >= 0 && seccomp_export_bpf(context, fd) == 0 ? lseek(fd, 0, SEEK_END) : 0;

	if (size > 0 && (filter.program = malloc((size_t)size)) != NULL && pread(fd, filter.program, (size_t)size, 0) == size)
		filter.length = (unsigned short)((size_t)size / sizeof *filter.program);
	if (fd >= 0)
		close(fd);
	return filter;
}

static struct syscall_filter build(uint32_t otherwise, bool (*add_own)(scmp_filter_ctx context))
{
	scmp_filter_ctx context = seccomp_init(otherwise);
	struct syscall_filter filter = { .length = 0 };

	if (context == NULL)
		return filter;
	seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* the binary tree */
	if (add_deadly(context) && add_own(context))
		filter = export(context);
	seccomp_release(context);
	return filter;
}

struct syscall_filter syscall_filter_for_serving(void)
{
	return build(SCMP_ACT_ERRNO(ENOSYS), add_serving);
}

struct syscall_filter syscall_filter_for_control(void)
{
	return build(SCMP_ACT_ALLOW, add_refused);
}

bool syscall_filter_put_on(const struct syscall_filter *filter)
{
	struct sock_fprog program = { .len = filter->length, .filter = filter->program };

	/* LOG: the kernel logs refusals. SPEC_ALLOW: kernels before 5.16 would otherwise slow the thread down against Spectre
	 * v4, which concerns programs that run foreign code. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0)
		return true;
	/* Kernels before 4.14 and 4.17 lack one or both. */
	return errno == EINVAL && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

void syscall_filter_free(struct syscall_filter *filter)
{
	free(filter->program);
	*filter = (struct syscall_filter){ .length = 0 };
}
