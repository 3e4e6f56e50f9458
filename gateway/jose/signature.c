#include "gateway/jose/signature.h"

#include <dlfcn.h>
#include <jose/cfg.h>
#include <jose/jws.h>
#include <stdio.h>

static struct {
	jose_cfg_t *(*cfg)(void);
	void (*cfg_set_err_func)(jose_cfg_t *cfg, jose_cfg_err_t *err, void *misc);
	void (*cfg_decref)(jose_cfg_t *cfg);
	bool (*jws_ver)(jose_cfg_t *cfg, const json_t *jws, const json_t *sig, const json_t *jwk, bool all);
	void (*err_clear_error)(void);
	bool is_loaded;
} jose;

/* POSIX lets dlsym()'s pointer be a function's; ISO C does not let it be cast. */
#define LOAD(library, name, member) (*(void **)&(member) = dlsym((library), (name)), (member) != NULL)

static bool load_all(void *library)
{
	return LOAD(library, "jose_cfg", jose.cfg) && LOAD(library, "jose_cfg_set_err_func", jose.cfg_set_err_func) &&
	       LOAD(library, "jose_cfg_decref", jose.cfg_decref) && LOAD(library, "jose_jws_ver", jose.jws_ver) &&
	       LOAD(library, "ERR_clear_error", jose.err_clear_error);
}

/* For good: what it has registered can't be taken back. */
bool signature_load(char *error, size_t size)
{
	void *opened;

	if (jose.is_loaded)
		return true;
	opened = dlopen("libjose.so.0", RTLD_NOW | RTLD_LOCAL);
	if (opened == NULL || !load_all(opened)) {
		snprintf(error, size, "libjose can't be loaded: %s", opened == NULL ? dlerror() : "it is another one");
		return false;
	}
	jose.is_loaded = true;
	return true;
}

/* José would write to stderr what it dislikes about a token. */
static void ignore_error(void *misc, const char *file, int line, uint64_t error, const char *format, va_list arguments)
{
	(void)misc, (void)file, (void)line, (void)error, (void)format, (void)arguments;
}

/* Takes the signed text; NULL: memory is short. */
static enum signature_verdict verify(json_t *jws, const json_t *jwk)
{
	jose_cfg_t *cfg = jose.cfg();
	enum signature_verdict verdict = SIGNATURE_NO_MEMORY;

	if (jws != NULL && cfg != NULL) {
		jose.cfg_set_err_func(cfg, ignore_error, NULL);
		verdict = jose.jws_ver(cfg, jws, NULL, jwk, false) ? SIGNATURE_RIGHT : SIGNATURE_WRONG;
	}
	if (cfg != NULL)
		jose.cfg_decref(cfg);
	json_decref(jws);
	jose.err_clear_error(); /* others of this thread look into OpenSSL's list of errors, too */
	return verdict;
}

enum signature_verdict signature_verify(const json_t *jwk, struct slice header, struct slice payload, struct slice signature)
{
	return verify(json_pack("{s:s%,s:s%,s:s%}", "protected", header.data, header.length, "payload", payload.data, payload.length,
	                        "signature", signature.data, signature.length), jwk);
}

void signature_warm_up(const json_t *jwk, const char *algorithm)
{
	verify(json_pack("{s:{s:s},s:s,s:s}", "header", "alg", algorithm, "payload", "", "signature", "AA"), jwk);
}
