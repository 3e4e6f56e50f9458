/* The live page's files as they are, each between NAME_begin and NAME_end. Paths begin at the top of the project. */
#define FILE(name, path) \
	.global name##_begin; .hidden name##_begin; .global name##_end; .hidden name##_end; \
	name##_begin: .incbin path; name##_end: .byte 0

	.section .rodata
	FILE(page_html, "gateway/admin/page/page.html")
	FILE(page_css, "gateway/admin/page/page.css")
	FILE(page_icon, "gateway/admin/page/icon.svg")
	FILE(page_main, "gateway/admin/page/main.js")
	FILE(page_model, "gateway/admin/page/model.js")
	FILE(page_words, "gateway/admin/page/words.js")
	FILE(page_dom, "gateway/admin/page/dom.js")
	FILE(page_cards, "gateway/admin/page/cards.js")
	FILE(page_lists, "gateway/admin/page/lists.js")
	FILE(page_override, "gateway/admin/page/override.js")
	.section .note.GNU-stack, "", %progbits
