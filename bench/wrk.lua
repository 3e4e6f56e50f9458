-- What wrk found, as one line of JSON; with an argument it sends POSTs with a body of so many bytes.
function init(arguments)
	if arguments[1] then
		wrk.method = "POST"
		wrk.body = string.rep("x", tonumber(arguments[1]))
		wrk.headers["Content-Type"] = "application/octet-stream"
	end
end

function done(summary, latency)
	local errors = summary.errors
	io.write(string.format('{"requests": %d, "errors": %d, "refused": %d, "seconds": %.6f, "p50": %.4f, "p99": %.4f, "p999": %.4f, "max": %.4f}\n',
		summary.requests, errors.connect + errors.read + errors.write + errors.timeout, errors.status, summary.duration / 1e6,
		latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3, latency.max / 1e3))
end
