"""An issuer of tokens: its keys, what it publishes of them, and tokens that it signs, honest or not. Nothing of it is the gateway's
code; python3-cryptography signs."""
import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES = {"256": ec.SECP256R1(), "384": ec.SECP384R1(), "512": ec.SECP521R1()}
CURVE_NAMES = {"256": "P-256", "384": "P-384", "512": "P-521"}


def encode(data):
    data = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return encode(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


class Key:
    def __init__(self, kid, algorithm="RS256", bits=2048):
        self.kid, self.algorithm = kid, algorithm
        self.private = (ec.generate_private_key(CURVES[algorithm[2:]]) if algorithm.startswith("ES")
                        else rsa.generate_private_key(65537, bits))

    def public(self):
        numbers = self.private.public_key().public_numbers()
        if self.algorithm.startswith("ES"):
            size = (self.private.curve.key_size + 7) // 8
            return {"kty": "EC", "kid": self.kid, "crv": CURVE_NAMES[self.algorithm[2:]], "use": "sig", "alg": self.algorithm,
                    "x": number(numbers.x, size), "y": number(numbers.y, size)}
        return {"kty": "RSA", "kid": self.kid, "use": "sig", "alg": self.algorithm, "n": number(numbers.n), "e": number(numbers.e)}

    def sign(self, text):
        digest = HASHES[self.algorithm[2:]]
        if self.algorithm.startswith("ES"):
            size = (self.private.curve.key_size + 7) // 8
            r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(digest)))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        scheme = (padding.PKCS1v15() if self.algorithm.startswith("RS")
                  else padding.PSS(padding.MGF1(digest), digest.digest_size))
        return self.private.sign(text, scheme, digest)


class Issuer:
    """Serves its keys at `url` with the help of an upstream of the harness; `answer` may be exchanged."""

    def __init__(self, upstream, keys=None, **server):
        self.keys = keys or [Key("one")]
        self.name = "http://issuer.example"
        self.published = None
        self.server = upstream(self.serve, **server)
        self.url = self.server.url + "/keys"

    def key_set(self):
        return json.dumps(self.published or {"keys": [key.public() for key in self.keys]}).encode()

    def serve(self, connection, request):
        connection.reply(200, self.key_set(), [("Content-Type", "application/json")])

    def claims(self, **more):
        claims = {"iss": self.name, "aud": "hospital", "sub": "7", "exp": int(time.time()) + 300, **more}
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, header, claims, key=None):
        key = key or self.keys[0]
        text = encode(header) + "." + encode(claims)
        return text + "." + encode(key.sign(text.encode()))

    def token(self, key=None, **more):
        key = key or self.keys[0]
        return self.sign({"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}, self.claims(**more), key)

    def token_by_secret(self, secret):
        """The public key as the secret of HS256."""
        text = encode({"alg": "HS256", "kid": self.keys[0].kid}) + "." + encode(self.claims())
        return text + "." + encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def bearer(token):
    return [("Authorization", "Bearer " + token)]
