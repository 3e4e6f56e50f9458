/*
 * What the gateway's own filter says of system calls, on the machine this is compiled for: calls serving|control NAME...
 *
 * Nothing is put on: the program is read as the kernel would run it, with this machine's numbers and any arguments. So it can be
 * asked under an emulator, which has no filters. Exit status 1 if a call that is named is refused whatever its arguments are.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/syscall_filter.h"

/* The accumulator: the number of the call, the machine, or a part of an argument, which may be anything. */
struct value {
	bool is_known;
	uint32_t bits;
};

static struct value load(uint32_t offset, int call)
{
	if (offset == offsetof(struct seccomp_data, nr))
		return (struct value){ true, (uint32_t)call };
	if (offset == offsetof(struct seccomp_data, arch))
		return (struct value){ true, seccomp_arch_native() };
	return (struct value){ .is_known = false };
}

static bool holds(uint16_t code, uint32_t bits, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ: return bits == k;
	case BPF_JGT: return bits > k;
	case BPF_JGE: return bits >= k;
	default: return (bits & k) != 0; /* BPF_JSET */
	}
}

/* Whether some arguments lead from here to "allowed". */
static bool may_pass(const struct syscall_filter *filter, size_t at, struct value value, int call)
{
	for (; at < filter->length; at++) {
		const struct sock_filter *step = &filter->program[at];

		switch (BPF_CLASS(step->code)) {
		case BPF_LD:
			value = load(step->k, call);
			break;
		case BPF_ALU: /* only BPF_AND is made */
			value.bits &= step->k;
			break;
		case BPF_RET:
			return (step->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW;
		case BPF_JMP:
			if (BPF_OP(step->code) == BPF_JA)
				at += step->k;
			else if (value.is_known)
				at += holds(step->code, value.bits, step->k) ? step->jt : step->jf;
			else
				return may_pass(filter, at + 1 + step->jt, value, call) || may_pass(filter, at + 1 + step->jf, value, call);
			break;
		default:
			fprintf(stderr, "calls: instruction %#x is not known\n", step->code);
			return false;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	struct syscall_filter filter;
	int status = 0;

	seccomp_api_set(6); /* what it may make; it would ask the kernel, and an emulator has no answer */
	filter = argc > 1 && strcmp(argv[1], "control") == 0 ? syscall_filter_for_control() : syscall_filter_for_serving();
	if (filter.length == 0) {
		fputs("calls: no filter could be made\n", stderr);
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		int call = seccomp_syscall_resolve_name(argv[i]);

		if (call >= 0 && may_pass(&filter, 0, (struct value){ .is_known = false }, call))
			continue;
		printf("%s: %s\n", argv[i], call < 0 ? "this machine does not have it" : "refused");
		status = 1;
	}
	syscall_filter_free(&filter);
	return status;
}
