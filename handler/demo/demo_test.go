package demo

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"
	"time"
)

// TestEveryEventIsListedOnceWhateverTheWindows: the events of a range are the
// same in one listing, in pages, and in two adjoining windows.
func TestEveryEventIsListedOnceWhateverTheWindows(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	srv := httptest.NewServer(Handler(func() time.Time { return noon }))
	defer srv.Close()
	list := func(from, to time.Time, limit string) (ids []string) {
		next := srv.URL + "/api/v1/logs?" + url.Values{"since": {from.Format(time.RFC3339Nano)}, "until": {to.Format(time.RFC3339Nano)}, "limit": {limit}}.Encode()
		for next != "" {
			resp, err := http.Get(next)
			if err != nil {
				t.Fatal(err)
			}
			var events []event
			err = json.NewDecoder(resp.Body).Decode(&events)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if e.Published.Before(from) || !e.Published.Before(to) {
					t.Errorf("event of %v in the window from %v to %v", e.Published, from, to)
				}
				ids = append(ids, e.UUID)
			}
			next = ""
			if m := regexp.MustCompile(`<(.*)>; rel="next"`).FindStringSubmatch(resp.Header.Get("Link")); m != nil {
				next = m[1]
			}
		}
		return ids
	}
	from, mid := noon.Add(-time.Hour), noon.Add(-17*time.Minute-3*time.Millisecond)
	whole := list(from, noon, "1000")
	paged := list(from, noon, "10")
	split := append(list(from, mid, "1000"), list(mid, noon, "1000")...)
	seen := map[string]bool{}
	for i, id := range whole {
		if seen[id] || paged[i] != id || split[i] != id {
			t.Fatalf("event %d differs or repeats", i)
		}
		seen[id] = true
	}
	if len(whole) < 500 || len(paged) != len(whole) || len(split) != len(whole) {
		t.Errorf("%d, %d and %d events", len(whole), len(paged), len(split))
	}
	if future := list(noon, noon.Add(time.Hour), "1000"); len(future) != 0 {
		t.Errorf("%d events of the future", len(future))
	}
}
