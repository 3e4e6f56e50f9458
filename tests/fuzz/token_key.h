/* Two public keys whose private halves were thrown away, and header and claims that one of them has signed; for fuzz_token.c. */
#ifndef TESTS_FUZZ_TOKEN_KEY_H
#define TESTS_FUZZ_TOKEN_KEY_H

#define FUZZ_NOW_MS UINT64_C(1700000000000)
#define FUZZ_KEYS \
	"{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"v3RiTruP9BRJWo5ovj6HL6U3uC_CVxfUOBcqj8AuXB7jJxQyPZ6MT" \
	"B3lJJIOdNUfs8wXmfAHCcv5TShS7GRC8ksIz9WMlDWBQTI93G4z9xpvcPw3byCJFqcrOybpuwpYX1QeIfZgqPDYHPr" \
	"DopJEHGxoUn2dnZ5xFUfHitWjLlZ82UeMHwNbmi9eEJRd9WmXsnSIcBPlAP3jN96DJsEAPELpEAqUHyqcnLeFyhHfr" \
	"tKlW3ffnB_NRGTpR20oi6utoKHdw_zq_HQHSsx9pq8PkckB3sC2WG8XlIuYx9Db50STLmcuXbCUN4v7GiJeA_vnPYR" \
	"e4v4_nSQTnAo3pXCpPw\",\"e\":\"AQAB\"},{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"D4NxTz4pVWRo8Y3-" \
	"75pLZWJZSazqFxEn9Wo_i1SfjyE\",\"y\":\"c2Itx8lk5kdyWOF52crOvS8-4oGJgAEbXNoaJUvtepk\"}]}"
#define FUZZ_SIGNED \
	"eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJpc3MiOiJodHRwOi8vaXNzdWVyIiwiYXVkIjoiaG9zcGl0YWwiLCJ" \
	"leHAiOjE3MDAwMDAzMDAsInN1YiI6IjciLCJyb2xlcyI6WyJhIl19"

#endif
