package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/connectortest"
	"github.com/sluice-connectors/sluice/handler/demo"
	"github.com/sluice-connectors/sluice/handler/dir"
	"github.com/sluice-connectors/sluice/handler/engine"
)

// TestKillsLoseNothing kills the built binary at random moments while it
// collects, and then asks whether every event of the provider arrived, whether
// the books say so, and how much came twice.
func TestKillsLoseNothing(t *testing.T) {
	bin := filepath.Join(unpack(t), "sluice")
	s := surround(t)
	folder := t.TempDir()
	start := time.Now().Add(-3 * 24 * time.Hour).UTC().Truncate(time.Second)
	cfg := fmt.Sprintf(`
workspace: {endpoint: %q, credential: none, rules: %s}
store: {dir: %q}
connections:
  - {connector: okta, base_url: %q, settings: {domain: x.example, api_token: "${env:TOKEN}"}, start: %s}
`, s.endpoint, s.rules, filepath.Join(folder, "store"), s.provider.URL, start.Format(time.RFC3339))
	if err := os.WriteFile(filepath.Join(folder, "sluice.yaml"), []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	kills := 0
	for range 12 {
		var out connectortest.Log
		cmd := exec.Command(bin, "run")
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = folder, []string{"TOKEN=x", "HOME=" + folder}, &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-time.After(time.Duration(30+r.IntN(400)) * time.Millisecond):
			kills++
			_ = cmd.Process.Kill()
			<-done
		case err := <-done:
			if err != nil {
				t.Fatalf("run: %v\n%s", err, out.String())
			}
		}
	}
	cmd := exec.Command(bin, "run")
	cmd.Dir, cmd.Env = folder, []string{"TOKEN=x", "HOME=" + folder}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "caught up") {
		t.Fatalf("the last run: %v\n%s", err, out)
	}
	store, err := dir.Open(filepath.Join(folder, "store"))
	if err != nil {
		t.Fatal(err)
	}
	c, _, _, err := engine.LoadCheckpoint(t.Context(), store, "okta/system_log")
	if err != nil {
		t.Fatal(err)
	}
	want := demo.Number(c.Position) - demo.Number(start)
	res, err := s.ws.Query("OktaV2_CL | summarize Rows = count(), Events = dcount(EventUid)")
	if err != nil {
		t.Fatal(err)
	}
	var got [][]int64
	text, err := json.Marshal(res.Rows)
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	rows, events := got[0][0], got[0][1]
	t.Logf("seed %d: %d kills, %d events, %d came twice", seed, kills, events, rows-events)
	if events != want || c.Totals.Acknowledged != want || !c.Totals.Balanced() {
		t.Errorf("seed %d: the provider has %d events, %d arrived, the books say %+v", seed, want, events, c.Totals)
	}
	// Two uploads can be in flight, and a row has at least a thousand bytes.
	if most := int64(kills * 2 * engine.MaxBatch / 1000); rows-events > most {
		t.Errorf("seed %d: %d rows came twice, at most %d may", seed, rows-events, most)
	}
}
