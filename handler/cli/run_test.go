package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// impatient is a clock whose waits are over at once, the last of them because
// somebody stops the program.
type impatient struct {
	engine.SystemClock
	waits int
	stop  context.CancelFunc
}

func (c *impatient) Sleep(ctx context.Context, _ time.Duration) error {
	if c.waits--; c.waits == 0 {
		c.stop()
	}
	return ctx.Err()
}

// TestRunWithAScheduleStays: three runs on schedule, a line of JSON for each, and an
// end without an error.
func TestRunWithAScheduleStays(t *testing.T) {
	s := surround(t)
	a := s.app(t, s.endpoint, s.provider.URL)
	ctx, stop := context.WithCancel(t.Context())
	a.Clock = &impatient{waits: 3, stop: stop}
	var out bytes.Buffer
	if err := (&staying{std: &stdio{out: &out}, budget: time.Minute, output: "json"}).run(ctx, a); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), &out)
	}
	for _, l := range lines {
		var rep engine.Report
		if err := json.Unmarshal([]byte(l), &rep); err != nil || rep.Outcome != engine.OK || rep.Stream != "system_log" {
			t.Errorf("%s: %v", l, err)
		}
	}
}

// asking is a clock that calls ask when somebody waits, and then stops the program.
type asking struct {
	engine.SystemClock
	ask func()
}

func (c *asking) Sleep(ctx context.Context, _ time.Duration) error {
	c.ask()
	return ctx.Err()
}

// TestAProcessThatStaysCanBeWatched: on this machine by its own name only, and elsewhere
// it serves nothing else.
func TestAProcessThatStaysCanBeWatched(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", ":0"} {
		s := surround(t)
		a := s.app(t, s.endpoint, s.provider.URL)
		ctx, stop := context.WithCancel(t.Context())
		said := &testkit.Log{}
		a.Log = slog.New(slog.NewTextHandler(said, nil))
		get := func(path, host string) (int, string) {
			address := regexp.MustCompile(`address=http://\S*:(\d+)`).FindStringSubmatch(said.String())
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+address[1]+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return resp.StatusCode, string(body)
		}
		local := at != ":0"
		a.Clock = &asking{ask: func() {
			defer stop()
			for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ok\n", "/metrics": `sluice_runs_total{connection="okta",connector="okta",outcome="ok",reason="",stream="system_log"} 1`} {
				if code, text := get(path, ""); code != http.StatusOK || !strings.Contains(text, want) {
					t.Errorf("%s%s: %d %s", at, path, code, text)
				}
			}
			if code, _ := get("/metrics", "evil.example"); (code == http.StatusForbidden) != local {
				t.Errorf("%s: by another name %d", at, code)
			}
			if code, _ := get("/debug/pprof/", ""); (code == http.StatusOK) != local {
				t.Errorf("%s: profiles %d", at, code)
			}
			if code, _ := get("/", ""); code != http.StatusNotFound {
				t.Errorf("%s: / %d", at, code)
			}
		}}
		if err := (&staying{std: &stdio{out: io.Discard}, watched: watching{listen: at, profile: local}, budget: time.Minute, output: "json"}).run(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhoStopsARunIsToldThatItTakesAMoment, and nobody else is.
func TestWhoStopsARunIsToldThatItTakesAMoment(t *testing.T) {
	said := &testkit.Log{}
	ctx, cancel := context.WithCancel(t.Context())
	stop := sayStopping(ctx, &stdio{err: said})
	stop()
	cancel()
	if said.String() != "" {
		t.Errorf("a run that has ended is stopped: %s", said)
	}
	sayStopping(ctx, &stdio{err: said})
	for !strings.Contains(said.String(), "a second signal ends it at once\n") {
		<-time.After(time.Millisecond)
	}
}
