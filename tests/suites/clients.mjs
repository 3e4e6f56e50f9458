// clients.mjs fetch|undici|ws URL: what people do with Node's fetch, undici and ws. URL is httpbin's, for ws that of an echo server
// (clients.mjs echo PORT). One line for each check: "ok NAME" or "no NAME: why".
import { createRequire } from "node:module";
import { randomBytes } from "node:crypto";

const require = createRequire(process.env.MODULES + "/");
const [library, base] = process.argv.slice(2);
const expect = (condition, what) => { if (!condition) throw new Error(what ?? "not as expected"); };

async function* pieces() { yield Buffer.from("one "); yield Buffer.from("two "); yield Buffer.from("three"); }

function httpChecks() {
  const undici = require("undici");
  const call = library === "fetch"
    ? async (method, path, options = {}) => {
        const answer = await fetch(base + path, { method, redirect: "manual", ...options, ...(options.body ? { duplex: "half" } : {}) });
        return { status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text() };
      }
    : async (method, path, options = {}) => {
        const answer = await undici.request(base + path, { method, ...options });
        return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
      };
  const json = async (...options) => JSON.parse((await call(...options)).text);
  const large = randomBytes(1 << 20).toString("hex");
  return {
    get_with_a_query: async () => expect((await json("GET", "/get?a=b&c=100%25")).args.c === "100%"),
    head: async () => { const { status, text } = await call("HEAD", "/get"); expect(status === 200 && text === ""); },
    options: async () => expect((await call("OPTIONS", "/get")).headers.allow.includes("GET")),
    other_methods: async () => { for (const method of ["PUT", "PATCH", "DELETE"]) expect((await json(method, "/" + method.toLowerCase(), { body: "hello" })).data === "hello", method); },
    upload_of_two_mebibytes: async () => expect((await json("POST", "/post", { body: large })).data === large),
    chunked_upload: async () => expect((await json("POST", "/post", { body: pieces() })).data === "one two three"),
    statuses: async () => { for (const status of [200, 204, 304, 404, 418, 500, 503]) expect((await call("GET", "/status/" + status)).status === status, status); },
    redirect: async () => { const { status, headers } = await call("GET", "/redirect-to?url=/get&status_code=307"); expect(status === 307 && headers.location === "/get"); },
    download_in_chunks: async () => expect((await call("GET", "/stream/20")).text.trim().split("\n").length === 20),
    range: async () => expect((await call("GET", "/range/1024", { headers: { range: "bytes=10-19" } })).text.length === 10),
    large_field: async () => expect((await json("GET", "/headers", { headers: { "x-large": "a".repeat(6000) } })).headers["X-Large"].length === 6000),
    two_hundred_at_once: async () => {
      const all = await Promise.all(Array.from({ length: 200 }, (_, number) => json("GET", "/get?n=" + number)));
      expect(all.every((one, number) => one.args.n === String(number)));
    },
  };
}

function wsChecks() {
  const WebSocket = require("ws");
  const open = (path = "", options = {}, protocols = []) => new Promise((resolve, reject) => {
    const socket = new WebSocket(base.replace("http", "ws") + path, protocols, options);
    socket.once("open", () => resolve(socket));
    socket.once("error", reject);
  });
  const next = (socket, event) => new Promise((resolve, reject) => { socket.once(event, (...found) => resolve(found)); socket.once("error", reject); });
  const echo = async (data, options = {}) => {
    const socket = await open("", options);
    socket.send(data);
    const [got, isBinary] = await next(socket, "message");
    expect(Buffer.from(data).equals(got) && isBinary === Buffer.isBuffer(data), "another message");
    socket.close(1000);
    expect((await next(socket, "close"))[0] === 1000);
  };
  return {
    text: () => echo("h\u00e9llo"),
    nothing: () => echo(""),
    frames_of_all_sizes: async () => { for (const size of [1, 125, 126, 127, 65535, 65536, 1 << 20, 16 << 20]) await echo(randomBytes(size)); },
    compressed: () => echo("hello ".repeat(100000), { perMessageDeflate: { threshold: 0 } }),
    not_compressed: () => echo("hello ".repeat(100000), { perMessageDeflate: false }),
    fragments: async () => {
      const socket = await open();
      for (let number = 0; number < 1000; number++) socket.send("x" + number, { fin: number === 999 });
      expect((await next(socket, "message"))[0].toString() === Array.from({ length: 1000 }, (_, number) => "x" + number).join(""));
      socket.terminate();
    },
    ping_and_pong: async () => { const socket = await open(); socket.ping("are you there"); expect((await next(socket, "pong"))[0].toString() === "are you there"); socket.terminate(); },
    subprotocol: async () => { const socket = await open("", {}, ["a", "b"]); expect(socket.protocol === "a"); socket.terminate(); },
    close_by_the_client: async () => { const socket = await open(); socket.close(4001, "bye"); expect((await next(socket, "close"))[0] === 4001); },
    close_by_the_server: async () => { const socket = await open("/close"); const [code, reason] = await next(socket, "close"); expect(code === 4002 && reason.toString() === "go"); },
    reset_by_the_server: async () => { const socket = await open("/terminate"); expect((await next(socket, "close"))[0] === 1006); },
    ten_thousand_messages: async () => {
      const socket = await open();
      let got = 0;
      const done = new Promise((resolve) => socket.on("message", (data) => { if (Number(data) === got && ++got === 10000) resolve(); }));
      for (let number = 0; number < 10000; number++) socket.send(String(number));
      await done;
      socket.terminate();
    },
    a_hundred_at_once: () => Promise.all(Array.from({ length: 100 }, () => echo(randomBytes(1000)))),
    refused_by_the_server: () => open("/refuse").then(() => { throw new Error("opened"); }, (error) => expect(error.message.includes("403"), error.message)),
    an_old_version_is_told_which_to_use: async () => {
      const answer = await new Promise((resolve) => require("http").get(base, { headers: { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "7", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" } }, resolve));
      expect(answer.statusCode === 400 || answer.statusCode === 426, answer.statusCode);
      expect(answer.headers["sec-websocket-version"] !== undefined, "no version is named");
    },
    no_upgrade_is_a_426: async () => {
      const answer = await new Promise((resolve) => require("http").get(base, resolve));
      expect(answer.statusCode === 426 && answer.headers.upgrade === "websocket", `${answer.statusCode} ${answer.headers.upgrade}`);
    },
  };
}

function serveEchoes(port) {
  const { WebSocketServer } = require("ws");
  const http = require("http").createServer((request, response) => response.writeHead(426, { Upgrade: "websocket", Connection: "Upgrade", "Content-Length": 0 }).end());
  const server = new WebSocketServer({ noServer: true, maxPayload: 32 << 20, perMessageDeflate: true });
  server.on("connection", (socket, request) => {
    if (request.url === "/close") socket.close(4002, "go");
    else if (request.url === "/terminate") socket.terminate();
    else socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  http.on("upgrade", (request, socket, head) => {
    if (request.url === "/refuse") socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    else server.handleUpgrade(request, socket, head, (one) => server.emit("connection", one, request));
  });
  http.listen(port, "127.0.0.1");
}

if (library === "echo") {
  serveEchoes(Number(base));
} else {
  for (const [name, check] of Object.entries(library === "ws" ? wsChecks() : httpChecks())) {
    try {
      await check();
      console.log("ok", name);
    } catch (error) {
      console.log(`no ${name}: ${error.message} ${error.cause?.message ?? ""}`);
    }
  }
  process.exit(0);
}
