package cli

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/demo"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// TestAnHourUnderTheHost: twelve times the timers of five minutes fire, of one function
// that works, one whose provider hangs now and then, one that is half configured and one
// that is not used. In between the handler is killed as the host kills it when a function
// passes its time: with SIGKILL, and all that is under way. At the end there is nothing
// twice and nothing missing, what failed said why, and nothing else failed.
func TestAnHourUnderTheHost(t *testing.T) {
	root := unpack(t)
	s := surround(t)
	hang := make(chan struct{}, 1) // the next page is answered when the caller has gone
	hung := make(chan struct{}, 1)
	events := demo.Handler(time.Now)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
			hung <- struct{}{}
			<-r.Context().Done()
		default:
			events.ServeHTTP(w, r)
		}
	}))
	defer provider.Close()
	env := append(s.env(filepath.Join(t.TempDir(), "store")), "OKTA_BASE_URL="+provider.URL, "WIZ_CLIENT_ID=x", "WIZ_SCHEDULE=0 */5 * * * *")
	start := func() *testkit.Host {
		return testkit.StartHost(t, root, filepath.Join(root, "sluice"), []string{"serve"}, env)
	}
	payload := strings.Replace(timer, "%", "null", 1)
	h, rnd, kills := start(), rand.New(rand.NewPCG(7, 7)), 0
	for tick := range 12 {
		var all sync.WaitGroup
		if tick%4 == 1 { // hangs, and the host loses its patience
			hang <- struct{}{}
			all.Go(func() {
				if res := h.Invoke("okta", payload); res.Success || !strings.Contains(res.Why, "EOF") {
					t.Errorf("tick %d: killed, and still %+v", tick, res)
				}
			})
			<-hung
			h.Kill()
			all.Wait()
			kills++
			h = start()
		}
		for _, f := range []string{"okta", "wiz", "slack"} {
			all.Go(func() {
				res := h.Invoke(f, payload)
				switch killed := tick%4 == 3; {
				case killed && !res.Success && strings.Contains(res.Why, "EOF"):
				case killed && strings.Contains(res.Why, "connection re"):
				case f == "wiz" && strings.Contains(res.Why, "500 (wiz: configuration: "):
				case f != "wiz" && res.Success:
				default:
					t.Errorf("tick %d, %s: %+v", tick, f, res)
				}
			})
		}
		if tick%4 == 3 { // anywhere in their runs
			<-time.After(time.Duration(rnd.IntN(30)) * time.Millisecond)
			h.Kill()
			kills++
		}
		all.Wait()
		if tick%4 == 3 {
			h = start()
		}
	}
	if res := h.Invoke("okta", payload); !res.Success {
		t.Errorf("at the end: %+v", res)
	}
	res, err := s.ws.Query(t.Context(), "OktaV2_CL | summarize Rows = count(), Events = dcount(EventUid)")
	want := int64((time.Hour - time.Minute) / demo.Interval)
	if err != nil || len(res.Rows) != 1 {
		t.Fatal(res, err)
	}
	var rows, ids int64
	_, _ = fmt.Sscan(fmt.Sprint(res.Rows[0]...), &rows, &ids)
	if ids < want-2 || rows > ids+int64(kills)*1000 {
		t.Errorf("%d rows of %d events, want about %d", rows, ids, want)
	}
	for _, line := range h.Errors() {
		if !strings.HasPrefix(line, "wiz: configuration: ") && !strings.HasPrefix(line, "a connection cannot run") {
			t.Errorf("an error that is none: %s", line)
		}
	}
}
