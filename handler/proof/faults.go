package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// fault is what goes wrong with a call, and how long the call takes.
type fault struct {
	name   string
	before error                            // it fails without effect
	answer func(*httptest.ResponseRecorder) // this is answered instead; without effect
	change func(*http.Response)             // the answer is changed on its way; with effect
	after  error                            // the answer is lost; with effect
	delay  time.Duration
}

var errReset = errors.New("simulated: connection reset by peer")

// fault decides what happens to a request to a service.
func (w *World) fault(service string, req *http.Request) fault {
	if host := req.URL.Host; host != w.host(service) {
		w.oracle.problem("security: a request left for %s", host)
	}
	// To the nanosecond, so that no two calls end at once: which of them goes on
	// first would not follow from the seed.
	f := fault{delay: 5*time.Millisecond + time.Duration(w.rng.Int64N(int64(200*time.Millisecond)))}
	if w.calm.Load() {
		return f
	}
	var pick fault
	switch out := w.out(service); {
	case out:
		pick = fault{name: "outage", before: errReset}
	case service == "provider" && w.rng.Float64() < w.ProviderFaults:
		pick = w.providerFault(req)
	case service == "store" && w.rng.Float64() < w.StoreFaults:
		pick = w.storeFault(req)
	case service == "sink" && w.out("rule"):
		pick = respond("every row refused", 400, `{"error":{"code":"InvalidStream","message":"the stream is not configured on this rule"}}`, "Date", w.provider.now().Format(http.TimeFormat))
	case service == "sink" && w.rng.Float64() < w.SinkFaults:
		pick = w.sinkFault()
	default:
		return f
	}
	pick.delay += f.delay
	w.faults[service+": "+pick.name]++
	return pick
}

func (w *World) host(service string) string {
	switch service {
	case "provider":
		return w.API.host()
	case "store":
		return "sim.blob.core.windows.net"
	}
	return "sim.ingest.monitor.azure.com"
}

// out reports whether a service has an outage now.
func (w *World) out(service string) bool {
	since := time.Since(w.began)
	for _, o := range w.Outages {
		if o.Service == service && since >= o.From && since < o.To {
			return true
		}
	}
	return false
}

// respond is a fault that answers with a status, headers and a body.
func respond(name string, status int, body string, headers ...string) fault {
	return fault{name: name, answer: func(rec *httptest.ResponseRecorder) {
		for i := 0; i < len(headers); i += 2 {
			rec.Header().Set(headers[i], headers[i+1])
		}
		rec.WriteHeader(status)
		_, _ = rec.WriteString(body)
	}}
}

// cut ends the body of an answer early: with an error, as when a connection
// breaks, or without one.
func cut(name string, failing bool) fault {
	return fault{name: name, change: func(resp *http.Response) {
		data, _ := io.ReadAll(resp.Body)
		var r io.Reader = bytes.NewReader(data[:len(data)/2])
		if failing {
			r = io.MultiReader(r, failingReader{})
		}
		resp.Body, resp.ContentLength = io.NopCloser(r), -1
	}}
}

// stop has nothing more come after half of an answer, as when the other end is gone.
func stop(resp *http.Response) {
	data, _ := io.ReadAll(resp.Body)
	ctx := resp.Request.Context()
	resp.Body, resp.ContentLength = io.NopCloser(io.MultiReader(bytes.NewReader(data[:len(data)/2]), waitingReader{ctx})), -1
}

type waitingReader struct{ ctx context.Context }

func (r waitingReader) Read([]byte) (int, error) {
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func (w *World) seconds(most int) string { return strconv.Itoa(1 + w.rng.IntN(most)) }

func (w *World) providerFault(req *http.Request) fault {
	paged := w.API.token(req) != ""
	date := time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat)
	all := []fault{
		{name: "refused", before: errReset},
		{name: "answer lost", after: errReset},
		{name: "slow", delay: time.Duration(2+w.rng.IntN(150)) * time.Second},
		respond("429 with seconds", 429, "{}", "Retry-After", w.seconds(90)),
		respond("429 with a date", 429, "{}", "Retry-After", date),
		respond("429 with a reset time", 429, "{}", "X-Rate-Limit-Limit", "60", "X-Rate-Limit-Remaining", "0", "X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Unix()+20, 10)),
		respond("429", 429, ""),
		respond("403 with the quota used up", 403, "{}", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", strconv.FormatInt(time.Now().Unix()+45, 10)),
		respond("403 for a secondary limit", 403, `{"message":"You have exceeded a secondary rate limit."}`),
		respond("429 with a reset in milliseconds", 429, "{}", "X-RateLimit-Reset", strconv.FormatInt(time.Now().UnixMilli()+20_000, 10)),
		respond("503 with seconds", 503, "", "Retry-After", w.seconds(20)),
		respond("500", 500, "<html>oops</html>"),
		respond("502", 502, "<html>bad gateway</html>", "Content-Type", "text/html"),
		respond("401", 401, `{"error":"invalid token"}`),
		respond("a page of HTML", 200, "<html>maintenance</html>", "Content-Type", "text/html"),
		respond("no JSON", 200, `{"items":[{"id":"x",]}`),
		respond("redirect to elsewhere", 302, "", "Location", "https://evil.example"+req.URL.RequestURI()),
		cut("connection broken", true),
		cut("body cut off", false),
		{name: "answer that stops in its middle", change: stop},
		w.API.nextPage("next page is elsewhere", "https://evil.example/next?a=b"),
	}
	all = append(all, w.wrongShapes(req)...)
	if paged {
		all = append(all,
			respond("token expired", 410, `{"error":"cursor expired"}`),
			respond("token unknown", 400, `{"error":"cursor unknown"}`),
			respond("token of no use", 422, `{"error":"cursor is not valid"}`),
			respond("token too long", 414, ""),
			w.API.nextPage("next page is this one", req.URL.RequestURI()))
	}
	return all[w.rng.IntN(len(all))]
}

// wrongShapes are answers of status 200 that are not what was asked for.
func (w *World) wrongShapes(req *http.Request) []fault {
	list := []fault{respond("200 without a byte", 200, "")}
	if w.API.lists(req) {
		list = append(list,
			respond("200 with an error", 200, `{"errorCode":"E0000009","errorSummary":"Internal Server Error"}`, "Content-Type", "application/json"),
			respond("200 with an empty object", 200, "{}", "Content-Type", "application/json"),
			respond("200 with false", 200, "false", "Content-Type", "application/json"),
			amend("an error behind the records", func(body []byte) []byte { return append(body, "\n{\"error\":\"timed out\"}"...) }))
	}
	if w.API.stream().Paging.Total != "" {
		list = append(list, amend("no records, and a total", func(body []byte) []byte {
			before, _, _ := bytes.Cut(body, []byte(`"items":[`))
			return append(before, `"items":[]}`...)
		}))
	}
	return list
}

// amend changes the body of an answer on its way.
func amend(name string, how func([]byte) []byte) fault {
	return fault{name: name, change: func(resp *http.Response) {
		data, _ := io.ReadAll(resp.Body)
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(how(data))), -1
	}}
}

func (w *World) storeFault(req *http.Request) fault {
	all := []fault{
		{name: "refused", before: errReset},
		{name: "answer lost", after: errReset},
		{name: "slow", delay: time.Duration(2+w.rng.IntN(90)) * time.Second},
		blobError("503", 503, "ServerBusy"),
		blobError("500", 500, "InternalError"),
		blobError("403", 403, "AuthorizationFailure"),
	}
	if req.Method == http.MethodGet {
		all = append(all, cut("connection broken", true))
	}
	return all[w.rng.IntN(len(all))]
}

func blobError(name string, status int, code string) fault {
	return respond(name, status, fmt.Sprintf("<?xml version=\"1.0\"?><Error><Code>%s</Code></Error>", code), "x-ms-error-code", code, "Content-Type", "application/xml")
}

func (w *World) sinkFault() fault {
	all := []fault{
		{name: "refused", before: errReset},
		{name: "accepted, answer lost", after: errReset},
		{name: "slow", delay: time.Duration(2+w.rng.IntN(80)) * time.Second},
		respond("429", 429, "{}"),
		respond("429 with seconds", 429, "{}", "Retry-After", w.seconds(60)),
		respond("500", 500, "{}"),
		respond("503", 503, "{}"),
		respond("403", 403, `{"error":{"code":"OperationFailed"}}`),
		respond("413", 413, `{"error":{"code":"ContentLengthLimitExceeded"}}`),
	}
	return all[w.rng.IntN(len(all))]
}

// folderFault is what goes wrong with a call of a store in a folder.
func (w *World) folderFault() fault {
	f := fault{delay: time.Millisecond + time.Duration(w.rng.Int64N(int64(20*time.Millisecond)))}
	if w.calm.Load() || !w.out("store") && w.rng.Float64() >= w.StoreFaults {
		return f
	}
	full := errors.New("simulated: no space left on device")
	switch w.rng.IntN(3) {
	case 0:
		f.name, f.before = "disk full", full
	case 1:
		f.name, f.after = "failed after it took effect", full
	default:
		f.name, f.delay = "slow", time.Minute
	}
	w.faults["store: "+f.name]++
	return f
}

// link is how a Link header names the next page.
func link(url string) string {
	return fmt.Sprintf("<%s>; rel=\"next\"", strings.ReplaceAll(url, ">", "%3E"))
}
