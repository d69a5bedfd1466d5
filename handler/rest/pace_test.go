package rest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// TestOurShareIsKept: what answers tell of a limit, and how long nothing is asked
// for then.
func TestOurShareIsKept(t *testing.T) {
	for _, x := range []struct {
		limit, left, reset string
		wait               time.Duration
	}{
		{"100", "49", "30", 30 * time.Second},
		{"100", "51", "30", 0},
		{"100", "49", "1795348830000", 31 * time.Second},
		{"100", "49", "7200", time.Hour},
		{"100", "49", "604800", 0},
		{"100", "0", "604800", 0},
		{"100", "49", "", 0},
		{"", "49", "30", 0},
		{"", "0", "30", 30 * time.Second},
		{"100", "-1", "30", 0},
		{"100", "NaN", "30", 0},
		{"-1", "0", "30", 30 * time.Second},
		{"Inf", "49", "30", 0},
		{"0", "0", "30", 0},
		{"100, 100;w=60", "49", "30", 0},
	} {
		now := noon
		s := authSource(t, "{type: none}", func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range map[string]string{"RateLimit-Limit": x.limit, "RateLimit-Remaining": x.left, "RateLimit-Reset": x.reset} {
				w.Header().Set(k, v)
			}
			_, _ = io.WriteString(w, `[]`)
		}, func(o *Options) { o.Now = func() time.Time { return now } })
		s.c.Limits.Share = 0.5
		fetchOK(t, s)
		_, err := s.Fetch(t.Context(), window, "")
		e := new(engine.Error)
		if errors.As(err, &e); e.Wait != x.wait || (x.wait > 0) != (e.Reason == engine.RateShare) {
			t.Errorf("%+v: %v (%s)", x, err, e.Wait)
		}
		now = now.Add(x.wait) // then it is asked, once
		fetchOK(t, s)
	}
}

// TestALimitWithStatus200: where the connector says what a success looks like.
func TestALimitWithStatus200(t *testing.T) {
	for body, want := range map[string]string{`{"ok":false,"error":"ratelimited"}`: "throttled", `{"ok":false,"error":"team_disabled"}`: "provider_error"} {
		a := newAPI(t, map[string]any{"GET /data": body})
		_, err := a.open(t, declared(t, "", "success: {at: $.ok, is: \"true\"}\n"+strings.Replace(listStream, "records: $", "records: $.items", 1))).Fetch(t.Context(), window, "")
		e := new(engine.Error)
		if errors.As(err, &e); e.Reason != want || want == "throttled" && e.Wait != time.Minute {
			t.Errorf("%s: %v (%s)", body, err, e.Wait)
		}
	}
}
