package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// waiting is a clock whose waits call first, and end when somebody stops them.
type waiting struct {
	engine.SystemClock
	first func()
}

func (c *waiting) Sleep(ctx context.Context, _ time.Duration) error {
	c.first()
	<-ctx.Done()
	return ctx.Err()
}

// TestAConfigurationThatChangedIsTaken: its new connection runs at once; one that is wrong
// is named, and what ran goes on.
func TestAConfigurationThatChangedIsTaken(t *testing.T) {
	s := surround(t)
	a := s.app(t, s.endpoint, s.provider.URL)
	said := &testkit.Log{}
	a.Log = slog.New(slog.NewTextHandler(said, nil))
	ctx, stop := context.WithCancel(t.Context())
	changed := make(chan struct{})
	a.Clock = &waiting{first: func() { changed <- struct{}{}; changed <- struct{}{} }}
	reads := 0
	again := func() (*app.App, error) {
		if reads++; reads == 1 {
			return nil, errors.New("sluice.yaml:1: it is wrong")
		}
		text := fmt.Sprintf("workspace: {endpoint: %q, credential: none, rules: %s}\nstore: {dir: %q}\nconnections:\n", s.endpoint, s.rules, t.TempDir())
		for _, name := range []string{"first", "second"} {
			text += fmt.Sprintf("  - {connector: okta, name: %s, base_url: %q, settings: {domain: x.example, api_token: \"${env:TOKEN}\"}, start: -1h}\n", name, s.provider.URL)
		}
		next := appOf(t, text)
		waits := make(chan struct{}, 2)
		next.Clock = &waiting{first: func() {
			if waits <- struct{}{}; len(waits) == 2 {
				stop()
			}
		}}
		return next, nil
	}
	var out bytes.Buffer
	if err := (&staying{std: &stdio{out: &out}, budget: time.Minute, output: "text", open: again, changed: changed}).run(ctx, a); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"okta", "first", "second"} {
		if strings.Count(out.String(), "  "+name+"/system_log: ") != 1 {
			t.Errorf("%s did not run once:\n%s", name, &out)
		}
	}
	for _, want := range []string{"is not taken", "sluice.yaml:1: it is wrong", "is taken"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the log lacks %q: %s", want, said)
		}
	}
}

// TestWhatIsTakenForAChange: a signal, and a file that is another at a tick; not one that is
// gone for a moment, as when it is replaced.
func TestWhatIsTakenForAChange(t *testing.T) {
	hup, tick, out := make(chan os.Signal), make(chan time.Time), make(chan struct{})
	states := make(chan string, 10)
	states <- "a"
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { tell(ctx, out, hup, tick, func() string { return <-states }); close(ended) }()
	look := func(state string) {
		states <- state
		tick <- time.Time{}
	}
	look("a")
	look("")
	states <- "b"
	states <- "b" // as it is once it was told
	tick <- time.Time{}
	<-out
	look("b")
	states <- "b"
	hup <- os.Interrupt
	<-out
	select {
	case <-out:
		t.Error("a change that was none")
	default:
	}
	stop()
	<-ended
	if len(states) != 0 {
		t.Errorf("%d states were not looked at", len(states))
	}
}
