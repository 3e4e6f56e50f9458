/*
 * A public key whose private half was thrown away, and tokens, most of which that has signed; for the world of
 * fuzz_connection.c, in which time begins at 1700001000 s.
 */
#ifndef TESTS_FUZZ_TOKENS_H
#define TESTS_FUZZ_TOKENS_H

#define WORLD_KEYS \
	"{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\"" \
	",\"x\":\"8qedmFKKzcK01_yprWVIst2M8M-eYjR9aI5nc6L7Agw\",\"y\":\"GuvTN3w1X-6veuup7DlaPRjF-A0vF4pMaiFBpDMaTEY\"}]}"

static const struct {
	const char *text;
	const char *user; /* NULL: there is none in it */
	uint64_t until_s; /* 0: it is never good */
} world_tokens[] = {
	/* the user 7 */
	{ "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJpIiwiYXVkIjoiaCIsImV4cCI6MTcwMDEwMTAwMCwic3ViIjoiNyJ9."
	  "b7WUpC-Qbd2Bk8CEuUtQQkk_xnCW7gcscgsUAko6GdqEI5YUlOQHZcE-4seI6TUcIBVco9SLE79kM0SutqKYnw",
	  "7", 1700101000 },
	/* the user 8, for two seconds */
	{ "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJpIiwiYXVkIjoiaCIsImV4cCI6MTcwMDAwMTAwMiwic3ViIjoiOCJ9."
	  "WyYm3ToxzcMysm9pldGgvQhTQkL3VVMOMhfOB0bRw1PkwURvfeNEn_rQFpbTLh8_4Zv7jsjorQBEnfzoEoqzSA",
	  "8", 1700001002 },
	/* nobody in particular */
	{ "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJpIiwiYXVkIjoiaCIsImV4cCI6MTcwMDEwMTAwMH0.Z1mn0JJul7zZd"
	  "GABaYL84aqkvYk8E8DmnqiyXwH3ILA6gPaNgU4ijNLeLd5AcNoF844KwFrTvuumQPtgiW4aYw",
	  NULL, 1700101000 },
	/* of another issuer */
	{ "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJqIiwiYXVkIjoiaCIsImV4cCI6MTcwMDEwMTAwMCwic3ViIjoiNyJ9."
	  "PssL6W-LHvpMwds3i77BHvyVOfCp-HQgqKs-G3-x7b1w0yxW52sH90Fn1WcvI9XquqC4n58tgqeXitT5JSFYpw",
	  "7", 0 },
	/* signed with another key */
	{ "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJpIiwiYXVkIjoiaCIsImV4cCI6MTcwMDEwMTAwMCwic3ViIjoiNyJ9."
	  "sh2BksjNIYLE6DnYbgc01jOWF4LbomVpStIZqJkuIWKtyBLU5vet-NIiAfRL3u-pB4szHBK5E7pImSuzv_ah9A",
	  "7", 0 },
	/* signed by nobody */
	{ "eyJhbGciOiJub25lIiwia2lkIjoiZSJ9.eyJpc3MiOiJpIiwiYXVkIjoiaCIsImV4cCI6MTcwMDEwMTAwMCwic3ViIjoiNyJ9.",
	  "7", 0 },
};

#endif
