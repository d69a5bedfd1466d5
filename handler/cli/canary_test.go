package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/cases"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/spec"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// TestSecretsAreNowhere gives every connector random canaries for its secrets,
// lets the provider echo them in all the ways it can, logs at debug level, and
// then looks for them and their encodings in everything that came out.
func TestSecretsAreNowhere(t *testing.T) {
	testkit.Long(t)
	all, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) { canary(t, c) })
	}
}

// observed has the process send its telemetry to a collector, and returns what that gets.
func observed(t *testing.T) func() []byte {
	var mu sync.Mutex
	var got []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, body...)
	}))
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL)
	app.Observe(t.Context(), os.Getenv, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		app.Observe(context.Background(), func(string) string { return "" }, slog.New(slog.DiscardHandler))
		srv.Close()
	})
	return func() []byte {
		app.Flush(t.Context())
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

// echoes are answers that contain what the request was authenticated with.
var echoes = []struct {
	what  string
	reply func(w http.ResponseWriter, r *http.Request, secret string)
}{
	{"a page whose next page has it in its address", func(w http.ResponseWriter, r *http.Request, secret string) {
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?token=%s>; rel="next"`, r.Host, r.URL.Path, url.QueryEscape(secret)))
		cursor, _ := json.Marshal("cursor " + secret)
		if r.Method == http.MethodPost {
			fmt.Fprintf(w, `{"items":[],"cursor":%s,"has_more":true}`, cursor)
			return
		}
		_, _ = io.WriteString(w, `[{"uuid":"1","_document_id":"1"}]`)
	}},
	{"a bad request", echo(http.StatusBadRequest, "")},
	{"wrong credentials", echo(http.StatusUnauthorized, "")},
	{"forbidden", echo(http.StatusForbidden, "")},
	{"throttled", echo(http.StatusTooManyRequests, "")},
	{"an internal error", echo(http.StatusInternalServerError, "")},
	{"a page of HTML", echo(http.StatusOK, "text/html")},
	{"no JSON", func(w http.ResponseWriter, _ *http.Request, secret string) {
		fmt.Fprintf(w, `[{"uuid":"%s" broken`, secret)
	}},
	{"a type that is none", func(w http.ResponseWriter, _ *http.Request, secret string) {
		w.Header().Set("Content-Type", secret)
		_, _ = io.WriteString(w, "none")
	}},
	{"a redirect to elsewhere", func(w http.ResponseWriter, _ *http.Request, secret string) {
		w.Header().Set("Location", "https://evil.example/"+url.PathEscape(secret))
		w.WriteHeader(http.StatusFound)
	}},
	{"a next page elsewhere", func(w http.ResponseWriter, _ *http.Request, secret string) {
		w.Header().Set("Link", fmt.Sprintf(`<https://evil.example/?k=%s>; rel="next"`, url.QueryEscape(secret)))
		_, _ = io.WriteString(w, `[{"uuid":"2","_document_id":"2"}]`)
	}},
	{"a connection that breaks", func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) }},
}

func echo(status int, kind string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, secret string) {
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		w.WriteHeader(status)
		quoted, _ := json.Marshal(secret)
		fmt.Fprintf(w, "%s %s %s %s %s", secret, quoted, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)))
	}
}

func canary(t *testing.T, c *spec.Connector) {
	s := surround(t)
	settings, secrets := canarySettings(t, c)
	now := 0
	token := newCanary() // that the provider issues
	secrets = append(secrets, token)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "token") {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
			return
		}
		_, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if c.Auth.Header != "" && secret == "" {
			secret = r.Header.Get(c.Auth.Header)
		}
		if secret == "" {
			t.Error("the request has no credential to echo")
		}
		echoes[now].reply(w, r, secret)
	}))
	defer provider.Close()
	provider.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	app.Providers = toServer(provider.URL) // where tokens come from too
	defer func() { app.Providers = nil }()

	sent := observed(t)
	folder := t.TempDir()
	in, err := json.Marshal(map[string]any{
		"workspace":   map[string]any{"endpoint": s.endpoint, "credential": "none", "rules": json.RawMessage(s.rules)},
		"store":       map[string]any{"dir": folder},
		"connections": []any{map[string]any{"connector": c.Name, "base_url": provider.URL, "settings": settings, "start": "-1h"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse("sluice.yaml", in, app.In, os.LookupEnv, time.Now(), nil)
	if err == nil {
		err = cfg.Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	std := &stdio{out: &out, err: &out}
	for now = range echoes {
		cfg.Store.Dir = filepath.Join(folder, strconv.Itoa(now)) // each time there is all to be listed
		a, err := app.New(t.Context(), cfg, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), app.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a.Clock = memory.NewClock(time.Now().UTC())
		fmt.Fprintf(&out, "--- %s\n", echoes[now].what)
		reps := a.CollectAll(t.Context(), a.Connections(), 2*time.Minute)
		for _, output := range []string{"text", "json"} {
			if err := printReports(std, reps, output); err != nil {
				fmt.Fprintln(&out, err)
			}
		}
		if err := printStatus(t.Context(), std, a.Engine, nil, "json"); err != nil {
			fmt.Fprintln(&out, err)
		}
	}
	if !strings.Contains(out.String(), "***") && c.Auth.Type != "signature" { // which sends no secret
		t.Error("nothing was redacted: the test shows nothing")
	}
	places := map[string][]byte{"output and log": out.Bytes(), "traces and metrics": sent()}
	if n := bytes.Count(places["traces and metrics"], []byte("http.request.method")); n < len(echoes) {
		t.Errorf("%d requests were seen by the collector", n)
	}
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			places[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"SluiceHealth_CL", c.Tables[0].Name} {
		rows, err := s.ws.Latest(table, 1000)
		if err != nil {
			t.Fatal(err)
		}
		places[table], _ = json.Marshal(rows)
	}
	if len(places) < 5 || len(places["SluiceHealth_CL"]) < 1000 {
		t.Errorf("there are only %d places to look at", len(places))
	}
	places["argv"] = argv(t, in)
	for where, data := range places {
		for _, secret := range secrets {
			for _, form := range forms(secret) {
				if i := bytes.Index(data, []byte(form)); i >= 0 {
					t.Errorf("%s has %q: …%s…", where, form, data[max(0, i-200):min(len(data), i+len(form)+20)])
				}
			}
		}
	}
}

// toServer sends every request to a server on this machine, whatever its host.
type toServer string

func (s toServer) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", strings.TrimPrefix(string(s), "http://")
	return http.DefaultTransport.RoundTrip(req)
}

const secretCanary = "canary+/=&"

func newCanary() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b)
	return secretCanary + hex.EncodeToString(b)
}

// canarySettings are those of the connector's first case, with secrets of our own.
func canarySettings(t *testing.T, c *spec.Connector) (settings map[string]string, secrets []string) {
	t.Helper()
	example, err := cases.Load(filepath.Join("..", "..", "connectors", c.Name, "testdata", c.Streams[0].Name, "first_poll"))
	if err != nil {
		t.Fatal(err)
	}
	settings = map[string]string{}
	for _, set := range c.Settings {
		switch {
		case set.Secret:
			value := newCanary()
			secrets = append(secrets, value)
			if set.Name == "private_key" { // it has to be one; a part of it tells
				value = privateKey(t)
				secrets[len(secrets)-1] = secretCanary + strings.Split(value, "\n")[5]
			}
			t.Setenv(c.EnvName(set.Name), value)
			settings[set.Name] = "${env:" + c.EnvName(set.Name) + "}"
		case example.Settings[set.Name] != "":
			settings[set.Name] = example.Settings[set.Name]
		}
	}
	return settings, secrets
}

func privateKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// forms are a secret and its encodings. The random part alone would do for most
// of them; base64 hides it.
func forms(secret string) []string {
	list := []string{secret[len(secretCanary):], hex.EncodeToString([]byte(secret))}
	for shift := range 3 { // base64 of a text that contains it, at each offset
		b := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		list = append(list, b[4:len(b)-4])
	}
	return list
}

// argv is the command line of the built binary while it collects, as any user of
// the machine can read it.
func argv(t *testing.T, config []byte) []byte {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "sluice.yaml"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(unpack(t), "sluice"), "run", "--log-level=debug")
	cmd.Dir, cmd.Env = folder, os.Environ()
	ended := testkit.Start(t, cmd)
	defer func() { _ = cmd.Process.Kill(); <-ended }()
	var line []byte
	var err error
	for tries := 0; err == nil && len(line) == 0 && tries < 1e5; tries++ { // for a moment it is empty
		line, err = os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
		runtime.Gosched()
	}
	if err != nil || !bytes.Contains(line, []byte("--log-level=debug")) {
		t.Errorf("command line %q, %v", line, err)
	}
	return line
}
