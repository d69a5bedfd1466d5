package cli

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/azblob"
	"github.com/sluice-connectors/sluice/handler/dir"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

var kills = flag.Int("kills", 6, "how many processes to kill or to freeze, for each store")

// TestKillsLoseNothing kills the built binary at random moments while it
// collects thousands of events, freezes it until another run has taken its
// stream over, and then compares what the provider has with what arrived,
// event by event. Most of it is waiting, so both stores are tried at once.
func TestKillsLoseNothing(t *testing.T) {
	testkit.Long(t)
	t.Parallel()
	bin := filepath.Join(unpack(t), "sluice")
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		folder := t.TempDir()
		v := &victim{bin: bin, folder: t.TempDir()}
		v.kill(t, fmt.Sprintf("{dir: %q}", folder), func() (engine.Store, error) { return dir.Open(folder) })
	})
	t.Run("blobs", func(t *testing.T) {
		t.Parallel()
		conn := testkit.AzuriteConnectionString(testkit.Azurite(t))
		v := &victim{bin: bin, folder: t.TempDir(), storage: conn}
		v.kill(t, `{container: sluice, connection_string: "${env:STORAGE}"}`, func() (engine.Store, error) {
			return azblob.OpenConnectionString(t.Context(), conn, "sluice")
		})
	})
}

// victim is a configuration whose runs are killed.
type victim struct {
	bin, folder, storage string
	out                  testkit.Log
}

func (v *victim) start(t *testing.T) (cmd *exec.Cmd, done <-chan struct{}) {
	t.Helper()
	cmd = exec.Command(v.bin, "run", "--lease", "1s")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = v.folder, []string{"TOKEN=x", "HOME=" + v.folder, "STORAGE=" + v.storage}, &v.out, &v.out
	return cmd, testkit.Start(t, cmd)
}

func (v *victim) kill(t *testing.T, store string, open func() (engine.Store, error)) {
	s := surround(t)
	start := time.Now().Add(-time.Duration(max(6, *kills)) * 12 * time.Hour).UTC().Truncate(time.Second)
	cfg := fmt.Sprintf(`
workspace: {endpoint: %q, credential: none, rules: %s}
store: %s
connections:
  - {connector: okta, base_url: %q, settings: {domain: x.example, api_token: "${env:TOKEN}"}, start: %s}
`, s.endpoint, s.rules, store, s.provider.URL, start.Format(time.RFC3339))
	if err := os.WriteFile(filepath.Join(v.folder, "sluice.yaml"), []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	pause := func() <-chan time.Time { return time.After(time.Duration(30+r.IntN(170)) * time.Millisecond) }
	killed, frozen := 0, 0
	for range *kills {
		cmd, done := v.start(t)
		select {
		case <-done:
			continue
		case <-pause():
		}
		if r.IntN(3) > 0 {
			killed++
			_ = cmd.Process.Kill()
			<-done
			continue
		}
		// Frozen for longer than its lease; meanwhile another run takes over.
		frozen++
		_ = cmd.Process.Signal(syscall.SIGSTOP)
		<-time.After(1300 * time.Millisecond)
		other, otherDone := v.start(t)
		select {
		case <-otherDone:
		case <-pause():
			_ = other.Process.Signal(syscall.SIGSTOP)
			_ = cmd.Process.Signal(syscall.SIGCONT) // both at once, in the worst order
			<-pause()
			killed++
			_ = other.Process.Kill()
			<-otherDone
		}
		_ = cmd.Process.Signal(syscall.SIGCONT)
		<-pause()
		_ = cmd.Process.Kill()
		<-done
	}
	<-time.After(1100 * time.Millisecond) // the lease of the last one
	cmd, done := v.start(t)
	if <-done; !cmd.ProcessState.Success() {
		t.Fatalf("seed %d: the last run (%v): %v\n%s", seed, cmd.Args, cmd.ProcessState, v.out.String())
	}
	st, err := open()
	if err != nil {
		t.Fatal(err)
	}
	c, _, _, err := engine.LoadCheckpoint(t.Context(), st, "okta/system_log")
	if err != nil {
		t.Fatal(err)
	}
	want := providersEvents(t, s.provider.URL, start, c.Position)
	rows, arrived := arrivedEvents(t, s)
	for uid := range want {
		if !arrived[uid] {
			t.Errorf("seed %d: %s is lost", seed, uid)
		}
	}
	t.Logf("seed %d: %d killed, %d frozen, %d events, %d rows came again", seed, killed, frozen, len(want), rows-len(arrived))
	if len(arrived) != len(want) || c.Totals.Acknowledged != int64(len(want)) || !c.Totals.Balanced() {
		t.Errorf("seed %d: the provider has %d events, %d arrived, the books say %+v", seed, len(want), len(arrived), c.Totals)
	}
	// Two uploads can be in flight, and a row has at least a thousand bytes.
	if most := (killed + 2*frozen) * 2 * sentinel.MaxBatch / 1000; rows-len(arrived) > most {
		t.Errorf("seed %d: %d rows came twice, at most %d may", seed, rows-len(arrived), most)
	}
}

var nextPage = regexp.MustCompile(`<([^>]*)>; rel="next"`)

// providersEvents asks the provider itself for all events of a window.
func providersEvents(t *testing.T, provider string, from, to time.Time) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	at := provider + "/api/v1/logs?" + url.Values{"since": {from.Format(time.RFC3339Nano)}, "until": {to.Format(time.RFC3339Nano)}, "limit": {"1000"}}.Encode()
	for at != "" {
		resp, err := http.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		var page []struct{ UUID string }
		err = json.NewDecoder(resp.Body).Decode(&page)
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			all[e.UUID] = true
		}
		at = ""
		if m := nextPage.FindStringSubmatch(strings.Join(resp.Header.Values("Link"), ",")); m != nil {
			at = m[1]
		}
	}
	return all
}

// arrivedEvents asks the workspace for all its rows, in parts that it answers.
func arrivedEvents(t *testing.T, s *surroundings) (rows int, events map[string]bool) {
	t.Helper()
	events = map[string]bool{}
	for _, first := range []string{`"0","1","2","3"`, `"4","5","6","7"`, `"8","9","a","b"`, `"c","d","e","f"`} {
		res, err := s.ws.Query(t.Context(), "OktaV2_CL | where substring(EventUid, 0, 1) in ("+first+") | project EventUid")
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range res.Rows {
			var uid string
			if err := json.Unmarshal(row[0].(json.RawMessage), &uid); err != nil {
				t.Fatal(err)
			}
			events[uid] = true
		}
		rows += len(res.Rows)
	}
	return rows, events
}
