/*
 * CPU as Micrometer's gauges have it: shares of the available CPUs, between one reading and the next. As with the JVM, each
 * reading begins a new span for all readers; but no span is shorter than a second, so that two scrapers at the same time see
 * the same.
 */
#ifndef GATEWAY_TELEMETRY_METRICS_CPU_H
#define GATEWAY_TELEMETRY_METRICS_CPU_H

#include <stdint.h>

enum { METRICS_CPU_LEAST_MS = 1000 };

/* Since the start, and since the machine's. */
struct cpu_times {
	uint64_t at_ms, process_us;
	uint64_t system_ticks, system_idle_ticks; /* of all CPUs; 0: not known */
};

/* One thread's. Zero-initialised but for `cpus` and before.at_ms, the start. */
struct metrics_cpu {
	unsigned cpus; /* that the process may use */
	struct cpu_times before;
	double process_usage, system_usage; /* 0 to 1 */
};

void metrics_cpu_note(struct metrics_cpu *cpu, const struct cpu_times *now);
/* Reads and notes. */
void metrics_cpu_look(struct metrics_cpu *cpu, uint64_t now_ms);

#endif
