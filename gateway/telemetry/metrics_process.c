/* Metrics of the process: the workers' counts, and the figures of the process itself. */
#include "gateway/telemetry/metrics_process.h"
#include "gateway/telemetry/metrics_shape.h"

#include <dirent.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct {
	const char *name, *type, *help;
	size_t offset;
} worker_rows[] = {
#define ROW(name_, type_, field_, help_) { name_, type_, help_, offsetof(struct worker_counters, field_) }
	ROW("gateway_requests_received_total", "counter", requests_received, "Requests begun."),
	ROW("gateway_connections_accepted_total", "counter", connections_accepted, "Client connections accepted."),
	ROW("gateway_connections_open", "gauge", connections_open, "Client connections open."),
	ROW("gateway_tunnels_open", "gauge", tunnels_open, "Connections that speak another protocol since a 101."),
	ROW("gateway_accept_pauses_total", "counter", accept_pauses,
	    "Times that a worker paused accepting connections."),
	ROW("gateway_retries_total", "counter", retries, "Retries of requests."),
	ROW("gateway_upstream_connects_total", "counter", upstream_connects, "Connections opened to upstreams."),
	ROW("gateway_upstream_reuses_total", "counter", upstream_reuses, "Requests sent on a connection that was open."),
	ROW("gateway_request_body_bytes_total", "counter", bytes_in, "Bytes of request bodies."),
	ROW("gateway_response_body_bytes_total", "counter", bytes_out, "Bytes of response bodies."),
	ROW("gateway_log_lines_lost_total", "counter", log_lines_lost,
	    "Access log lines lost: the reader was too slow, the disk full or the file deleted."),
#undef ROW
};

static void write_shed(const struct metrics_input *input, FILE *to)
{
	metrics_head(to, "gateway_connections_shed_total", "counter",
	             "Client connections closed or refused for lack of room, by reason.");
	for (size_t i = 0; i < SHED_REASONS; i++) {
		uint64_t sum = 0;

		for (size_t j = 0; j < input->worker_count; j++)
			sum += counter_read(&input->workers[j]->shed[i]);
		fprintf(to, "gateway_connections_shed_total{reason=\"%s\"} %" PRIu64 "\n", shed_reason_name[i], sum);
	}
}

static void write_one(FILE *to, const char *name, const char *type, const char *help, double value)
{
	metrics_head(to, name, type, help);
	fprintf(to, "%s %.3f\n", name, value);
}

static void write_size(FILE *to, const char *name, const char *help, uint64_t value)
{
	metrics_head(to, name, "gauge", help);
	fprintf(to, "%s %" PRIu64 "\n", name, value);
}

static double cpu_seconds(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return 0;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Under Prometheus' own name and under Micrometer's. */
static void write_cpu_time(FILE *to)
{
	double seconds = cpu_seconds();

	write_one(to, "process_cpu_seconds_total", "counter", "CPU time used.", seconds);
	metrics_head(to, "process_cpu_time_ns_total", "counter", "CPU time used, in nanoseconds.");
	fprintf(to, "process_cpu_time_ns_total %.0f\n", seconds * 1e9);
}

static void write_load(FILE *to)
{
	double load;

	if (getloadavg(&load, 1) == 1)
		write_one(to, "system_load_average_1m", "gauge",
		          "Processes of the machine that run or are ready to run, averaged over a minute.", load);
}

static void write_cpu(const struct metrics_input *input, FILE *to)
{
	if (input->cpu == NULL)
		return;
	metrics_cpu_look(input->cpu, input->now_ms);
	write_size(to, "system_cpu_count", "CPUs that the gateway may use.", input->cpu->cpus);
	write_one(to, "process_cpu_usage", "gauge", "Share of the CPUs available to the gateway that it used recently.",
	          input->cpu->process_usage);
	if (input->cpu->before.system_ticks != 0)
		write_one(to, "system_cpu_usage", "gauge", "Share of the machine's CPUs that was recently in use.",
		          input->cpu->system_usage);
}

static void write_memory(FILE *to)
{
	FILE *from = fopen("/proc/self/statm", "re");
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE), pages, resident_pages;

	if (from == NULL)
		return;
	if (fscanf(from, "%" SCNu64 " %" SCNu64, &pages, &resident_pages) == 2) {
		write_size(to, "process_virtual_memory_bytes", "Address space taken.", pages * page_bytes);
		write_size(to, "process_resident_memory_bytes", "Memory taken.", resident_pages * page_bytes);
	}
	fclose(from);
}

/* Under Prometheus' own names and under Micrometer's. */
static void write_files(FILE *to)
{
	DIR *folder = opendir("/proc/self/fd"); /* only root may, where the process may not dump core */
	struct rlimit limit;
	uint64_t open_files = 0;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		write_size(to, "process_max_fds", "Descriptors that may be open.", limit.rlim_cur);
		write_size(to, "process_files_max_files", "Descriptors that may be open.", limit.rlim_cur);
	}
	if (folder == NULL)
		return;
	for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
		open_files += entry->d_name[0] != '.';
	closedir(folder);
	write_size(to, "process_open_fds", "Descriptors that are open.", open_files - 1); /* but for the folder's own */
	write_size(to, "process_files_open_files", "Descriptors that are open.", open_files - 1);
}

/* Requests that have not ended have neither status nor outcome yet, and no figure tells which of them belongs to which
 * route. */
static void write_active(const struct metrics_input *input, FILE *to)
{
	static const char name[] = "http_server_requests_active_seconds";
	static const char labels[] =
		"{exception=\"none\",method=\"UNKNOWN\",outcome=\"UNKNOWN\",status=\"UNKNOWN\",uri=\"UNKNOWN\"}";
	uint64_t count = 0, sum_us = 0, longest_us = 0;

	for (size_t i = 0; i < input->worker_count; i++) {
		uint64_t this_us = counter_read(&input->workers[i]->active_longest_us);

		count += counter_read(&input->workers[i]->active);
		sum_us += counter_read(&input->workers[i]->active_sum_us);
		longest_us = this_us > longest_us ? this_us : longest_us;
	}
	metrics_head(to, name, "summary", "Requests in flight at the scrape before this one.");
	fprintf(to, "%s_count%s %" PRIu64 "\n%s_sum%s %.6f\n", name, labels, count, name, labels, (double)sum_us / 1e6);
	fprintf(to,
	        "# HELP %s_max Longest time of a request in flight at the scrape before this one.\n# TYPE %s_max gauge\n"
	        "%s_max%s %.6f\n",
	        name, name, name, labels, (double)longest_us / 1e6);
}

static void write_times(const struct metrics_input *input, FILE *to)
{
	double took = (double)(input->ready_ms - input->started_ms) / 1e3;

	write_one(to, "gateway_config_time_seconds", "gauge",
	          "Unix time at which the gateway loaded its current configuration.",
	          (double)input->config_wall_ms / 1e3);
	write_one(to, "process_start_time_seconds", "gauge", "Unix time at which the gateway started.",
	          (double)input->started_wall_ms / 1e3);
	write_one(to, "process_uptime_seconds", "gauge", "Time since the gateway started.",
	          (double)(input->now_ms - input->started_ms) / 1e3);
	if (input->ready_ms == 0)
		return;
	write_one(to, "application_started_time_seconds", "gauge", "Time from the start until the gateway could serve.",
	          took);
	write_one(to, "application_ready_time_seconds", "gauge", "Time from the start until the gateway could serve.",
	          took);
}

void metrics_write_process(const struct metrics_input *input, FILE *to)
{
	for (size_t i = 0; i < sizeof worker_rows / sizeof worker_rows[0]; i++) {
		uint64_t sum = 0;

		for (size_t j = 0; j < input->worker_count; j++)
			sum += counter_read((const _Atomic uint64_t *)((const char *)input->workers[j] + worker_rows[i].offset));
		metrics_head(to, worker_rows[i].name, worker_rows[i].type, worker_rows[i].help);
		fprintf(to, "%s %" PRIu64 "\n", worker_rows[i].name, sum);
	}
	write_shed(input, to);
	if (input->names == METRICS_BOOT3)
		write_active(input, to);
	write_size(to, "spring_cloud_gateway_routes_count", "Routes of the configuration in use.", input->configured_routes);
	metrics_head(to, "gateway_workers", "gauge", "Proxying threads.");
	fprintf(to, "gateway_workers %zu\n", input->worker_count);
	metrics_head(to, "gateway_reloads_total", "counter", "Reloads of the configuration, by result.");
	fprintf(to, "gateway_reloads_total{result=\"taken\"} %" PRIu64 "\n", input->reloads);
	fprintf(to, "gateway_reloads_total{result=\"refused\"} %" PRIu64 "\n", input->reload_failures);
	metrics_head(to, "gateway_build_info", "gauge", "The gateway's version.");
	fprintf(to, "gateway_build_info{version=\"%s\"} 1\n", GATEWAY_VERSION);
	write_times(input, to);
	write_cpu_time(to);
	write_cpu(input, to);
	write_load(to);
	write_memory(to);
	write_files(to);
}
