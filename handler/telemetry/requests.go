package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Through is next with a span for each request; cover takes secrets out of an address.
// The one who is asked is told nothing of the trace. Nil stays out of the way.
func (t *Telemetry) Through(next http.RoundTripper, cover func(string) string) http.RoundTripper {
	if t == nil || t.tracer == nil {
		return next
	}
	return &requests{next, t.tracer, cover}
}

type requests struct {
	next   http.RoundTripper
	tracer trace.Tracer
	cover  func(string) string
}

// RoundTrip implements http.RoundTripper. Names and attributes are those of
// opentelemetry.io, "Semantic conventions for HTTP spans", for a client.
func (r *requests) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, span := r.tracer.Start(req.Context(), req.Method, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	if span.IsRecording() {
		span.SetAttributes(r.asked(req)...)
	}
	resp, err := r.next.RoundTrip(req.WithContext(ctx))
	switch {
	case err != nil: // its text may hold anything
		failed(span, kindOf(err))
	case resp.StatusCode >= http.StatusBadRequest:
		failed(span, strconv.Itoa(resp.StatusCode))
	}
	if err == nil {
		span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	}
	return resp, err
}

// asked says what is asked for: the address has no query, and no secret.
func (r *requests) asked(req *http.Request) []attribute.KeyValue {
	at := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}
	list := []attribute.KeyValue{attribute.String("http.request.method", req.Method), attribute.String("url.full", r.cover(at.String())),
		attribute.String("server.address", r.cover(at.Hostname()))}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		port = map[string]int{"http": 80, "https": 443}[at.Scheme]
	}
	return append(list, attribute.Int("server.port", port))
}

func failed(span trace.Span, kind string) {
	span.SetAttributes(attribute.String("error.type", kind))
	span.SetStatus(codes.Error, "")
}

// kindOf is what kind of error kept an answer away.
func kindOf(err error) string {
	var slow interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &slow) && slow.Timeout():
		return "timeout"
	}
	return fmt.Sprintf("%T", err)
}
