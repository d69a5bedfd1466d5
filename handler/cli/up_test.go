package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sluice-connectors/sluice/handler/gallery"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// instance is a running `sluice up`.
type instance struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended <-chan struct{}
	addr  string
	out   *testkit.Log
}

// startUp runs `sluice up` as a process of its own, in folder dir.
func startUp(t *testing.T, bin, dir string) *instance {
	t.Helper()
	port := testkit.FreePort(t)
	u := &instance{t: t, cmd: exec.Command(bin, "up", "--port", port), addr: "http://127.0.0.1:" + port, out: &testkit.Log{}}
	u.cmd.Dir = dir
	u.cmd.Env = []string{"HOME=" + dir, "PATH=/nowhere"}
	u.cmd.Stdout, u.cmd.Stderr = u.out, u.out
	u.ended = testkit.Start(t, u.cmd)
	testkit.WaitForPort(t, port)
	return u
}

// page reads /api/status until ready says that it shows what is waited for.
func (u *instance) page(ready func(*gallery.Page) bool) *gallery.Page {
	u.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		resp, err := http.Get(u.addr + "/api/status")
		if err != nil {
			continue
		}
		p := new(gallery.Page)
		err = json.NewDecoder(resp.Body).Decode(p)
		resp.Body.Close()
		if err == nil && ready(p) {
			return p
		}
	}
	u.t.Fatal("the page did not show it: ", u.out.String())
	return nil
}

// query runs a query at the instance's workspace.
func (u *instance) query(kql string) string {
	u.t.Helper()
	body, _ := json.Marshal(map[string]string{"query": kql})
	resp, err := http.Post(u.addr+"/v1/workspaces/local/query", "application/json", bytes.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct {
		Tables []struct{ Rows json.RawMessage }
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil || len(doc.Tables) != 1 {
		u.t.Fatal("no answer", err)
	}
	return string(doc.Tables[0].Rows)
}

func collected(p *gallery.Page) bool {
	return len(p.Streams) == 1 && p.Streams[0].State == "ok" && p.Streams[0].Rows > 12_000
}

// TestUpCollectsAtOnceAndResumes is the newcomer's first command, stopped with
// Ctrl-C, killed without a word, and started again.
func TestUpCollectsAtOnceAndResumes(t *testing.T) {
	bin := filepath.Join(unpack(t), "sluice")
	dir := t.TempDir()
	u := startUp(t, bin, dir)
	first := u.page(collected).Streams[0].Rows
	if !strings.Contains(u.out.String(), "is up") || !strings.Contains(u.out.String(), "demo provider (no account needed)") {
		t.Errorf("it says: %s", u.out.String())
	}
	_ = u.cmd.Process.Signal(os.Interrupt)
	<-u.ended
	if !u.cmd.ProcessState.Success() || !strings.Contains(u.out.String(), "Stopped. Start again") {
		t.Errorf("Ctrl-C: %v, %s", u.cmd.ProcessState, u.out.String())
	}
	u = startUp(t, bin, dir)
	u.page(func(p *gallery.Page) bool { return collected(p) && p.Streams[0].Repeated > 0 })
	_ = u.cmd.Process.Signal(syscall.SIGKILL)
	<-u.ended
	u = startUp(t, bin, dir)
	u.page(func(p *gallery.Page) bool { return collected(p) && p.Streams[0].Rows >= first })
	var counts [][]int64
	if err := json.Unmarshal([]byte(u.query("OktaV2_CL | summarize count(), dcount(EventUid)")), &counts); err != nil || counts[0][0] != counts[0][1] || counts[0][0] < first {
		t.Errorf("rows and events after two restarts: %v, %v", counts, err)
	}
}

// TestUpRunsAConnectorOfOnesOwn: a connector.yaml that is not part of the
// program, named in sluice.yaml, gets its table in the workspace on this machine. A
// connection that cannot run is named beside it.
func TestUpRunsAConnectorOfOnesOwn(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `[{"id":"e1","at":%q,"who":"ada"}]`, r.URL.Query().Get("from"))
	}))
	defer provider.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"acme.yaml": `
name: acme
title: Acme
publisher: Acme
support: {tier: community}
description: A connector of one's own.
base_url: https://acme.example
auth: {type: none}
streams:
  - name: events
    request: {path: /events, query: {from: "{window.from}", to: "{window.to}"}}
    records: $
    position: {type: window, time: at, id: id, order: ascending, granularity: 1ms, bounds: "[)", lag: 1s, overlap: 1m, retention: 30d}
    table: Acme_CL
tables:
  - name: Acme_CL
    columns: [{name: TimeGenerated, type: datetime, kql: todatetime(at)}, {name: Who, type: string, kql: who}]
`,
		"sluice.yaml": "connections:\n  - {connector: ./acme.yaml, base_url: \"" + provider.URL + "\", start: -1h}\n" +
			"  - {connector: okta, name: contoso, settings: {domain: contoso.okta.com, api_token: \"${env:NOPE}\"}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	u := startUp(t, filepath.Join(unpack(t), "sluice"), dir)
	u.page(func(p *gallery.Page) bool {
		return len(p.Streams) == 2 && p.Streams[0].State == "ok" && p.Streams[0].Rows == 1 && p.Streams[1].Reason == "configuration"
	})
	if !strings.Contains(u.out.String(), "not         from contoso, which cannot run as configured: sluice.yaml:3:") {
		t.Errorf("it says: %s", u.out.String())
	}
	if got := u.query("Acme_CL | project Who, EventUid"); got != `[["ada","e1"]]` {
		t.Errorf("rows %s", got)
	}
}

// TestThePageShowsWhatHappens looks at the page in a real browser.
func TestThePageShowsWhatHappens(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed; scripts/test does that where it can")
	}
	u := startUp(t, filepath.Join(unpack(t), "sluice"), t.TempDir())
	u.page(collected)
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.WindowSize(1280, 1400),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	actx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	defer cancel()
	ctx, cancel := chromedp.NewContext(actx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = chromedp.Do(ctx, chromedp.Navigate(u.addr), chromedp.WaitVisible("#page table"))
	_, err0 := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.querySelector("summary").click(), true`))
	text, err1 := chromedp.Run(ctx, chromedp.Text("body"))
	shot, err2 := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	wide, err3 := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
	if err := errors.Join(err, err0, err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"This is a demo", "demo", "system_log", "OktaV2_CL", "ok", "Latest rows", "Okta Single Sign-On", "GitHub audit log", "OKTA_API_TOKEN", `"EventUid"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	if wide {
		t.Error("the page is wider than the window")
	}
	if path := os.Getenv("SLUICE_SCREENSHOT"); path != "" {
		if err := os.WriteFile(path, shot, 0o644); err != nil {
			t.Error(err)
		}
	}
}

func TestATakenPortSaysWhatToDo(t *testing.T) {
	u := startUp(t, filepath.Join(unpack(t), "sluice"), t.TempDir())
	var out, errOut bytes.Buffer
	port := u.addr[strings.LastIndexByte(u.addr, ':')+1:]
	code := Run([]string{"up", "--dir", t.TempDir(), "--port", port}, nil, &out, &errOut)
	if code != 1 || !strings.Contains(errOut.String(), "another process has the port: stop it, or choose another with --port") {
		t.Errorf("exit %d: %s", code, errOut.String())
	}
}
