/*
 * Which system calls a thread may still make (seccomp(2)). This is the room of libseccomp, which knows the calls of every
 * architecture by name and turns a list into the kernel's filter program.
 *
 * A filter is built once; then each of its threads installs it, and can never remove it again.
 */
#ifndef GATEWAY_BASE_SYSCALL_FILTER_H
#define GATEWAY_BASE_SYSCALL_FILTER_H

#include <stdbool.h>

struct syscall_filter {
	unsigned short length; /* 0: none could be built */
	struct sock_filter *program;
};

/*
 * For threads that serve clients: they may only do what serving needs. They can't open a file, start a process, make a socket
 * other than TCP, make memory executable, have a descriptor send signals, or set an option that serving does not set. A call
 * that is not listed fails with ENOSYS, as on a kernel that does not have it: libraries know that answer and fall back, so an
 * updated libc that tries something new costs no traffic.
 */
struct syscall_filter syscall_filter_for_serving(void);
/* For the control thread, whose libraries open files and make threads: everything except calls that start a process or reach
 * other processes or the system. */
struct syscall_filter syscall_filter_for_control(void);
/* Both kill the process at calls that no thread of the gateway ever makes: to execute a program, trace or read a process,
 * mount, or load a module, a kernel or BPF. */

/* Installs it for the calling thread and those that it starts. Needs no_new_privs. False: errno; ENOSYS, EINVAL: the kernel
 * has no filters. */
bool syscall_filter_put_on(const struct syscall_filter *filter);
void syscall_filter_free(struct syscall_filter *filter);

#endif
