/* The only ways in which this page writes. Nothing takes markup, so a string from outside stays a string. */

const maker = (create) => (tag, properties = {}, ...children) => {
	const made = create(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (name === "on")
			for (const [event, listener] of Object.entries(value))
				made.addEventListener(event, listener);
		else
			made.setAttribute(name, value);
	}
	made.append(...children);
	return made;
};

export const el = maker((tag) => document.createElement(tag));
const svg = maker((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));

const written = new WeakMap(); /* asking the element would cost more */

export function text(element, value) {
	if (written.get(element) === value)
		return;
	written.set(element, value);
	element.textContent = value;
}

export function attribute(element, name, value) {
	if (element.getAttribute(name) !== value)
		element.setAttribute(name, value);
}

export function hide(element, isHidden) {
	if (element.hidden !== isHidden)
		element.hidden = isHidden;
}

/* A shape and words in the colour of a level. */
export function mark(kind = "mark", tag = "span") {
	const shape = el("span", { class: "shape", "aria-hidden": "true" }), word = el("span");
	return { root: el(tag, { class: kind }, shape, word), shape, word };
}

export function setMark(made, { word = "", shape, level }, more = "") {
	attribute(made.root, "data-level", level);
	text(made.shape, shape);
	text(made.word, word + more);
}

/* Children of `parent` by key: `make(item)` gives {root, ...}, `update(made, item)` fills it. */
const kept = new WeakMap();

export function keyed(parent, items, keyOf, make, update) {
	const before = kept.get(parent) ?? new Map(), now = new Map();
	let at = parent.firstChild;
	for (const item of items) {
		const key = keyOf(item);
		if (now.has(key))
			continue;
		const made = before.get(key) ?? make(item);
		now.set(key, made);
		before.delete(key);
		update(made, item);
		if (made.root === at)
			at = at.nextSibling;
		else
			parent.insertBefore(made.root, at);
	}
	for (const gone of before.values()) {
		if (gone.root === at)
			at = at.nextSibling;
		gone.root.remove();
	}
	kept.set(parent, now);
	return now;
}

/* Two minutes: the rate as a line, failures as bars. */
const WIDTH = 120, HEIGHT = 24;

export function sparkline() {
	const failed = svg("path", { class: "failed" }), rate = svg("path", { class: "rate" });
	const root = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, failed, rate);
	return { root, failed, rate };
}

export function draw(spark, requests, failures, words) {
	const most = Math.max(1, ...requests);
	const y = (value) => (HEIGHT - 1 - (Math.min(value, most) / most) * (HEIGHT - 2)).toFixed(1);
	let line = "", bars = "";
	requests.forEach((value, index) => {
		line += `${index ? "L" : "M"}${index + 0.5} ${y(value)}`;
		if (failures[index] > 0)
			bars += `M${index + 0.5} ${HEIGHT}V${y(failures[index])}`;
	});
	attribute(spark.rate, "d", line);
	attribute(spark.failed, "d", bars);
	attribute(spark.root, "aria-label", words);
}
