/* The dialog that changes a breaker on all gateways. The token lives in this page's memory only. */
import { hide, keyed, mark, setMark, text } from "./dom.js";
import { clean, levelOf, rate } from "./words.js";

const WISHES = new Map([
	["FORCE_OPEN", { title: "Force open", words: "No request goes to the upstream; clients get the fallback until it is over or undone." }],
	["DISABLE", { title: "Force closed", words: "Every request goes to the upstream, however many fail, and nothing is counted." }],
	["METRICS_ONLY", { title: "Observe", words: "Every request goes to the upstream; failures are counted, and the breaker never opens." }],
	["CLOSE", { title: "Back to automatic", words: "The breaker begins closed, with empty counts, and decides by itself again." }],
]);

const part = (name) => document.getElementById(`override-${name}`);

/* What it means for those who ask just now. */
function preview(wish, upstream) {
	const { requests, fallbacks } = upstream.sum, now = rate(fallbacks);
	if (wish === "FORCE_OPEN")
		return requests === 0 ? "Nobody asks for it at the moment." : `About ${rate(requests)} will get the fallback (now ${now}).`;
	if (fallbacks === 0)
		return `No request gets the fallback now; ${rate(requests)} go to the upstream as before.`;
	return `About ${now} that get the fallback now will go to the upstream, working or not.`;
}

export class Override {
	constructor(page) {
		this.page = page;
		this.token = "";
		this.asked = {}; /* by the dialog that is open */
		this.dialog = document.getElementById("override");
		this.dialog.querySelector("form").addEventListener("submit", (event) => {
			event.preventDefault();
			this.send();
		});
		part("cancel").addEventListener("click", () => this.dialog.close());
	}

	open(name, wish) {
		const { title, words } = WISHES.get(wish);
		this.asked = { name, wish };
		text(part("title"), `${title}: ${name}`);
		text(part("what"), `On all gateways. ${words}`);
		text(part("error"), "");
		keyed(part("result"), [], String, String, String);
		text(part("do"), title);
		part("reason").value = "";
		part("for").value = "15m";
		part("for").disabled = wish === "CLOSE";
		part("token").value = this.token;
		hide(part("fields"), false);
		hide(part("do"), false);
		part("do").disabled = false;
		this.update();
		this.dialog.showModal();
		part("reason").focus();
	}

	/* The preview, or what became of it. */
	update() {
		const { asked, page: { model } } = this, upstream = model.upstreams.find((one) => one.name === asked.name);
		if (upstream === undefined)
			return;
		if (asked.stamp === undefined)
			text(part("preview"), preview(asked.wish, upstream));
		else
			keyed(part("result"), model.resultsOf(asked.name, asked.stamp), ({ key }) => key, () => mark("", "li"),
				(made, { name, isGood, words }) => setMark(made, levelOf(isGood ? "ok" : "bad"), `${name}: ${words}`));
	}

	async send() {
		const { asked } = this, body = { updateState: asked.wish, reason: part("reason").value.trim(), for: asked.wish === "CLOSE" ? undefined : part("for").value };
		this.token = part("token").value.trim();
		const headers = { "Content-Type": "application/json", ...(this.token && { Authorization: `Bearer ${this.token}` }) };
		part("do").disabled = true;
		text(part("error"), "");
		let failure = "";
		try {
			const answer = await fetch(`/cluster/breakers/${encodeURIComponent(asked.name)}`, { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(10000) });
			const said = await answer.json().catch(() => ({}));
			if (!answer.ok)
				throw new Error(answer.status === 401 ? "This is not the token of admin.token_file; nothing was changed." : `Nothing was changed: ${clean(said.message) || `status ${answer.status}`}`);
			asked.stamp = clean(said.stamp, 32);
		} catch (error) {
			failure = error.name === "Error" ? error.message : "The gateway did not answer; look at the result before you try again.";
		}
		if (asked !== this.asked)
			return; /* another dialog is open by now */
		text(part("error"), failure);
		part("do").disabled = false;
		if (failure)
			return;
		text(part("preview"), "Done. By gateway:");
		hide(part("fields"), true);
		hide(part("do"), true);
		this.update();
		part("cancel").focus();
		this.page.poll();
	}
}
