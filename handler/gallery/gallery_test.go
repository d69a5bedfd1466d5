package gallery

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWhatProvidersSayIsShownAsText(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	p := &Page{Now: now, Streams: []Stream{{Connection: "c", State: "failed", Message: `<script>alert(1)</script>`, LastEvent: now.Add(-90 * time.Second), Position: now.Add(-3 * time.Hour)}},
		Latest: []Row{{Table: "T_CL", Text: `"><img src=x onerror=alert(1)>`, JSON: json.RawMessage(`{"a":"</pre><script>"}`)}}}
	h := Handler(func(context.Context) (*Page, error) { return p, nil })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	body := w.Body.String()
	for _, bad := range []string{"<script>alert", "<img", "</pre><script>"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q as markup", bad)
		}
	}
	if p := w.Header().Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || !strings.Contains(p, "frame-ancestors 'none'") {
		t.Error(p)
	}
	for _, want := range []string{"&lt;script&gt;alert(1)", "90 s ago", "2026-11-22 09:00 UTC", `class="state failed"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/api/status", nil))
	var back Page
	if err := json.Unmarshal(w.Body.Bytes(), &back); err != nil || len(back.Streams) != 1 {
		t.Errorf("%s: %v", w.Body, err)
	}
}
