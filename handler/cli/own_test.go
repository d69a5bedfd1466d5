package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/invoke"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// ownFolder makes a folder with connectors of one's own, the only ones beside the built-in
// ones, and an empty present folder. put writes the connector.yaml of one.
func ownFolder(t *testing.T) (put func(folder, text string)) {
	t.Helper()
	t.Chdir(t.TempDir())
	dir := t.TempDir()
	t.Setenv("SLUICE_CONNECTORS", dir)
	return func(folder, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, "connector.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// oktaCalled is the connector okta under another name; it is read from the package's folder.
func oktaCalled(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "connectors", "okta", "connector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(text), "name: okta", "name: "+name, 1)
}

// TestServeABrokenConnectorOfOnesOwn: its function has the name that it will have, and is
// another when the file is mended; a folder called doctor is no doctor.
func TestServeABrokenConnectorOfOnesOwn(t *testing.T) {
	text := oktaCalled(t, "acme-x")
	s := surround(t)
	put := ownFolder(t)
	put("strange", strings.Replace(text, "title:", "titel:", 1))
	put("doctor", "titel: no name\n")
	for name, value := range map[string]string{"ACME_X_DOMAIN": "demo.example", "ACME_X_API_TOKEN": "canary", "ACME_X_BASE_URL": s.provider.URL, "ACME_X_START": "-10m",
		"SLUICE_ENDPOINT": s.endpoint, "SLUICE_CREDENTIAL": "none", "SLUICE_RULES": s.rules, "SLUICE_STORE": t.TempDir()} {
		t.Setenv(name, value)
	}
	srv := &server{log: slog.New(slog.DiscardHandler), limit: 2 * time.Minute}
	functions, err := srv.functions()
	if err != nil {
		t.Fatal(err)
	}
	call := func(name string) string {
		if functions[name] == nil {
			t.Fatalf("there is no function %s", name)
		}
		logs, err := functions[name](t.Context(), &invoke.Invocation{Function: name})
		return strings.Join(logs, "\n") + map[bool]string{true: " (failed)"}[err != nil]
	}
	if got := call("acme_x"); !strings.Contains(got, `acme-x: FAILED (configuration): `) || !strings.Contains(got, `unknown key "titel"`) || !strings.HasSuffix(got, "(failed)") {
		t.Error(got)
	}
	if n, err := s.ws.Count(sentinel.HealthTable); n != 1 || err != nil {
		t.Errorf("%d rows of health, %v", n, err)
	}
	if got := call("doctor"); !strings.Contains(got, "ok version") || !strings.Contains(got, "fail settings acme-x: ") {
		t.Error(got)
	}
	put("strange", text)
	if got := call("acme_x"); !strings.Contains(got, "acme-x/system_log: ") || !strings.HasSuffix(got, "caught up to "+got[strings.LastIndex(got, " ")+1:]) {
		t.Errorf("mended: %s", got)
	}
	if functions["strange"] != nil || functions["acme-x"] != nil {
		t.Error("a function has the name of a folder, or a hyphen")
	}
}

// TestServeAConnectorOfAMissingFolder: its function is there and says so, until the folder is.
func TestServeAConnectorOfAMissingFolder(t *testing.T) {
	text := oktaCalled(t, "acme-x")
	s := surround(t)
	put := ownFolder(t)
	t.Setenv("TOKEN", "x")
	t.Setenv("SLUICE_CONNECTORS", filepath.Join(os.Getenv("SLUICE_CONNECTORS"), "later"))
	file := fmt.Sprintf(`
workspace: {endpoint: %q, credential: none, rules: %s}
store: {dir: %q}
connections: [{connector: acme-x, base_url: %q, settings: {domain: x.example, api_token: "${env:TOKEN}"}, start: -10m}]
`, s.endpoint, s.rules, t.TempDir(), s.provider.URL)
	if err := os.WriteFile("sluice.yaml", []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := &server{log: slog.New(slog.DiscardHandler), limit: 2 * time.Minute}
	functions, err := srv.functions()
	if err != nil || functions["acme_x"] == nil {
		t.Fatalf("no function acme_x: %v", err)
	}
	in := &invoke.Invocation{Function: "acme_x"}
	if logs, err := functions["acme_x"](t.Context(), in); err == nil || !strings.Contains(err.Error(), "app setting SLUICE_CONNECTORS: there is no folder") {
		t.Errorf("%v, %v", logs, err)
	}
	put("later", text)
	if logs, err := functions["acme_x"](t.Context(), in); err != nil || len(logs) != 1 || !strings.Contains(logs[0], "acme-x/system_log: ") {
		t.Errorf("mended: %v, %v", logs, err)
	}
}

// TestAMendedConnectorWithoutSettings is no connection any more, and no failure.
func TestAMendedConnectorWithoutSettings(t *testing.T) {
	text := oktaCalled(t, "acme")
	s := surround(t)
	put := ownFolder(t)
	put("acme", "name: acme\n")
	for _, pair := range s.env(t.TempDir()) {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	srv := &server{log: slog.New(slog.DiscardHandler), limit: 2 * time.Minute}
	in := &invoke.Invocation{Function: "acme"}
	if logs, err := srv.collect(t.Context(), "acme", in); err == nil {
		t.Errorf("broken: %v", logs)
	}
	put("acme", text)
	for range 2 {
		if logs, err := srv.collect(t.Context(), "acme", in); err != nil || len(logs) != 1 || logs[0] != "no connection of acme is configured" {
			t.Errorf("mended: %v, %v", logs, err)
		}
	}
	if logs, err := srv.collect(t.Context(), "okta", in); err != nil {
		t.Errorf("okta: %v, %v", logs, err)
	}
}

// TestAMissingFolderThatIsThereAgain is nothing to wait for, where a process stays; while it
// is missing, who asks for its connection's kept records hears why.
func TestAMissingFolderThatIsThereAgain(t *testing.T) {
	s := surround(t)
	twoTenants(t, s)
	at := filepath.Join(t.TempDir(), "later")
	t.Setenv("SLUICE_CONNECTORS", at)
	load := func() (*config.Config, error) { return app.Load("sluice.yaml", nil) }
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), c, slog.New(slog.DiscardHandler), app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a.Reload = load
	if err := whyNoStream(a, "b"); !strings.Contains(err.Error(), "secret") {
		t.Errorf("of a connection that cannot run: %v", err)
	}
	conns := a.Connections()
	folder := conns[len(conns)-1]
	want := folder.Name + "/ failed configuration\n"
	if got := outcomes(a.CollectOne(t.Context(), folder, time.Minute)); got != want || a.Gone(folder) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := os.MkdirAll(filepath.Join(at, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, "x", "connector.yaml"), []byte("name: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := outcomes(a.CollectOne(t.Context(), folder, time.Minute)); got != "" || !a.Gone(folder) || a.Gone(conns[0]) {
			t.Errorf("when it is there: %q", got)
		}
	}
}

// TestAWrongLogLevelIsSaidAsItIs: in the host's log no word of it is another.
func TestAWrongLogLevelIsSaidAsItIs(t *testing.T) {
	for _, level := range []string{"loud", "Warning"} {
		t.Setenv("SLUICE_LOG_LEVEL", level)
		err := checkHostLevel()
		if err == nil {
			t.Fatalf("%s is taken for a level", level)
		}
		var out, lines bytes.Buffer
		slog.New(newHostLog(&out, &lines)).Error(err.Error())
		if got := lines.String(); got != err.Error()+"\n" || !strings.Contains(got, "SLUICE_LOG_LEVEL") || !strings.Contains(got, "taken for info") {
			t.Errorf("%q", got)
		}
	}
	t.Setenv("SLUICE_LOG_LEVEL", "warn")
	if err := checkHostLevel(); err != nil {
		t.Error(err)
	}
}
