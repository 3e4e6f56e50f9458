/*
 * The rights that the process gives up once it is ready to serve, so that an attacker who takes it over finds little to use.
 *
 *   all of it     no new privileges, no core dump and no debugger of the same user, no file but what a reload needs (Landlock)
 *   workers       only the system calls that serving takes: no file, no process, no socket but TCP
 *   control       no program is started, no other process reached
 *
 * `sandbox: off` leaves all of that out, for debuggers. Parts that the kernel does not support are missing, too; one
 * line in the log says what is in force.
 */
#ifndef GATEWAY_CONTROL_SANDBOX_H
#define GATEWAY_CONTROL_SANDBOX_H

#include "gateway/base/syscall_filter.h"
#include "routes/config/config.h"

struct sandbox {
	struct syscall_filter serving; /* length 0: workers install none */
	int landlock_abi;      /* 0: not in force */
	int landlock_error, privileges_error, core_error; /* errno where the kernel refused; 0: in force */
};

/* The control thread, when everything is open that will ever listen, before it starts a worker. */
void sandbox_begin(struct sandbox *sandbox, const struct config *config);
/* For each worker, before its first client. False: errno. */
bool sandbox_enter_worker(const struct sandbox *sandbox);
/* The control thread, after it has started the workers. Says in the log what is on. */
void sandbox_enter_control(struct sandbox *sandbox, const struct config *config);
void sandbox_end(struct sandbox *sandbox);

#endif
