#include "gateway/telemetry/metrics_cpu.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

static double share(double used, double most)
{
	if (most <= 0 || used <= 0)
		return 0;
	return used < most ? used / most : 1;
}

void metrics_cpu_note(struct metrics_cpu *cpu, const struct cpu_times *now)
{
	const struct cpu_times *before = &cpu->before;
	uint64_t span_ms = now->at_ms - before->at_ms, ticks = now->system_ticks - before->system_ticks;

	if (span_ms < METRICS_CPU_LEAST_MS)
		return;
	cpu->process_usage = share((double)(now->process_us - before->process_us), (double)span_ms * 1e3 * cpu->cpus);
	/* The kernel's figure for idle may fall by a little (proc(5)). */
	cpu->system_usage = share((double)ticks - ((double)now->system_idle_ticks - (double)before->system_idle_ticks), (double)ticks);
	cpu->before = *now;
}

/* cpu  user nice system idle iowait irq softirq steal; guests are in user */
static void read_system(struct cpu_times *times)
{
	FILE *from = fopen("/proc/stat", "re");
	uint64_t ticks[8];
	int count = 0;

	if (from == NULL)
		return;
	if (fscanf(from, "cpu") == 0)
		while (count < 8 && fscanf(from, "%" SCNu64, &ticks[count]) == 1)
			times->system_ticks += ticks[count++];
	if (count == 8)
		times->system_idle_ticks = ticks[3] + ticks[4];
	else
		times->system_ticks = 0;
	fclose(from);
}

void metrics_cpu_look(struct metrics_cpu *cpu, uint64_t now_ms)
{
	struct cpu_times now = { .at_ms = now_ms };
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		now.process_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		                 (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	read_system(&now);
	metrics_cpu_note(cpu, &now);
}
