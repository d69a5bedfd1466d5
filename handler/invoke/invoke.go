// Package invoke answers the Azure Functions host as a custom handler.
//
// The protocol, as the host's source has it (Azure/azure-functions-host,
// src/WebJobs.Script/Workers/Http): the host pings GET / until anything
// answers; it posts {"Data": …, "Metadata": …}, chunked, to /<function>; the
// answer has to be 2xx, of a JSON content type, and never empty, or the run
// hangs until its time-out. Any other status makes the run a failure.
package invoke

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// Invocation is one run that the host asks for.
type Invocation struct {
	Function string
	ID       string // x-azure-functions-invocationid
	Trace    string // W3C traceparent
	Data     map[string]json.RawMessage
	Metadata map[string]json.RawMessage
}

// Attrs are what the lines of a run's log have in common, for slog: by operation_Id
// Application Insights finds them from the invocation (learn.microsoft.com, "Telemetry
// correlation": it is the trace id of W3C's traceparent).
func (in *Invocation) Attrs() []any {
	attrs := []any{"function", in.Function, "invocation", in.ID}
	if part := strings.Split(in.Trace, "-"); len(part) == 4 && len(part[1]) == 32 {
		attrs = append(attrs, "operation_Id", part[1], "operation_ParentId", part[2])
	}
	return attrs
}

// Failures are why a run failed, a line for each.
type Failures []string

func (f Failures) Error() string { return strings.Join(f, " | ") }

// Func does the work. The lines go to the function's log; an error makes the
// run a failure that shows up as one.
type Func func(ctx context.Context, in *Invocation) (logs []string, err error)

// maxBody is more than any trigger that we use sends.
const maxBody = 8 << 20

// Handler serves the host. functions are those that exist, by name.
func Handler(functions map[string]Func, log *slog.Logger) http.Handler {
	r := chi.NewRouter()
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"status": "ready"})
	})
	r.Post("/{function}", func(w http.ResponseWriter, req *http.Request) {
		name := chi.URLParam(req, "function")
		f, ok := functions[name]
		if !ok {
			answer(w, http.StatusNotFound, map[string]any{"error": fmt.Sprintf("there is no function %q here", name)})
			return
		}
		in, err := read(req)
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
			return
		}
		in.Function = name
		// The host passes no cancellation, and a lost connection is none.
		logs, err := f(context.WithoutCancel(req.Context()), in)
		if err != nil {
			fail(w, log.With(in.Attrs()...), logs, err)
			return
		}
		answer(w, http.StatusOK, response{Logs: logs})
	})
	r.NotFound(notFound)
	r.MethodNotAllowed(notFound)
	return r
}

// fail makes the run a failure. Of its answer the host shows the reason in the status
// line, in the invocation's exception, and nothing else: so that says why, and each
// failure is logged.
func fail(w http.ResponseWriter, log *slog.Logger, logs []string, err error) {
	failures, ok := err.(Failures)
	if !ok {
		failures = Failures{err.Error()}
	}
	for _, line := range failures {
		log.Error(line)
	}
	body, _ := json.Marshal(response{Outputs: map[string]any{}, Logs: append(logs, failures...)})
	conn, buf, hijacked := (net.Conn)(nil), (*bufio.ReadWriter)(nil), false
	if h, ok := w.(http.Hijacker); ok { // net/http writes its own reasons
		var err error
		conn, buf, err = h.Hijack()
		hijacked = err == nil
	}
	if !hijacked {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(body)
		return
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(buf, "HTTP/1.1 500 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", reason(failures.Error()), contentType, len(body), body)
	_ = buf.Flush()
}

// maxReason is the longest reason, in bytes.
const maxReason = 300

// reason is a text as the reason of a status line: printable ASCII in one line.
func reason(text string) string {
	text = strings.NewReplacer("…", "...", "→", "->", "–", "-", "’", "'").Replace(strings.Join(strings.Fields(text), " "))
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(text) > maxReason {
		text = text[:maxReason-3] + "..."
	}
	return text
}

const contentType = "application/json; charset=utf-8"

func notFound(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusNotFound, map[string]any{"error": "not found"})
}

// response is what the host reads.
type response struct {
	Outputs map[string]any
	Logs    []string
}

func answer(w http.ResponseWriter, code int, v any) {
	if r, ok := v.(response); ok {
		if r.Outputs == nil {
			r.Outputs = map[string]any{}
		}
		if r.Logs == nil {
			r.Logs = []string{}
		}
		v = r
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

func read(req *http.Request) (*Invocation, error) {
	in := &Invocation{ID: req.Header.Get("X-Azure-Functions-Invocationid"), Trace: req.Header.Get("Traceparent")}
	body, err := io.ReadAll(io.LimitReader(req.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the invocation: %w", err)
	case len(body) > maxBody:
		return nil, fmt.Errorf("the invocation has more than %d bytes", maxBody)
	}
	var doc struct {
		Data     map[string]json.RawMessage
		Metadata map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("the invocation is no JSON: %w", err)
	}
	in.Data, in.Metadata = doc.Data, doc.Metadata
	return in, nil
}

// Timer is what a timer trigger tells.
type Timer struct {
	PastDue bool
	Last    time.Time // zero: never, or not monitored
	Next    time.Time // the occurrence that runs now
}

// Timer reads the timer binding called name. A missing status, and the year 1
// with or without an offset, mean that there was no run before.
func (in *Invocation) Timer(name string) (Timer, error) {
	var t struct {
		IsPastDue      bool
		ScheduleStatus *struct{ Last, Next string }
	}
	raw, ok := in.Data[name]
	if !ok {
		return Timer{}, fmt.Errorf("the invocation has no timer %q", name)
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return Timer{}, fmt.Errorf("timer %q: %w", name, err)
	}
	out := Timer{PastDue: t.IsPastDue}
	if t.ScheduleStatus != nil {
		out.Last, out.Next = hostTime(t.ScheduleStatus.Last), hostTime(t.ScheduleStatus.Next)
	}
	return out, nil
}

// hostTime reads a time as .NET writes it; the year 1 is no time.
func hostTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.9999999"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 1 {
			return t.UTC()
		}
	}
	return time.Time{}
}

// Text reads a value that the host may have encoded once or twice: queue text
// arrives as a JSON string that itself contains JSON.
func (in *Invocation) Text(name string) (string, error) {
	raw, ok := in.Data[name]
	if !ok {
		return "", fmt.Errorf("the invocation has no %q", name)
	}
	var once, twice string
	if err := json.Unmarshal(raw, &once); err != nil {
		return string(raw), nil // an object, sent as it is
	}
	if strings.HasPrefix(once, `"`) && json.Unmarshal([]byte(once), &twice) == nil {
		return twice, nil
	}
	return once, nil
}
