/*
 * The live page: files that are built into the program (page/), with fields that leave a browser no way to run or ask
 * anything else.
 *
 * The page shows strings that attackers can choose: paths of requests, names in DNS, answers of other gateways. It writes
 * them as text. Should one ever become markup all the same, the policy lets no script of it run (no inline code, no other
 * origin, no text that becomes code), lets it send nothing elsewhere, and lets no other page frame this one to direct its
 * clicks.
 */
#include "gateway/admin/assets.h"

#include <string.h>

#define FILES(X) \
	X(page_html, "page.html", "text/html; charset=utf-8") \
	X(page_css, "page.css", "text/css; charset=utf-8") \
	X(page_icon, "icon.svg", "image/svg+xml") \
	X(page_main, "main.js", "text/javascript; charset=utf-8") \
	X(page_model, "model.js", "text/javascript; charset=utf-8") \
	X(page_words, "words.js", "text/javascript; charset=utf-8") \
	X(page_dom, "dom.js", "text/javascript; charset=utf-8") \
	X(page_cards, "cards.js", "text/javascript; charset=utf-8") \
	X(page_lists, "lists.js", "text/javascript; charset=utf-8") \
	X(page_override, "override.js", "text/javascript; charset=utf-8")

#define DECLARE(symbol, name, type) extern const char symbol##_begin[], symbol##_end[]; /* page/built_in.S */
FILES(DECLARE)
#undef DECLARE

static const struct file {
	const char *name, *content_type, *begin, *end;
} files[] = {
#define FILE_OF(symbol, name, type) { name, type, symbol##_begin, symbol##_end },
	FILES(FILE_OF)
#undef FILE_OF
};

static void serve(struct page_request *request, const struct file *file)
{
	page_header(request, "Content-Security-Policy",
	            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
	            "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'");
	page_header(request, "Referrer-Policy", "no-referrer");
	page_header(request, "Cross-Origin-Opener-Policy", "same-origin");
	page_header(request, "Cross-Origin-Resource-Policy", "same-origin");
	page_static(request, file->content_type, file->begin, (size_t)(file->end - file->begin));
}

void assets_page(struct page_request *request)
{
	serve(request, &files[0]);
}

void assets_file(struct page_request *request)
{
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		if (strcmp(files[i].name, request->rest) == 0) {
			serve(request, &files[i]);
			return;
		}
	}
	page_error(request, 404, "the live page has no file of this name");
}
