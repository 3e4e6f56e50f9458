"""A plugin of pytest for requests' own tests: where they start an httpbin of their own for http, they get the one at HTTPBIN_URL."""
import os

from pytest_httpbin import serve

own = serve.Server.url
serve.Server.url = property(lambda server: own.fget(server) if isinstance(server, serve.SecureServer) else os.environ["HTTPBIN_URL"])
