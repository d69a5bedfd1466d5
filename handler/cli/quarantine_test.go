package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// TestQuarantineFromRejectionToReplay: the service rejects one record of many;
// the others arrive, the one is kept, shown, sent again and gone.
func TestQuarantineFromRejectionToReplay(t *testing.T) {
	var mended atomic.Bool
	var rows atomic.Int64
	ingestion := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return // asked what time it is
		}
		gz, err := gzip.NewReader(r.Body)
		var body bytes.Buffer
		if err == nil {
			_, err = body.ReadFrom(gz)
		}
		switch {
		case err != nil:
			t.Error(err)
		case bytes.Contains(body.Bytes(), []byte("poison")) && !mended.Load():
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		rows.Add(int64(bytes.Count(body.Bytes(), []byte(`"EventUid"`))))
		w.WriteHeader(http.StatusNoContent)
	}))
	defer ingestion.Close()
	long := strings.Repeat("é", 40_000)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "[")
		for i := range 50 {
			fmt.Fprintf(w, `{"uuid":"r%d","published":%q,"displayMessage":"fine"},`, i, r.URL.Query().Get("since"))
		}
		fmt.Fprintf(w, `{"uuid":"bad","displayMessage":"poison"},{"uuid":"long","displayMessage":%q}]`, long)
	}))
	defer provider.Close()

	dir := t.TempDir()
	t.Setenv("TOKEN", "x")
	cfg := filepath.Join(dir, "sluice.yaml")
	text := fmt.Sprintf(`
workspace: {endpoint: %q, credential: none, rules: {OktaV2_CL: {id: dcr-00000000000000000000000000000000, stream: Custom-OktaV2_CL}}}
store: {dir: %q}
connections:
  - {connector: okta, base_url: %q, settings: {domain: x.example, api_token: "${env:TOKEN}"}}
`, ingestion.URL, filepath.Join(dir, "store"), provider.URL)
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sluice := func(wantCode int, args ...string) string {
		t.Helper()
		var out, errOut bytes.Buffer
		if code := Run(append(args, "--config", cfg), nil, &out, &errOut); code != wantCode {
			t.Fatalf("sluice %v: exit code %d, want %d\n%s%s", args, code, wantCode, &out, &errOut)
		}
		return out.String()
	}
	if out := sluice(0, "run"); !strings.Contains(out, "51 rows to OktaV2_CL, 1 in quarantine") || !strings.Contains(out, "1 with a text cut") || rows.Load() != 51 {
		t.Errorf("%d rows arrived; %s", rows.Load(), out)
	}
	list := sluice(0, "quarantine", "list")
	id := regexp.MustCompile(`(okta/system_log/\w+)  rejected_400`).FindStringSubmatch(list)
	original := regexp.MustCompile(`(okta/system_log/\w+)  truncated`).FindStringSubmatch(list)
	if id == nil || original == nil {
		t.Fatalf("quarantine:\n%s", list)
	}
	if out := sluice(0, "quarantine", "show", id[1]); strings.TrimSpace(out) != `{"uuid":"bad","displayMessage":"poison"}` {
		t.Errorf("the original is %s", out)
	}
	if out := sluice(0, "quarantine", "show", original[1]); !strings.Contains(out, long) {
		t.Error("the original of the row with a text cut is not whole")
	}
	if out := sluice(exitBehind, "quarantine", "replay"); !strings.Contains(out, "stays: ") {
		t.Errorf("replay before the cause is mended: %s", out)
	}
	mended.Store(true)
	if out := sluice(0, "quarantine", "replay"); !strings.Contains(out, "1 sent, 0 left in quarantine; 1 are originals") || rows.Load() != 52 {
		t.Errorf("%d rows arrived; %s", rows.Load(), out)
	}
	sluice(0, "quarantine", "purge", original[1])
	sluice(exitUsage, "quarantine", "purge", original[1])
	if out := sluice(0, "quarantine", "list"); !strings.Contains(out, "The quarantine is empty") {
		t.Errorf("at the end: %s", out)
	}
	if out := sluice(0, "run"); !strings.Contains(out, "0 rows") {
		t.Errorf("the next run: %s", out)
	}
}
