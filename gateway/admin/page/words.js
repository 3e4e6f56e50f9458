/* Figures, times and states as people read them. */

/* Bounded, and without characters that hide or reorder others. */
export function clean(value, most = 200) {
	if (typeof value !== "string")
		return "";
	const shown = value.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\uFFFD");
	return shown.length > most ? shown.slice(0, most) + "…" : shown;
}

export function number(value, least = 0) {
	return typeof value === "number" && Number.isFinite(value) && value >= least ? value : least;
}

export function span(ms) {
	if (ms < 950)
		return ms < 50 ? "a moment" : `${(ms / 1000).toFixed(1)} s`;
	const seconds = Math.round(ms / 1000);
	if (seconds < 120)
		return `${seconds} s`;
	if (seconds < 7200)
		return `${Math.round(seconds / 60)} min`;
	return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/* An open breaker whose time is over waits for somebody to ask. */
export const trial = (ms) => (ms < 50 ? "with the next request" : `in ${span(ms)}`);

export function took(ms) {
	return ms < 10 ? `${Number(ms.toFixed(1))} ms` : ms < 10000 ? `${Math.round(ms)} ms` : span(ms);
}

export function clock(wallMs, isExact = false) {
	const date = new Date(wallMs), local = new Date(wallMs - date.getTimezoneOffset() * 60000);
	if (Number.isNaN(local.getTime()))
		return "?";
	const [day, time] = local.toISOString().split("T");
	return (date.toDateString() === new Date().toDateString() ? "" : `${day} `) + time.slice(0, isExact ? 12 : 8);
}

export function rate(value) {
	return value === 0 ? "0/s" : value < 10 ? `${value.toFixed(1)}/s` : `${Math.round(value).toLocaleString("en")}/s`;
}

export function share(part, whole) {
	if (whole <= 0)
		return "–";
	const percent = (part * 100) / whole;
	if (percent > 99 && part < whole)
		return `${Math.min(99.9, percent).toFixed(1)} %`;
	return `${percent > 0 && percent < 1 ? Math.max(0.1, percent).toFixed(1) : Math.round(percent)} %`;
}

export function count(value, one, many = one + "s") {
	return `${value.toLocaleString("en")} ${value === 1 ? one : many}`;
}

export function list(names, most = 3) {
	if (names.length > most)
		return `${names.slice(0, most).join(", ")} and ${names.length - most} more`;
	return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/* What a state is called, its shape, and how bad it is. */
const states = (rows) => new Map(Object.entries(rows).map(([state, [word, shape, level]]) => [state, { word, shape, level }]));

const STATES = states({
	closed: ["closed", "✓", "ok"], open: ["open", "✕", "bad"], half_open: ["half-open", "◐", "warn"], forced_open: ["forced open", "⊘", "bad"],
	disabled: ["forced closed", "○", "warn"], metrics_only: ["observing", "◎", "warn"], off: ["no breaker", "○", "ok"],
	silent: ["no word", "?", "gone"], missing: ["not here", "–", "gone"],
});
const REPLICAS = states({
	available: ["ok", "✓", "ok"], failing: ["failing", "▲", "warn"], ejected: ["ejected", "✕", "bad"], unhealthy: ["unhealthy", "✖", "bad"],
	quarantined: ["quarantined", "⊘", "warn"],
});
const UNKNOWN = { word: "unknown", shape: "?", level: "gone" };

export const stateOf = (state) => STATES.get(state) ?? UNKNOWN;
export const replicaOf = (state) => REPLICAS.get(state) ?? UNKNOWN;

const LEVELS = { ok: "✓", warn: "▲", bad: "✕", gone: "?" };
export const levelOf = (level) => ({ level, shape: LEVELS[level] });
