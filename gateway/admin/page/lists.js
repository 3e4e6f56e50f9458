/* Gateways, problems, the timeline, requests. */
import { attribute, el, hide, keyed, mark, setMark, text } from "./dom.js";
import { clock, count, levelOf, span, took } from "./words.js";

/* ---- gateways ---- */

export function showGateways(parent, { gateways }) {
	keyed(parent, gateways, ({ key }) => key, () => {
		const made = mark("", "li"), name = el("b");
		made.word.before(name, " ");
		return { ...made, name };
	}, (made, gateway) => {
		const level = gateway.isSilent ? "bad" : gateway.note || gateway.state !== "serving" ? "warn" : "ok";
		const silence = gateway.hasAnswered ? `silent for ${span(gateway.ageMs)}` : "has never answered";
		text(made.name, gateway.name);
		setMark(made, levelOf(level), [gateway.isSelf ? "shows this page" : gateway.address, gateway.isSilent ? silence : gateway.state !== "serving" && gateway.state,
			gateway.error, gateway.note].filter(Boolean).join(", "));
	});
}

export function stripWords(model) {
	const answering = model.gateways.filter((gateway) => !gateway.isSilent).length;
	const whole = model.gateways.length === 1 && !model.peers ? "One gateway; cluster.peers names no others." : `${answering} of ${count(model.gateways.length, "gateway answers", "gateways answer")}.`;
	return [whole, ...model.notes].join(" ");
}

export function showProblems(parent, model, open) {
	const wrong = model.upstreams.filter((upstream) => upstream.verdict.level !== "ok").sort((a, b) => b.rank - a.rank);
	keyed(parent, wrong, ({ name }) => name, (upstream) => {
		const made = mark("", "li");
		made.word.before(el("a", { href: "#upstreams", on: { click: (event) => { event.preventDefault(); open(upstream.name); } } }, upstream.name), " ");
		return made;
	}, (made, upstream) => {
		const { level, title, facts } = upstream.verdict, words = new Map(facts), since = words.get("Since"), next = words.get("Next try");
		setMark(made, levelOf(level), `${title}${since ? ` since ${since}` : ""}.${next ? ` Next try: ${next}` : ""}`);
	});
	return wrong;
}

/* ---- timeline ---- */

const KINDS = new Map([["transition", "breaker"], ["ejection", "replica"], ["dns", "DNS"], ["peer", "gateway"]]);

/* Of the trials of an open breaker, one after the other, the last. */
function fold(events) {
	const trials = new Set();
	return events.filter((event) => {
		if (event.kind !== "transition")
			return true;
		const breaker = `${event.from}\0${event.upstream}`, isTrial = /\b(half_)?open -> (half_)?open/.test(event.text), isNew = !isTrial || !trials.has(breaker);
		trials[isTrial ? "add" : "delete"](breaker);
		return isNew;
	});
}

export function showEvents(parent, events, most) {
	keyed(parent, fold(events).slice(0, most), ({ key }) => key, () => {
		const time = el("time"), kind = el("span", { class: "kind" }), where = el("b"), words = el("span");
		return { root: el("li", {}, time, " ", kind, " ", where, " ", words), time, kind, where, words };
	}, (made, event) => {
		text(made.time, clock(event.wallMs));
		text(made.kind, KINDS.get(event.kind) ?? event.kind);
		text(made.where, [event.gateway, event.upstream].filter(Boolean).join(" › "));
		text(made.words, event.text.replaceAll("->", "→"));
	});
}

/* ---- requests ---- */

/* Each a bar as long as it took, and a word below. */
function showSteps(made, { steps, whole }) {
	keyed(made.bars, steps, ({ kind }) => kind, ({ kind }) => ({ root: el("span", { class: `step ${kind}` }) }), ({ root }, { start, ms }) => {
		root.style.setProperty("left", `${((start * 100) / whole).toFixed(2)}%`);
		root.style.setProperty("width", `${((ms * 100) / whole).toFixed(2)}%`);
	});
	hide(made.bars, steps.length < 2);
	text(made.steps, steps.map(({ word, ms }) => `${word} ${took(ms)}`).join(", "));
}

function makeRequest() {
	const made = { time: el("time"), what: el("b"), result: el("span", { class: "result" }), why: el("span"), id: el("a"),
		bars: el("span", { class: "bars", "aria-hidden": "true" }), steps: el("span", { class: "steps" }) };
	made.root = el("li", {}, made.time, " ", made.what, " ", made.result, el("div", {}, made.why, " ", made.id), made.bars, made.steps);
	return made;
}

export function showRequests(parent, requests) {
	keyed(parent, requests, ({ key }) => key, makeRequest, (made, request) => {
		text(made.time, clock(request.wallMs, true));
		text(made.what, `${request.method} ${request.path}`);
		text(made.result, `${request.status || "no answer"}, ${request.outcome.replaceAll("_", " ")}`);
		text(made.why, [request.upstream, request.endpoint, request.reason, request.attempts > 1 ? count(request.attempts, "try", "tries") : ""].filter(Boolean).join(" › "));
		text(made.id, request.id);
		attribute(made.id, "href", `#request=${encodeURIComponent(request.id)}`);
		showSteps(made, request);
	});
}

