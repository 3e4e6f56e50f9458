/* GET /cluster: upstreams with a cell for each gateway, and what is wrong in words. Other gateways said it: what does not fit is left out. */
import { clean, clock, count, list, number, replicaOf, share, span, stateOf, trial } from "./words.js";

export const TREND_SECONDS = 120;

const array = (value) => (Array.isArray(value) ? value : []);
const record = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});

/* "10 12 9" */
function samples(value) {
	return typeof value === "string" && /^[0-9 ]*$/.test(value) ? value.split(" ").filter(Boolean).map(Number).slice(-TREND_SECONDS) : [];
}

/* These texts and numbers, whatever else is in it. */
function read(from, texts, numbers = "") {
	const all = record(from), out = {};
	for (const name of texts.split(" "))
		out[name] = clean(all[name]);
	for (const name of numbers.split(" "))
		out[name] = number(all[name]);
	return out;
}

const FIGURES = "sinceMs refusesMs emptyMs nextProbeMs calls failures slowCalls minimumCalls failureThreshold slowThreshold slowCallMs inFlight maxInFlight waiting " +
	"maxWaiting streams retriesLeft recentMs clientRequests clientFallbacks clientErrors upstreamTries upstreamFailures";

const readCell = (from) => ({ ...read(from, "state discoveryError", FIGURES), observes: from.observe === true, hasRate: typeof from.failureRate === "number",
	trend: { requests: samples(from.requests), failed: samples(from.failed), refused: samples(from.refused) } });

/* A replica in service is no well one while the breaker refuses for its sake. */
function readReplica(from, isRefused) {
	const cell = read(from, "state lastError", "ejectedForMs sinceMs");
	cell.state ||= isRefused && cell.lastError ? "failing" : "available";
	return { ...cell, level: replicaOf(cell.state).level };
}

/* ---- sums ---- */

const SUMS = { requests: "clientRequests", fallbacks: "clientFallbacks", errors: "clientErrors", tries: "upstreamTries", triesFailed: "upstreamFailures" };

function sum(cells) {
	const trend = { requests: new Array(TREND_SECONDS).fill(0), failed: new Array(TREND_SECONDS).fill(0) }, whole = { trend };
	for (const [to, from] of Object.entries(SUMS))
		whole[to] = cells.reduce((all, cell) => all + (cell[from] * 1000) / (cell.recentMs || 1000), 0);
	for (const cell of cells) {
		for (let i = 0; i < TREND_SECONDS; i++) {
			trend.requests[i] += cell.trend.requests[i];
			trend.failed[i] += cell.trend.failed[i] + cell.trend.refused[i];
		}
	}
	return whole;
}

/* ---- what is wrong, and where ---- */

const RANK = ["ok", "gone", "warn", "bad"];

const NO_REPLICA = "No replica: the service is scaled to 0, or its name is wrong.";
const REFUSING = ["open", "half_open", "forced_open"], LOOSE = ["disabled", "metrics_only"];

const refuses = (cell) => REFUSING.includes(cell?.state) && !cell.observes;
const isIn = (state) => (cell) => cell.state === state;
const names = (cells) => list(cells.map((cell) => cell.name));

/* "on all 3 gateways", "on gateway-2 only, of 3 gateways" */
function places(cells, all) {
	if (all === 1)
		return "";
	return cells.length === all ? ` on ${all === 2 ? "both" : `all ${all}`} gateways` : ` on ${names(cells)} only, of ${all} gateways`;
}

/* Replicas that some gateway, or every one that knows them, finds sick. */
function sickOf(upstream) {
	const sick = upstream.replicas.filter((one) => one.sick > 0);
	return { sick, everywhere: sick.filter((one) => one.sick === one.known), all: upstream.replicas.length };
}

const isSickAt = (replica, index) => replica.cells[index] !== undefined && replica.cells[index].level !== "ok";

const addresses = (replicas) => list(replicas.map((one) => one.address));

const whole = (replicas) => `The service as a whole (${count(replicas, "replica")}), not one node.`;

function whereOf(upstream, shut, cells) {
	const { sick, everywhere, all: replicas } = sickOf(upstream);
	if (shut.length < cells.length)
		return cells.some((cell) => cell.state === "closed" && cell.calls > 2 * cell.failures)
			? "Other gateways are served by it: look at that node and its network, not at the service."
			: "Node or service? The other gateways have too few requests to tell.";
	if (replicas === 0)
		return NO_REPLICA;
	if (everywhere.length === replicas || sick.length === 0)
		return whole(replicas);
	return `${sick.length} of ${count(replicas, "replica")}: ${addresses(sick)}. The others may be well.`;
}

function errorsOf(upstream, level = "ok") {
	const tally = new Map();
	for (const replica of upstream.replicas)
		for (const cell of replica.cells)
			if (cell?.lastError && cell.level !== level)
				tally.set(cell.lastError, (tally.get(cell.lastError) ?? new Set()).add(replica.address));
	return list([...tally].sort((a, b) => b[1].size - a[1].size).map(([error, replicas]) => `${error} (${list([...replicas], 2)})`), 2);
}

/* `shut` of `all` gateways let nothing through. */
function clientsOf({ fallbacks: statuses }, { name, sum: { requests, fallbacks, errors } }, shut, all) {
	const status = statuses.get(name);
	return ["Clients", shut > 0 ? `At once the fallback${status ? ` (${status})` : ""}${shut < all ? "; at the other gateways the upstream's answer" : ""}.`
		: fallbacks + errors > 0 ? `${share(fallbacks, requests)} get the fallback, ${share(errors, requests)} an error, the others an answer.`
			: requests === 0 ? "Nobody asks at the moment." : "All get an answer."];
}

function nextOf(shut) {
	if (shut.some(isIn("half_open")))
		return "right now, with few requests.";
	const waits = shut.filter(isIn("open")).map((cell) => cell.nextProbeMs);
	const first = trial(Math.min(...waits)), last = trial(Math.max(...waits));
	return `${first}${last === first ? "" : ` at the first gateway, ${last} at the last`}.`;
}

const byOperator = (override) => (override ? `${override.reason || "no reason given"} (${override.by || "an operator"}${override.at && ` at ${override.at}`})` : "an operator, at single gateways");

const undone = (override) => (override ? `in ${span(override.leftMs)}, or when it is undone.` : "when it is undone.");

/* The longest of these spans. */
function since(model, spans) {
	const longest = Math.max(0, ...spans);
	return ["Since", longest > 0 ? `${clock(model.wallMs - longest)} (${span(longest)} ago)` : ""];
}

function refusal(model, upstream, shut, cells) {
	const all = cells.length, isForced = shut.every(isIn("forced_open")), isTrial = shut.every(isIn("half_open")), { override } = upstream;
	const event = model.events.find((one) => one.kind === "transition" && one.upstream === upstream.name && /^closed -> open:/.test(one.text));
	const [worst] = shut.toSorted((a, b) => b.failures - a.failures), errors = errorsOf(upstream);
	const [, calls, failed, slow] = (/(\d+) calls?, (\d+) failed, (\d+) slow/.exec(event?.text) ?? [0, worst.calls, worst.failures, worst.slowCalls]).map(Number);
	const why = [shut.some(isIn("forced_open")) && `Forced open: ${byOperator(override)}.`,
		!isForced && `${failed} of ${count(calls, "call")} failed${slow ? `, ${slow} were slow` : ""}; the breaker opens at ${slow > failed ? worst.slowThreshold : worst.failureThreshold} %.`,
		!isForced && errors && `Last errors: ${errors}.`];
	return [isTrial ? "warn" : "bad", `is ${isForced ? "forced open" : isTrial ? "on trial" : "down"}${places(shut, all)}`,
		["Where", isForced ? "" : whereOf(upstream, shut, cells)], since(model, shut.map((cell) => cell.refusesMs || cell.sinceMs)), ["Why", why.filter(Boolean).join(" ")],
		clientsOf(model, upstream, shut.length, all), ["Next try", isForced ? undone(override) : nextOf(shut)]];
}

function replicasOnly(model, upstream, cells) {
	const { sick, everywhere, all } = sickOf(upstream), ill = sick.flatMap((one) => one.cells.filter((cell) => cell.level !== "ok"));
	const blind = cells.filter(({ index }) => all > 1 && upstream.replicas.every((one) => isSickAt(one, index)));
	const back = ill.map((cell) => cell.ejectedForMs).filter(Boolean);
	let where = `${cells.length > 1 ? "All gateways find so: the replica, not a node. " : ""}The other replicas serve on.`;
	let title = `has ${everywhere.length} of ${count(all, "replica")} out: ${addresses(everywhere)}`, level = "warn";
	if (everywhere.length === all) {
		level = "bad";
		where = `${whole(all)} Requests still go to them, as none is better.`;
	} else if (blind.length > 0 && blind.length < cells.length) {
		title = `is not reached from ${names(blind)}`;
		where = "All replicas fail there, and only there: look at that node or its network.";
	} else if (everywhere.length === 0) {
		title = `has ${sick.length} of ${count(all, "replica")} out at some gateways: ${addresses(sick)}`;
		where = `At ${names(cells.filter(({ index }) => sick.some((one) => isSickAt(one, index))))}; the others use it.`;
	}
	return [level, title, ["Where", where], since(model, ill.map((cell) => cell.sinceMs)), ["Why", errorsOf(upstream)], clientsOf(model, upstream),
		["Next try", back.length > 0 ? `in ${span(Math.min(...back))}.` : ill.some(isIn("unhealthy")) ? "with the next health check." : ""]];
}

/* `empty` have no replica to ask. */
function nowhere(model, upstream, empty, cells) {
	const all = cells.length, error = empty.map((cell) => cell.discoveryError).find(Boolean) ?? "no address", kept = errorsOf(upstream);
	const where = empty.length < all ? "Other gateways know its replicas: look at that node's DNS and network." : "";
	return ["bad", `has no replica${where && places(empty, all)}`, ["Where", where], since(model, empty.map((cell) => cell.emptyMs)),
		["Why", kept ? `Every address is refused: ${kept}.` : `${where ? "" : `${NO_REPLICA} `}DNS: ${error}.`],
		clientsOf(model, upstream, empty.length, all), ["Next try", "as soon as DNS names a replica."]];
}

/* No breaker refuses: it is off, observes, or waits for more calls; or there is no room. */
function failing(model, upstream, cells) {
	const { requests, fallbacks, errors, triesFailed, trend } = upstream.sum, bad = fallbacks + errors, why = errorsOf(upstream, "");
	const hit = cells.filter((cell) => cell.clientFallbacks + cell.clientErrors > 0), good = trend.failed.findLastIndex((failed, i) => failed * 20 < trend.requests[i]);
	const first = trend.failed.findIndex((failed, i) => i > good && failed > 0);
	return [bad * 2 < requests ? "warn" : "bad", `fails for ${share(bad, requests)} of clients${places(hit, cells.length)}`,
		first === 0 ? ["Since", "more than two minutes ago"] : since(model, [(TREND_SECONDS - first) * 1000]),
		["Why", triesFailed > 0 ? `The upstream failed${why && `: ${why}`}.` : "The gateway has no room for more at once (bulkhead)."],
		clientsOf(model, upstream), ["Next try", "every request: no breaker refuses."]];
}

/* Level, title, facts. */
function diagnose(model, upstream, cells) {
	const clients = clientsOf(model, upstream);
	const shut = cells.filter(refuses), loose = cells.filter((cell) => LOOSE.includes(cell.state));
	if (cells.length === 0)
		return ["gone", "is told of by no gateway"];
	if (shut.length > 0)
		return refusal(model, upstream, shut, cells);
	const empty = cells.filter((cell) => cell.emptyMs > 0 || upstream.replicas.every((one) => one.cells[cell.index] === undefined));
	if (empty.length > 0)
		return nowhere(model, upstream, empty, cells);
	if (sickOf(upstream).sick.length > 0)
		return replicasOnly(model, upstream, cells);
	if (loose.length > 0)
		return ["warn", `is ${stateOf(loose[0].state).word}${places(loose, cells.length)}`, since(model, loose.map((cell) => cell.sinceMs)),
			["Why", `${byOperator(upstream.override)}.`], clients, ["Over", undone(upstream.override)]];
	const { requests, fallbacks, errors, trend } = upstream.sum;
	if (trend.failed.slice(-3).some(Boolean) && (fallbacks + errors) * 20 >= requests)
		return failing(model, upstream, cells);
	if (cells.some((cell) => cell.hasRate && cell.failures > 0 && cell.failures * 200 >= cell.calls * cell.failureThreshold))
		return ["warn", "comes close to its threshold of failures", clients];
	return ["ok", "is served"];
}

/* ---- all of it ---- */

const SILENT = readCell({ state: "silent" }), MISSING = readCell({ state: "missing" }), WELL = readReplica(0);

function readGateway(from, index) {
	const gateway = read(from, "address instance name version config state error", "second ageMs"), { isSelf, isSilent, isGone, clockMs } = record(from);
	const hasAnswered = gateway.instance !== "";
	return { ...gateway, index, isSelf: isSelf === true, key: `${gateway.address}\0${isSelf}`, name: gateway.name || gateway.address || "this gateway", hasAnswered, note: "",
		isSilent: isSelf !== true && (isSilent === true || isGone === true || !hasAnswered), clockMs: Math.abs(clockMs) > 1000 ? clockMs : 0 };
}

/* In what each differs from most. */
function compare(gateways) {
	const answering = gateways.filter((gateway) => !gateway.isSilent), notes = [];
	for (const what of ["version", "config"]) {
		const tally = new Map();
		for (const gateway of answering)
			tally.set(gateway[what], (tally.get(gateway[what]) ?? 0) + 1);
		const usual = [...tally].sort((a, b) => b[1] - a[1])[0]?.[0], others = answering.filter((gateway) => gateway[what] !== usual);
		const word = what === "config" ? "another configuration" : "another version";
		for (const gateway of others)
			gateway.note += `${gateway.note && ", "}${word} (${gateway[what].slice(0, 12)})`;
		if (others.length > 0)
			notes.push(`${list(others.map((gateway) => gateway.name))} ${others.length > 1 ? "run" : "runs"} ${word}.`);
	}
	return notes;
}

export class Model {
	constructor() {
		Object.assign(this, { gateways: [], upstreams: [], events: [], overrides: [], notes: [], peers: "", wallMs: 0 });
		this.fallbacks = new Map(); /* of an upstream: the statuses of its routes' fallbacks */
		this.histories = new Map(); /* by instance and upstream: two minutes */
	}

	takeRoutes(routes) {
		const statuses = new Map();
		for (const route of array(routes)) {
			const { upstream, fallbackStatus } = record(record(route).metadata);
			if (typeof upstream === "string")
				statuses.set(clean(upstream), (statuses.get(clean(upstream)) ?? new Set()).add(number(fallbackStatus)));
		}
		this.fallbacks = new Map([...statuses].map(([name, all]) => [name, [...all].join(" or ")]));
	}

	/* How many of the trends to ask for. */
	seconds(sinceMs) {
		return this.lacks || sinceMs > 100000 ? TREND_SECONDS : Math.ceil(sinceMs / 1000) + 3;
	}

	/* A trend of which only the newest `asked` seconds may have come. */
	recall(gateway, name, trend, asked) {
		const key = `${gateway.instance}\0${name}`, before = this.histories.get(key), newer = before ? gateway.second - before.second : Infinity;
		const isWhole = asked >= TREND_SECONDS || newer < 0 || newer > asked;
		this.lacks ||= isWhole && asked < TREND_SECONDS;
		const kept = { second: gateway.second };
		for (const what of ["requests", "failed", "refused"]) {
			const more = [...new Array(TREND_SECONDS).fill(0), ...trend[what]];
			kept[what] = isWhole ? more.slice(-TREND_SECONDS) : newer === 0 ? before[what] : [...before[what], ...more.slice(-newer)].slice(-TREND_SECONDS);
		}
		this.now.set(key, kept);
		return kept;
	}

	/* False: it is no answer of /cluster. */
	take(from, asked) {
		const answer = record(from);
		if (!Array.isArray(answer.gateways))
			return false;
		this.lacks = false;
		this.now = new Map();
		this.wallMs = number(answer.wallMs);
		this.peers = clean(answer.peers);
		this.gateways = answer.gateways.map(readGateway);
		for (const gateway of this.gateways.filter((one) => this.gateways.filter((other) => other.name === one.name).length > 1))
			gateway.label = `${gateway.name} ${gateway.address}`; /* hosts of one name */
		for (const gateway of this.gateways)
			gateway.name = gateway.label ?? gateway.name;
		this.notes = compare(this.gateways);
		if (answer.peersError)
			this.notes.push(`${this.peers} can't be looked up: ${clean(answer.peersError)}.`);
		for (const [what, words] of [["peersLeftOut", "gateways are left out: DNS names too many"], ["leftOut", "rows are left out: there are too many"]])
			if (number(answer[what]) > 0)
				this.notes.push(`${number(answer[what])} ${words}.`);
		this.overrides = array(answer.overrides).map((one) => ({ ...read(one, "breaker state reason by at stamp", "leftMs"), results: array(record(one).results).map((result) => clean(result)) }));
		this.events = array(answer.events).map((one) => this.readEvent(record(one))).sort((a, b) => b.wallMs - a.wallMs);
		this.takeUpstreams(array(answer.breakers), array(answer.endpoints), asked);
		this.histories = this.now;
		return true;
	}

	readEvent(from) {
		const event = read(from, "kind upstream text", "number wallMs"), gateway = this.gateways[from.gateway];
		return { ...event, key: `${gateway?.instance}\0${event.number}`, from: gateway?.key, gateway: this.gateways.length > 1 ? gateway?.name ?? "" : "",
			wallMs: event.wallMs - (gateway?.clockMs ?? 0) };
	}

	takeUpstreams(breakers, endpoints, asked) {
		const byName = new Map();
		for (const from of breakers) {
			const name = clean(record(from).name), upstream = { name, cells: new Map(), replicas: [] };
			this.gateways.forEach((gateway, index) => {
				const given = record(from).cells?.[index];
				if (given === null || typeof given !== "object")
					return;
				const cell = readCell(given);
				Object.assign(cell, { index, name: gateway.name });
				cell.trend = this.recall(gateway, name, cell.trend, asked);
				upstream.cells.set(gateway.key, cell);
			});
			byName.set(record(from).name, upstream);
		}
		for (const from of endpoints) {
			const { address, upstream: name, cells } = record(from), upstream = byName.get(name), replica = { address: clean(address), cells: [], known: 0, sick: 0 };
			array(cells).forEach((given, index) => {
				if (given === null || index >= this.gateways.length)
					return;
				const cell = given === 0 ? WELL : readReplica(given, refuses(upstream?.cells.get(this.gateways[index].key)));
				replica.cells[index] = cell;
				replica.known++;
				replica.sick += cell.level !== "ok";
			});
			upstream?.replicas.push(replica);
		}
		this.upstreams = [...byName.values()].sort((a, b) => a.name.localeCompare(b.name));
		for (const upstream of this.upstreams) {
			const cells = [...upstream.cells.values()];
			upstream.sum = sum(cells);
			upstream.override = this.overrides.find((one) => one.breaker === upstream.name && one.leftMs > 0);
			upstream.canUndo = upstream.override !== undefined || cells.some((cell) => ["forced_open", ...LOOSE].includes(cell.state));
			const [level, title, ...facts] = diagnose(this, upstream, cells);
			upstream.verdict = { level, title, facts };
			upstream.rank = RANK.indexOf(level);
		}
	}

	cellOf(upstream, gateway) {
		return upstream.cells.get(gateway.key) ?? (gateway.isSilent ? SILENT : MISSING);
	}

	/* What each gateway says of the override with this stamp, or a newer one. */
	resultsOf(name, stamp) {
		const now = this.overrides.find((one) => one.breaker === name && one.stamp >= stamp);
		return now ? this.gateways.map((gateway, index) => ({ ...gateway, isGood: now.results[index] === "applied",
			words: now.results[index] || (gateway.isSilent ? gateway.error || "does not answer" : "has not said yet") })) : [];
	}
}

/* ---- requests ---- */

const STEPS = [["waited", "attemptUs", "waited"], ["connect", "connectedUs", "connect"], ["sent", "sentUs", "send"], ["first", "firstByteUs", "first byte"], ["rest", "wholeUs", "whole"]];

/* How long each took; the last until the end. */
function stepsOf(from, attempts) {
	const steps = [];
	let before = 0;
	for (const [kind, key, word] of STEPS) {
		if (typeof from[key] !== "number" && kind !== "rest")
			continue;
		const until = number(from[key]) / 1000, isCut = kind === "rest" && typeof from.firstByteUs !== "number";
		steps.push({ kind, word: isCut ? (steps.length ? "until the end" : "nothing sent; over after") : kind === "waited" && attempts > 1 ? "waited and tried before" : word, start: before, ms: Math.max(0, until - before) });
		before = Math.max(before, until);
	}
	return { steps, whole: Math.max(before, 0.001) };
}

export function readRequests(from) {
	return array(record(from).requests).map((one, index) => {
		const request = read(one, "kind requestId method path upstream endpoint outcome reason", "wallMs status attempts");
		return { ...request, id: request.requestId, key: `${request.requestId}\0${request.wallMs}\0${index}`, ...stepsOf(record(one), request.attempts) };
	});
}
