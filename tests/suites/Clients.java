// Clients.java URL: what Java's HttpClient and HttpURLConnection do, against httpbin at URL.
// One line for each check: "ok NAME" or "no NAME: why".
import java.io.ByteArrayInputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

public class Clients {
	interface Check { void run() throws Exception; }

	static String base;
	static final HttpClient client = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NORMAL).build(); // wishes for h2c

	static HttpRequest.Builder to(String path) { return HttpRequest.newBuilder(URI.create(base + path)).timeout(Duration.ofMinutes(1)); }

	static HttpResponse<String> call(HttpRequest.Builder request) throws Exception { return client.send(request.build(), BodyHandlers.ofString()); }

	static void expect(boolean condition, Object what) { if (!condition) throw new IllegalStateException(String.valueOf(what)); }

	static void check(String name, Check check) {
		try {
			check.run();
			System.out.println("ok " + name);
		} catch (Throwable error) {
			System.out.println("no " + name + ": " + error);
		}
	}

	static void manyAtOnce() throws Exception {
		List<CompletableFuture<HttpResponse<String>>> all = new ArrayList<>();
		for (int i = 0; i < 200; i++)
			all.add(client.sendAsync(to("/get?n=n" + i).build(), BodyHandlers.ofString()));
		for (int i = 0; i < all.size(); i++)
			expect(all.get(i).get().body().contains("\"n" + i + "\""), i);
	}

	static int urlConnection(String method, int chunk) throws Exception {
		HttpURLConnection connection = (HttpURLConnection) new URL(base + "/" + method.toLowerCase()).openConnection();
		connection.setRequestMethod(method);
		if (chunk > 0) {
			connection.setDoOutput(true);
			connection.setChunkedStreamingMode(chunk);
			connection.getOutputStream().write(new byte[10000]);
		}
		int status = connection.getResponseCode();
		connection.getInputStream().readAllBytes();
		return status;
	}

	public static void main(String[] arguments) throws Exception {
		base = arguments[0];
		String large = "0123456789abcdef".repeat(1 << 14);
		check("get, with a wish for HTTP/2", () -> expect(call(to("/get?a=b")).body().contains("\"b\""), "body"));
		check("post, with a wish for HTTP/2", () -> expect(call(to("/post").POST(BodyPublishers.ofString("hello"))).body().contains("hello"), "body"));
		check("head", () -> expect(call(to("/get").method("HEAD", BodyPublishers.noBody())).statusCode() == 200, "status"));
		for (String method : new String[] {"PUT", "PATCH", "DELETE"})
			check(method, () -> expect(call(to("/" + method.toLowerCase()).method(method, BodyPublishers.ofString("hello"))).body().contains("hello"), "body"));
		check("upload of 256 KiB", () -> expect(call(to("/post").POST(BodyPublishers.ofString(large))).body().contains(large), "body"));
		check("chunked upload", () -> expect(call(to("/post").POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream("one two".getBytes())))).body().contains("one two"), "body"));
		check("100-continue", () -> expect(call(to("/post").expectContinue(true).POST(BodyPublishers.ofString("hello"))).body().contains("hello"), "body"));
		for (int status : new int[] {200, 204, 304, 404, 418, 500, 503})
			check("status " + status, () -> expect(call(to("/status/" + status)).statusCode() == status, "status"));
		check("redirects", () -> expect(call(to("/redirect/3")).statusCode() == 200, "status"));
		check("download in chunks", () -> expect(call(to("/stream/20")).body().trim().split("\n").length == 20, "lines"));
		check("a hundred one after the other", () -> { for (int i = 0; i < 100; i++) expect(call(to("/get?n=n" + i)).body().contains("\"n" + i + "\""), i); });
		check("two hundred at once", Clients::manyAtOnce);
		check("HttpURLConnection, get", () -> expect(urlConnection("GET", 0) == 200, "status"));
		check("HttpURLConnection, chunked post", () -> expect(urlConnection("POST", 512) == 200, "status"));
		System.exit(0);
	}
}
