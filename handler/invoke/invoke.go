// Package invoke answers the Azure Functions host as a custom handler.
//
// The protocol, as the host's source has it (Azure/azure-functions-host,
// src/WebJobs.Script/Workers/Http): the host pings GET / until anything
// answers; it posts {"Data": …, "Metadata": …}, chunked, to /<function>; the
// answer has to be 2xx, of a JSON content type, and never empty, or the run
// hangs until its time-out. Any other status makes the run a failure.
package invoke

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
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
			log.Error("run failed", "function", name, "invocation", in.ID, "error", err)
			answer(w, http.StatusInternalServerError, response{Logs: append(logs, err.Error())})
			return
		}
		answer(w, http.StatusOK, response{Logs: logs})
	})
	r.NotFound(notFound)
	r.MethodNotAllowed(notFound)
	return r
}

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
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
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
