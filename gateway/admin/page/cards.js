/* A card for each upstream. What is closed or out of sight is not brought up to date: of many that is most of the work. */
import { attribute, draw, el, hide, keyed, mark, setMark, sparkline, text } from "./dom.js";
import { count, levelOf, rate, replicaOf, share, span, stateOf, trial } from "./words.js";

const ROWS_MAX = 25; /* replicas that are shown unasked */

const seen = new IntersectionObserver((entries) => {
	for (const entry of entries) {
		const card = entry.target.card;
		card.isVisible = entry.isIntersecting;
		if (card.isVisible && card.upstream)
			fill(card);
	}
}, { rootMargin: "300px" });

/* ---- rows ---- */

const COLUMNS = { state: "Breaker", failures: "Failures in the window", trend: "Two minutes", slow: "Slow", places: "In flight, queue",
	retries: "Retries left", upstream: "Upstream answered", clients: "Clients got" };

function makeRow() {
	const row = { name: el("th", { scope: "row" }), cells: {}, state: mark(), spark: sparkline(), fill: el("span", { class: "fill" }), threshold: el("span", { class: "threshold" }) };
	const track = el("span", { class: "track", "aria-hidden": "true" }, row.fill, row.threshold), before = { failures: track, trend: row.spark.root };
	row.root = el("tr", {}, row.name);
	for (const [name, label] of Object.entries(COLUMNS)) {
		row.cells[name] = el("span");
		row.root.append(el("td", { "data-label": label }, ...(name === "state" ? [row.state.root] : [before[name] ?? "", row.cells[name]])));
	}
	return row;
}

function clientWords(requests, fallbacks, errors) {
	const parts = [[requests - fallbacks - errors, "an answer"], [fallbacks, "the fallback"], [errors, "an error"]].filter(([part]) => part > 0);
	return parts.map(([part, what]) => `${share(part, requests)} ${what}`).join(", ") || "no requests";
}

function rowWords(cell) {
	const [now, failed, refused] = ["requests", "failed", "refused"].map((what) => cell.trend[what].at(-1));
	const enough = cell.hasRate || cell.state !== "closed" ? "" : `, counts from ${cell.minimumCalls} on`;
	return {
		failures: cell.state === "off" ? "not counted" : `${cell.failures} of ${cell.calls}, opens at ${cell.failureThreshold} %${enough}`,
		trend: `${rate(now)}${failed ? `, ${rate(failed)} failed` : ""}${refused ? `, ${rate(refused)} refused` : ""}`,
		slow: cell.slowCallMs > 0 ? `${share(cell.slowCalls, cell.calls)} over ${cell.slowCallMs} ms (opens at ${cell.slowThreshold} %)` : "not watched",
		places: `${cell.inFlight} of ${cell.maxInFlight}, ${cell.waiting} of ${cell.maxWaiting} wait${cell.streams ? `, ${count(cell.streams, "stream")}` : ""}`,
		retries: String(cell.retriesLeft),
		upstream: !cell.upstreamTries ? "not asked" : `${share(cell.upstreamTries - cell.upstreamFailures, cell.upstreamTries)} of ${count(cell.upstreamTries, "try", "tries")} in ${span(cell.recentMs)}`,
		clients: clientWords(cell.clientRequests, cell.clientFallbacks, cell.clientErrors),
	};
}

function setRow(row, gateway, cell) {
	const isKnown = cell.state !== "silent" && cell.state !== "missing", words = isKnown ? rowWords(cell) : {};
	text(row.name, gateway.name);
	setMark(row.state, stateOf(cell.state), (cell.observes ? ", observing only" : cell.state === "open" ? `, next try ${trial(cell.nextProbeMs)}` : "") +
		(isKnown && cell.state !== "off" ? `, for ${span(cell.sinceMs)}` : ""));
	attribute(row.root, "data-known", String(isKnown));
	for (const [name, element] of Object.entries(row.cells))
		text(element, words[name] ?? "–");
	if (!isKnown)
		return;
	const percent = cell.calls > 0 ? (cell.failures * 100) / cell.calls : 0;
	row.fill.style.setProperty("width", `${Math.min(100, percent).toFixed(1)}%`);
	row.threshold.style.setProperty("left", `${Math.min(100, cell.failureThreshold)}%`);
	attribute(row.fill, "data-level", percent >= cell.failureThreshold ? "bad" : "ok");
	draw(row.spark, cell.trend.requests, cell.trend.failed.map((value, index) => value + cell.trend.refused[index]), `two minutes: ${words.trend}`);
}

/* ---- the matrix ---- */

function setReplica(row, replica, gateways) {
	text(row.name, replica.address);
	keyed(row.root, [{ key: "" }, ...gateways], ({ key }) => key, ({ key }) => {
		const made = mark();
		return key === "" ? { root: row.name } : { root: el("td", {}, made.root), made };
	}, ({ made }, { key, index, isSilent }) => {
		const cell = replica.cells[index];
		if (cell !== undefined)
			setMark(made, replicaOf(cell.state), (cell.ejectedForMs > 0 ? `, next try in ${span(cell.ejectedForMs)}` : "") + (cell.level !== "ok" && cell.lastError ? `: ${cell.lastError}` : ""));
		else if (key !== "")
			setMark(made, stateOf(isSilent ? "silent" : "missing"));
	});
}

function setMatrix(card, { gateways }) {
	const { replicas } = card.upstream, isSick = (replica) => replica.sick > 0;
	const shown = card.showsAll ? replicas : [...replicas.filter(isSick), ...replicas.filter((replica) => !isSick(replica))].slice(0, ROWS_MAX);
	keyed(card.matrixHead, [{ key: "", name: "Replica" }, ...gateways], ({ key }) => key, () => ({ root: el("th", { scope: "col" }) }), (made, { name }) => text(made.root, name));
	keyed(card.matrixBody, shown, ({ address }) => address, () => {
		const name = el("th", { scope: "row" });
		return { root: el("tr", {}, name), name };
	}, (row, replica) => setReplica(row, replica, gateways));
	hide(card.matrixAll, replicas.length <= ROWS_MAX);
	text(card.matrixAll, card.showsAll ? `Show the first ${ROWS_MAX} only` : `Show all ${replicas.length} replicas (those with trouble come first)`);
	hide(card.matrixNone, replicas.length > 0);
}

/* ---- a card ---- */

function table(caption, head, body) {
	return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, el("table", {}, el("caption", {}, caption), el("thead", {}, head), body));
}

function makeCard(page, { name }) {
	const card = { page, isVisible: false, isOpen: null, showsAll: false, mark: mark("mark state"), spark: sparkline() };
	card.word = el("span", { class: "headline" });
	card.facts = el("dl", { class: "facts" });
	card.rates = el("p", { class: "rates" });
	card.chips = el("ul", { class: "chips" });
	card.toggle = el("button", { on: { click: () => { card.isOpen = !isOpen(card); fill(card); } } });
	const act = (label, wish) => el("button", { "data-wish": wish, "aria-label": `${label}: ${name}`, on: { click: () => page.change(name, wish) } }, `${label} …`);
	card.undo = act("Back to automatic", "CLOSE");
	card.rows = el("tbody");
	card.matrixHead = el("tr");
	card.matrixBody = el("tbody");
	card.matrixNone = el("p", { class: "note" }, "No replica is known.");
	card.matrixAll = el("button", { on: { click: () => { card.showsAll = !card.showsAll; fill(card); } } });
	card.details = el("div", { class: "details" },
		table("By gateway", el("tr", {}, ...["Gateway", ...Object.values(COLUMNS)].map((name) => el("th", { scope: "col" }, name))), card.rows),
		table("Replicas by gateway: a red row is a sick replica, a red column a sick node", card.matrixHead, card.matrixBody),
		card.matrixNone, card.matrixAll);
	card.root = el("article", { class: "card" }, el("h3", {}, card.mark.root, el("span", { class: "name" }, name), " ", card.word), card.facts,
		el("div", { class: "summary" }, card.spark.root, card.rates), card.chips,
		el("div", { class: "actions" }, card.toggle, act("Force open", "FORCE_OPEN"), act("Force closed", "DISABLE"),
			act("Observe", "METRICS_ONLY"), card.undo,
			el("button", { on: { click: () => page.seek(name) } }, "Its requests")),
		card.details);
	card.root.card = card;
	seen.observe(card.root);
	return card;
}

/* Unless somebody chose: what is ill, and everything where there is little. */
function isOpen(card) {
	const { model } = card.page;
	return card.isOpen ?? (card.upstream.verdict.level !== "ok" || model.upstreams.length * model.gateways.length <= 4);
}

function setFacts(list, facts) {
	hide(list, facts.length === 0);
	keyed(list, facts.filter(([, words]) => words !== ""), ([name]) => name, ([name]) => {
		const words = el("dd");
		return { root: el("div", {}, el("dt", {}, name), words), words };
	}, (made, [, words]) => text(made.words, words));
}

function fill(card) {
	const { upstream } = card, { model } = card.page, { verdict, sum } = upstream;
	attribute(card.root, "data-level", verdict.level);
	setMark(card.mark, levelOf(verdict.level));
	text(card.word, verdict.title);
	setFacts(card.facts, verdict.facts);
	const failed = sum.trend.failed.at(-1);
	const words = sum.requests === 0 ? "No requests at the moment." : `Last 10 s, ${rate(sum.requests)}: clients got ${clientWords(sum.requests, sum.fallbacks, sum.errors)}. ` +
		(sum.tries === 0 ? "The upstream was not asked." : `Of ${rate(sum.tries)} at the upstream ${share(sum.tries - sum.triesFailed, sum.tries)} succeeded.`);
	draw(card.spark, sum.trend.requests, sum.trend.failed, `two minutes, all gateways; now ${rate(sum.trend.requests.at(-1))}, ${rate(failed)} failed or refused`);
	text(card.rates, words);
	keyed(card.chips, model.gateways, ({ key }) => key, () => {
		const made = mark("chip"), name = el("span");
		made.root.prepend(name, " ");
		return { root: el("li", {}, made.root), made, name };
	}, (chip, gateway) => {
		const cell = model.cellOf(upstream, gateway);
		text(chip.name, gateway.name);
		setMark(chip.made, stateOf(cell.state), cell.state === "open" ? `, next try ${trial(cell.nextProbeMs)}` : "");
	});
	const open = isOpen(card);
	text(card.toggle, open ? "Fewer details" : "Details");
	attribute(card.toggle, "aria-expanded", String(open));
	hide(card.undo, !upstream.canUndo);
	hide(card.details, !open);
	if (open) {
		keyed(card.rows, model.gateways, ({ key }) => key, makeRow, (row, gateway) => setRow(row, gateway, model.cellOf(upstream, gateway)));
		setMatrix(card, model);
	}
}

export function showCards(parent, upstreams, page) {
	return keyed(parent, upstreams, ({ name }) => name, (upstream) => makeCard(page, upstream), (card, upstream) => {
		const isNew = card.upstream === undefined;
		card.upstream = upstream;
		if (card.isVisible || isNew)
			fill(card);
	});
}
