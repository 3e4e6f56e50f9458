/* Asks the gateway once a second, shows what it says, and how old that is. */
import { attribute, hide, text } from "./dom.js";
import { count, rate, span } from "./words.js";
import { Model, readRequests } from "./model.js";
import { showCards } from "./cards.js";
import { showEvents, showGateways, showProblems, showRequests, stripWords } from "./lists.js";
import { Override } from "./override.js";

const EVERY_MS = 1000, HIDDEN_MS = 5000, LIMIT_MS = 2500, OLD_MS = 3000, FALLBACKS_MS = 60000, EVENTS_SHOWN = 60, REQUESTS_SHOWN = 40;

const byId = (id) => document.getElementById(id);

const page = {
	model: new Model(),
	requests: [],
	heardAt: null, /* when the last answer came */
	error: "",
	timer: 0,
	isAsking: false,
	poll,
	seek(words) {
		byId("seek").value = words;
		showAsked();
		byId("requests").scrollIntoView();
		byId("seek").focus();
	},
	change(name, wish) {
		override.open(name, wish);
	},
};
const override = new Override(page);

/* ---- asking ---- */

/* The gateway's; any other error is this page's own. */
class Silence extends Error {}

async function ask(path) {
	let answer;
	try {
		answer = await fetch(path, { cache: "no-store", credentials: "omit", redirect: "error", signal: AbortSignal.timeout(LIMIT_MS) });
		if (answer.ok)
			return await answer.json();
	} catch (error) {
		throw new Silence(error.name === "TimeoutError" ? "it does not answer" : answer ? "its answer can't be understood" : "it can't be reached");
	}
	throw new Silence(`it answers with status ${answer.status}`);
}

async function askFallbacks() {
	if (performance.now() - (page.fallbacksAt ?? -FALLBACKS_MS) < FALLBACKS_MS)
		return;
	page.fallbacksAt = performance.now();
	page.model.takeRoutes(await ask("/actuator/gateway/routes"));
}

async function poll() {
	if (page.isAsking)
		return;
	page.isAsking = true;
	clearTimeout(page.timer);
	const began = performance.now();
	try {
		await askFallbacks();
		const seconds = page.model.seconds(page.heardAt === null ? Infinity : began - page.heardAt);
		const [cluster, requests] = await Promise.all([ask(`/cluster?seconds=${seconds}`), ask("/requests").catch(() => null)]);
		performance.mark("turn");
		if (!page.model.take(cluster, seconds))
			throw new Silence("its answer can't be understood");
		page.requests = readRequests(requests);
		page.heardAt = performance.now();
		page.error = "";
		show();
		performance.measure("turn", "turn");
		performance.clearMeasures();
	} catch (error) {
		page.error = error.message;
		if (!(error instanceof Silence))
			reportError(error);
	}
	page.isAsking = false;
	showLink();
	const every = document.hidden ? HIDDEN_MS : EVERY_MS;
	page.timer = setTimeout(poll, Math.max(every / 4, every - (performance.now() - began)));
}

/* ---- showing ---- */

function showLink() {
	const age = page.heardAt === null ? null : performance.now() - page.heardAt;
	const isLost = page.error !== "" || (age !== null && age > OLD_MS);
	document.body.classList.toggle("stale", isLost);
	attribute(byId("link"), "data-level", isLost ? "bad" : age === null ? "gone" : "ok");
	text(byId("link"), isLost ? "✕ connection lost" : age === null ? "Asking the gateway ..." : "✓ live");
	hide(byId("lost"), !isLost);
	if (isLost)
		text(byId("lost"), `No word from the gateway that serves this page: ${page.error || "it does not answer"}. ` +
			(age === null ? "Nothing is known yet." : `What you see is ${span(Math.floor(age / 1000) * 1000 || age)} old.`) + " Trying again every second.");
}

const fits = (words, ...texts) => texts.some((one) => one.toLowerCase().includes(words));

function showAsked() {
	const words = byId("seek").value.trim().toLowerCase();
	let refused = 0; /* of a storm the last ten */
	const fitting = page.requests.filter((one) => fits(words, one.id, one.path, one.upstream, one.outcome) && (one.kind !== "refused" || refused++ < 10));
	showRequests(byId("asked"), fitting.slice(0, REQUESTS_SHOWN));
	text(byId("requests-note"), fitting.length === 0 ? "None at this gateway." : `The last ${Math.min(REQUESTS_SHOWN, fitting.length)} of ${fitting.length} at this gateway.`);
}

function showUpstreams() {
	const words = byId("filter").value.trim().toLowerCase(), only = byId("only").checked;
	const fitting = page.model.upstreams.filter((upstream) => fits(words, upstream.name) && (!only || upstream.verdict.level !== "ok"));
	page.cards = showCards(byId("cards"), fitting, page);
	hide(byId("none"), fitting.length > 0);
}

function openCard(name) {
	byId("filter").value = "";
	byId("only").checked = false;
	showUpstreams();
	const card = page.cards.get(name);
	card?.root.scrollIntoView({ block: "start" });
	card?.toggle.focus({ preventScroll: true });
}

function show() {
	const { model } = page;
	const wrong = showProblems(byId("problems"), model, openCard);
	const down = wrong.filter((upstream) => upstream.verdict.level === "bad").length;
	const asked = model.upstreams.reduce((whole, upstream) => whole + upstream.sum.requests, 0);
	const all = count(model.upstreams.length, "upstream"), more = wrong.length - down, silent = model.gateways.filter((gateway) => gateway.isSilent).length;
	const parts = [down > 0 && `${down} of ${all} down`, more > 0 && `${more}${down > 0 ? " more" : ` of ${all}`} to look at`,
		silent > 0 && `${silent} of ${count(model.gateways.length, "gateway")} silent`].filter(Boolean);
	text(byId("verdict"), parts.join(", ") || `All is well: ${all}`);
	attribute(byId("verdict"), "data-level", down > 0 ? "bad" : parts.length > 0 ? "warn" : "ok");
	document.title = `${down > 0 ? `✕ ${down} down` : parts.length > 0 ? `▲ ${wrong.length + silent}` : "✓"} gateways`;
	text(byId("strip"), `${stripWords(model)} ${rate(asked).replace("/", " requests/")} in all.`);
	showGateways(byId("gateways"), model);
	showUpstreams();
	showEvents(byId("events"), model.events, EVENTS_SHOWN);
	showAsked();
	override.update();
}

/* A link to a request: /#request=ID */
function followLink() {
	const id = new URLSearchParams(location.hash.slice(1)).get("request");
	if (id)
		page.seek(id);
}

byId("filter").addEventListener("input", showUpstreams);
byId("only").addEventListener("change", showUpstreams);
byId("seek").addEventListener("input", showAsked);
document.addEventListener("visibilitychange", () => {
	if (!document.hidden)
		poll();
});
window.addEventListener("hashchange", followLink);
setInterval(showLink, 250);
poll().then(followLink);
