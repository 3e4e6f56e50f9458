// clients.go URL: what Go's net/http does, against a server of its own (clients.go serve PORT) at URL.
// One line for each check: "ok NAME" or "no NAME: why".
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"time"
)

func serve(port string) {
	http.HandleFunc("/echo", func(answer http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		answer.Header().Set("X-Method", request.Method)
		for name, values := range request.Trailer {
			answer.Header().Set("X-Trailer-"+name, strings.Join(values, ","))
		}
		answer.Write(body)
	})
	http.HandleFunc("/trailers", func(answer http.ResponseWriter, request *http.Request) {
		answer.Header().Set("Trailer", "X-Checksum")
		io.WriteString(answer, "hello")
		answer.(http.Flusher).Flush()
		answer.Header().Set("X-Checksum", "abc")
	})
	http.HandleFunc("/hints", func(answer http.ResponseWriter, request *http.Request) {
		answer.Header().Set("Link", "</a.css>")
		answer.WriteHeader(http.StatusEarlyHints)
		answer.WriteHeader(http.StatusProcessing)
		io.WriteString(answer, "hinted")
	})
	http.HandleFunc("/early", func(answer http.ResponseWriter, request *http.Request) { http.Error(answer, "no", http.StatusForbidden) })
	http.HandleFunc("/large", func(answer http.ResponseWriter, request *http.Request) {
		for i := 0; i < 64; i++ {
			answer.Write(bytes.Repeat([]byte{byte(i)}, 1<<20))
		}
	})
	http.HandleFunc("/cut", func(answer http.ResponseWriter, request *http.Request) {
		answer.Header().Set("Content-Length", "100")
		io.WriteString(answer, "hello")
		answer.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	http.ListenAndServe("127.0.0.1:"+port, nil)
}

var base string
var client = &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 10 * time.Second, MaxIdleConnsPerHost: 100}, Timeout: time.Minute}

func call(request *http.Request) (*http.Response, string, error) {
	answer, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, string(body), err
}

func ask(method, path string, body io.Reader) *http.Request {
	request, _ := http.NewRequest(method, base+path, body)
	return request
}

func expect(ok bool, what ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf("not as expected: %v", what)
}

func methods() error {
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"} {
		answer, _, err := call(ask(method, "/echo", nil))
		if err != nil || answer.Header.Get("X-Method") != method {
			return fmt.Errorf("%s: %v", method, err)
		}
	}
	return nil
}

func upload() error {
	large := strings.Repeat("0123456789abcdef", 1<<18)
	_, body, err := call(ask("POST", "/echo", strings.NewReader(large)))
	return errors(err, expect(body == large))
}

func chunkedUpload() error {
	reader, writer := io.Pipe()
	go func() {
		for i := 0; i < 1000; i++ {
			fmt.Fprintf(writer, "%d ", i)
		}
		writer.Close()
	}()
	_, body, err := call(ask("POST", "/echo", reader))
	return errors(err, expect(strings.HasSuffix(body, " 998 999 ")))
}

func uploadWithTrailers() error {
	request := ask("POST", "/echo", io.NopCloser(strings.NewReader("hello")))
	request.ContentLength = -1
	request.Trailer = http.Header{"X-Checksum": {"abc"}}
	_, body, err := call(request)
	return errors(err, expect(body == "hello"))
}

func expectContinue() error {
	heard := false
	request := ask("POST", "/echo", strings.NewReader("hello"))
	request.Header.Set("Expect", "100-continue")
	request = request.WithContext(httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got100Continue: func() { heard = true }}))
	_, body, err := call(request)
	return errors(err, expect(body == "hello" && heard, body, heard))
}

func expectRefused() error {
	request := ask("POST", "/early", strings.NewReader(strings.Repeat("x", 1<<20)))
	request.Header.Set("Expect", "100-continue")
	answer, _, err := call(request)
	if err != nil {
		return err
	}
	return expect(answer.StatusCode == 403, answer.StatusCode)
}

func answeredEarly() error {
	answer, _, err := call(ask("POST", "/early", strings.NewReader(strings.Repeat("x", 1<<16))))
	if err != nil {
		return err
	}
	return expect(answer.StatusCode == 403, answer.StatusCode)
}

func trailers() error {
	answer, body, err := call(ask("GET", "/trailers", nil))
	if err != nil {
		return err
	}
	return expect(body == "hello" && answer.Trailer.Get("X-Checksum") == "abc", answer.Trailer)
}

func earlyHints() error {
	var seen []int
	trace := &httptrace.ClientTrace{Got1xxResponse: func(status int, fields textproto.MIMEHeader) error { seen = append(seen, status); return nil }}
	request := ask("GET", "/hints", nil)
	_, body, err := call(request.WithContext(httptrace.WithClientTrace(context.Background(), trace)))
	return errors(err, expect(body == "hinted" && len(seen) == 2 && seen[0] == 103 && seen[1] == 102, seen))
}

func largeDownload() error {
	_, body, err := call(ask("GET", "/large", nil))
	return errors(err, expect(len(body) == 64<<20 && body[63<<20] == 63, len(body)))
}

func cut() error {
	_, _, err := call(ask("GET", "/cut", nil))
	return expect(err != nil, "it looked whole")
}

func connectionsAreKept() error {
	reused := 0
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if info.Reused {
			reused++
		}
	}}
	for i := 0; i < 100; i++ {
		if _, _, err := call(ask("GET", "/echo", nil).WithContext(httptrace.WithClientTrace(context.Background(), trace))); err != nil {
			return err
		}
	}
	return expect(reused >= 99, reused)
}

func manyAtOnce() error {
	var group sync.WaitGroup
	var once sync.Once
	var failed error
	for i := 0; i < 500; i++ {
		group.Add(1)
		go func(text string) {
			defer group.Done()
			if _, body, err := call(ask("POST", "/echo", strings.NewReader(text))); err != nil || body != text {
				once.Do(func() { failed = fmt.Errorf("%v %q", err, body) })
			}
		}(fmt.Sprint(i))
	}
	group.Wait()
	return failed
}

func errors(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2])
		return
	}
	base = os.Args[1]
	for _, check := range []struct {
		name string
		run  func() error
	}{{"methods", methods}, {"upload of 4 MiB", upload}, {"chunked upload", chunkedUpload}, {"upload with trailers", uploadWithTrailers},
		{"100-continue", expectContinue}, {"100-continue, refused", expectRefused}, {"answered early", answeredEarly}, {"trailers", trailers},
		{"early hints", earlyHints}, {"download of 64 MiB", largeDownload}, {"a response that is cut", cut},
		{"connections are kept", connectionsAreKept}, {"500 at once", manyAtOnce}} {
		if err := check.run(); err != nil {
			fmt.Printf("no %s: %v\n", check.name, err)
		} else {
			fmt.Println("ok", check.name)
		}
	}
}
