package cli

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/azure/arm"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/demo"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/testkit"
	"github.com/sluice-connectors/sluice/handler/workspace"
)

// surroundings are a provider and a workspace on this machine.
type surroundings struct {
	provider *httptest.Server
	ws       *workspace.Workspace
	endpoint string
	rules    string // as SLUICE_RULES
}

func surround(t *testing.T) *surroundings {
	t.Helper()
	all, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	ws, err := openWorkspace(filepath.Join(t.TempDir(), "workspace.db"), all)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(ws.Handler())
	s := &surroundings{provider: httptest.NewServer(demo.Handler(time.Now)), ws: ws, endpoint: srv.URL}
	t.Cleanup(func() { srv.Close(); s.provider.Close(); ws.Close() })
	b, err := json.Marshal(rulesOf(ws))
	if err != nil {
		t.Fatal(err)
	}
	s.rules = string(b)
	return s
}

// app collects from a provider that speaks as Okta does, and sends to an endpoint.
func (s *surroundings) app(t *testing.T, endpoint, provider string) *app.App {
	t.Helper()
	t.Setenv("TOKEN", "x")
	text := fmt.Sprintf(`
workspace: {endpoint: %q, credential: none, rules: %s}
store: {dir: %q}
connections: [{connector: okta, base_url: %q, settings: {domain: x.example, api_token: "${env:TOKEN}"}, start: -1h}]
`, endpoint, s.rules, t.TempDir(), provider)
	return appOf(t, text)
}

// appOf is the app of a sluice.yaml.
func appOf(t *testing.T, text string, opt ...app.Options) *app.App {
	t.Helper()
	c, err := config.Parse("sluice.yaml", []byte(text), app.In, os.LookupEnv, time.Now(), nil)
	if err == nil {
		err = c.Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), c, slog.New(slog.DiscardHandler), append(opt, app.Options{})[0])
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// env are the app settings of a function app with one connection.
func (s *surroundings) env(store string) []string {
	return []string{"OKTA_DOMAIN=demo.example", "OKTA_API_TOKEN=canary-token-7f3a", "OKTA_BASE_URL=" + s.provider.URL, "OKTA_START=-1h",
		"SLUICE_ENDPOINT=" + s.endpoint, "SLUICE_CREDENTIAL=none", "SLUICE_RULES=" + s.rules, "SLUICE_STORE=" + store, "OKTA_SCHEDULE=0 */5 * * * *"}
}

// unpack builds the package with scripts/package, once, and unpacks it as the
// platform does.
func unpack(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the package runs on linux/amd64")
	}
	files, err := builtPackage()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, f := range files {
		path := filepath.Join(root, filepath.FromSlash(f.name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.data, f.mode)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// packaged is a file of the package.
type packaged struct {
	name string
	mode fs.FileMode
	data []byte
}

// filesOf are those of a zip.
func filesOf(data []byte) (files []packaged, err error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(in)
		if err = errors.Join(err, in.Close()); err != nil {
			return nil, err
		}
		files = append(files, packaged{f.Name, f.Mode(), data})
	}
	return files, nil
}

var builtPackage = sync.OnceValues(func() ([]packaged, error) {
	dir, err := os.MkdirTemp("", "sluice-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	zipped := filepath.Join(dir, "p.zip")
	cmd := exec.Command(filepath.Join("..", "..", "scripts", "package"), "-o", zipped, "-version", "9.9.9", "-sbom=false", "-release", "https://example.com/v9.9.9")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	data, err := os.ReadFile(zipped)
	if err != nil {
		return nil, err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	for _, name := range []string{"checksums.txt", "infra/azuredeploy.json", "infra/main.bicep", "infra/connectors/okta/azuredeploy.json"} {
		if text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); err != nil || !strings.Contains(string(text), sum) {
			return nil, fmt.Errorf("%s has not the package's digest: %v", name, err)
		}
	}
	return filesOf(data)
})

const timer = `{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":%,"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"okta","UtcNow":"2026-11-22T10:20:00.004275Z","RandGuid":"35e6e68c-5583-436c-a277-5aec2b416ba8"}}}`

// TestTheTemplatesSettingsRunThePackage: what the template of one connector sets is
// what the package runs with. Only the addresses are those of this machine.
func TestTheTemplatesSettingsRunThePackage(t *testing.T) {
	root := unpack(t)
	template, err := os.ReadFile(filepath.Join("..", "..", "infra", "connectors", "okta", "azuredeploy.json"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := arm.Expand(template, map[string]any{"workspaceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/w", "oktaDomain": "demo.example", "oktaApiToken": "canary-token-7f3a"},
		arm.Scope{Cloud: "AzureCloud", Subscription: "s", Group: "g", Location: "westeurope", Deployment: "main"})
	if err != nil {
		t.Fatal(err)
	}
	s := surround(t)
	rules := rulesOf(s.ws)
	var env []string
	for _, r := range res.Resources {
		if r.Type != "Microsoft.Web/sites" {
			continue
		}
		for _, v := range r.Body["properties"].(map[string]any)["siteConfig"].(map[string]any)["appSettings"].([]any) {
			name, value := v.(map[string]any)["name"].(string), fmt.Sprint(v.(map[string]any)["value"])
			switch {
			case strings.HasSuffix(name, "_RULES"):
				value = localRules(t, value, rules, s.endpoint)
			case name == "OKTA_API_TOKEN":
				value = "canary-token-7f3a" // as the platform resolves the reference
			case name == "SLUICE_CREDENTIAL":
				value = "none"
			case name == "SLUICE_STORE":
				value = filepath.Join(t.TempDir(), "store")
			case name == "SLUICE_QUARANTINE":
				continue
			}
			env = append(env, name+"="+value)
		}
	}
	h := testkit.StartHost(t, root, filepath.Join(root, "sluice"), nil, append(env, "OKTA_BASE_URL="+s.provider.URL))
	if f := h.Functions(); len(f) != 2 || f["doctor"] != "0 30 5 * * *" || f["okta"] != "0 */5 * * * *" {
		t.Fatalf("the host runs %v", f)
	}
	if res := h.Invoke("okta", strings.Replace(timer, "%", "null", 1)); !res.Success || !strings.Contains(strings.Join(res.Logs, ""), "caught up") {
		t.Fatalf("%+v\n%s", res, h.Output())
	}
	if res := h.Invoke("doctor", strings.Replace(timer, "%", "null", 1)); !res.Success || !strings.Contains(strings.Join(res.Logs, "\n"), "for OktaV2_CL: may send") {
		t.Errorf("%+v\n%s", res, h.Output())
	}
	if n, err := s.ws.Count("OktaV2_CL"); err != nil || n == 0 {
		t.Errorf("%d rows, %v", n, err)
	}
	if n, err := s.ws.Count(sentinel.HealthTable); err != nil || n != 1 {
		t.Errorf("%d health rows, %v", n, err)
	}
}

// localRules gives rules of a template the ids and the address of this machine's workspace.
func localRules(t *testing.T, text string, local map[string]config.CollectionRule, endpoint string) string {
	t.Helper()
	var rules map[string]config.CollectionRule
	if err := json.Unmarshal([]byte(text), &rules); err != nil {
		t.Fatal(err)
	}
	for table, r := range rules {
		if r.Stream != local[table].Stream || r.Endpoint == "" {
			t.Errorf("the rule of %s is %+v", table, r)
		}
		rules[table] = config.CollectionRule{ID: local[table].ID, Stream: r.Stream, Endpoint: endpoint}
	}
	b, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestThePackageUnderTheHost runs the zip's own binary as host.json says, payload
// by payload, kills it without a word, and looks for every record.
func TestThePackageUnderTheHost(t *testing.T) {
	root := unpack(t)
	var host struct {
		Version       string
		CustomHandler struct {
			Description struct {
				DefaultExecutablePath string
				Arguments             []string
			}
		}
	}
	data, err := os.ReadFile(filepath.Join(root, "host.json"))
	if err != nil || json.Unmarshal(data, &host) != nil || host.Version != "2.0" {
		t.Fatalf("host.json: %s, %v", data, err)
	}
	names := regexp.MustCompile(`^[a-z][a-z0-9_\-]{0,127}$`)
	folders, _ := filepath.Glob(filepath.Join(root, "*", "function.json"))
	for _, f := range folders {
		if name := filepath.Base(filepath.Dir(f)); !names.MatchString(name) || name == "host" {
			t.Errorf("the host does not see a function called %q", name)
		}
	}
	if len(folders) < 3 {
		t.Errorf("the package has the functions %v", folders)
	}
	exe := filepath.Join(root, host.CustomHandler.Description.DefaultExecutablePath)
	if st, err := os.Stat(exe); err != nil || st.Mode().Perm() != 0o755 {
		t.Fatalf("the binary has mode %v, %v", st.Mode(), err)
	}
	s := surround(t)
	env := s.env(filepath.Join(t.TempDir(), "store"))
	h := testkit.StartHost(t, root, exe, host.CustomHandler.Description.Arguments, env)
	for i, status := range []string{
		`null`,
		`{"Last":"0001-01-01T00:00:00","Next":"2026-11-22T10:20:00+00:00","LastUpdated":"0001-01-01T00:00:00"}`,
		`{"Last":"2026-11-22T10:15:00.0034567+00:00","Next":"2026-11-22T10:20:00+00:00","LastUpdated":"2026-11-22T10:15:00.0034567+00:00"}`,
	} {
		res := h.Invoke("okta", strings.Replace(timer, "%", status, 1))
		if !res.Success || len(res.Logs) != 1 || !strings.Contains(res.Logs[0], "caught up") {
			t.Errorf("payload %d: %+v", i, res)
		}
	}
	if res := h.Invoke("github", strings.Replace(timer, "%", "null", 1)); !res.Success || !strings.Contains(strings.Join(res.Logs, ""), "no connection of github is configured") {
		t.Errorf("a connector without settings: %+v", res)
	}
	if res := h.Invoke("nope", `{"Data":{}}`); res.Success {
		t.Error("an unknown function succeeded")
	}
	rows, err := s.ws.Count("OktaV2_CL")
	if want := int64((time.Hour - time.Minute) / demo.Interval); err != nil || rows < want-2 || rows > want+2 {
		t.Errorf("%d rows, want about %d (%v)", rows, want, err)
	}
	health, err := s.ws.Query(t.Context(), `SluiceHealth_CL | where Outcome == "ok" and SluiceConnection == "okta" | summarize Runs = count(), Rows = sum(Acknowledged)`)
	if err != nil || len(health.Rows) != 1 || fmt.Sprint(health.Rows[0]...) != fmt.Sprint(3, float64(rows)) {
		t.Errorf("health: %v, %v; want 3 runs with %d rows", health, err, rows)
	}
	h.Kill()
	if out := h.Output(); !strings.Contains(out, `"msg":"run"`) || !strings.Contains(out, "9.9.9") || strings.Contains(out, "canary-token-7f3a") {
		t.Errorf("log: %s", out)
	}
	// The next process goes on where the killed one was, and repeats nothing.
	h = testkit.StartHost(t, root, exe, host.CustomHandler.Description.Arguments, env)
	if res := h.Invoke("okta", strings.Replace(timer, "%", "null", 1)); !res.Success {
		t.Errorf("after a kill: %+v", res)
	}
	res, err := s.ws.Query(t.Context(), "OktaV2_CL | summarize Rows = count(), Events = dcount(EventUid)")
	if err != nil || res.Rows[0][0] != res.Rows[0][1] {
		t.Errorf("rows and events: %v, %v", res.Rows, err)
	}
}

// TestAMissingRoleFailsTheInvocationAndHealsByItself: 403 for a while after an
// assignment; position and data stay.
func TestAMissingRoleFailsTheInvocationAndHealsByItself(t *testing.T) {
	root := unpack(t)
	s := surround(t)
	for _, r := range s.ws.Rules() {
		s.ws.Deny(r.ID, true)
	}
	h := testkit.StartHost(t, root, filepath.Join(root, "sluice"), []string{"serve"}, s.env(filepath.Join(t.TempDir(), "store")))
	payload := strings.Replace(timer, "%", "null", 1)
	if res := h.Invoke("okta", payload); res.Success || !strings.Contains(res.Why, "500 (okta/system_log: dcr_role_missing: ") || !strings.Contains(res.Why, "Monitoring Metrics Publisher") {
		t.Errorf("without the role: %+v", res)
	}
	h.Until(func() bool { return len(h.Errors()) > 0 })
	if lines := h.Errors(); len(lines) != 1 || !strings.HasPrefix(lines[0], "okta/system_log: dcr_role_missing: ") || !strings.Contains(lines[0], "operation_Id="+testkit.Operation) || h.Failed() != 1 {
		t.Errorf("the host's errors are %q", lines)
	}
	if res := h.Invoke("doctor", payload); res.Success || !strings.Contains(res.Why, "500 (fail role ") {
		t.Errorf("doctor without the role: %+v", res)
	}
	last := "fail schedule auth0, cisco_duo, "
	h.Until(func() bool {
		return strings.Contains(strings.Join(h.Errors(), "\n"), last) && strings.Contains(h.Output(), last) // the last of both
	})
	if lines, out := h.Errors(), h.Output(); !strings.HasPrefix(lines[1], "fail role ") || !strings.HasPrefix(lines[len(lines)-1], last) || strings.Contains(lines[len(lines)-1], "okta") || strings.Count(out, `"ok store quarantine: `) != 1 {
		t.Errorf("the host's errors are %q, and its log %s", lines, out)
	}
	for line := range strings.Lines(h.Output()) {
		if !strings.Contains(line, `"msg":"ready"`) && !strings.Contains(line, `"operation_Id":"`+testkit.Operation+`"`) {
			t.Errorf("a line that cannot be found from its invocation: %s", line)
		}
	}
	for _, r := range s.ws.Rules() {
		s.ws.Deny(r.ID, false)
	}
	if res := h.Invoke("okta", payload); !res.Success {
		t.Errorf("with the role: %+v", res)
	}
	if n, err := s.ws.Count("OktaV2_CL"); err != nil || n < 500 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// TestAFunctionThatIsHalfConfiguredFails, and names what is missing; one without any
// setting is none of the user's, and has a note.
func TestAFunctionThatIsHalfConfiguredFails(t *testing.T) {
	root := unpack(t)
	s := surround(t)
	h := testkit.StartHost(t, root, filepath.Join(root, "sluice"), []string{"serve"}, append(s.env(filepath.Join(t.TempDir(), "store")), "WIZ_CLIENT_ID=x", "GITHUB_API_VERSION=x"))
	payload := strings.Replace(timer, "%", "null", 1)
	if res := h.Invoke("wiz", payload); res.Success || !strings.Contains(res.Why, "500 (wiz: configuration: ") || !strings.Contains(res.Why, "WIZ_CLIENT_SECRET") {
		t.Errorf("with one of its settings: %+v", res)
	}
	if res := h.Invoke("slack", payload); !res.Success || !strings.Contains(strings.Join(res.Logs, ""), "no connection of slack is configured") {
		t.Errorf("without settings: %+v", res)
	}
	if res := h.Invoke("okta", payload); !res.Success {
		t.Errorf("beside them: %+v", res)
	}
	if !h.Until(func() bool { return len(h.Errors()) > 0 }) || h.Failed() != 1 {
		t.Errorf("errors: %q", h.Errors())
	}
}

func TestABadConfigurationFailsTheInvocationNotTheProcess(t *testing.T) {
	root := unpack(t)
	h := testkit.StartHost(t, root, filepath.Join(root, "sluice"), nil, []string{"OKTA_DOMAIN=demo.example", "OKTA_API_TOKEN=@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/x)", "SLUICE_ENDPOINT=https://x.example"})
	for range 2 {
		if res := h.Invoke("okta", `{"Data":{},"Metadata":{}}`); res.Success || !strings.Contains(res.Why, "unresolved Key Vault reference") {
			t.Errorf("%+v", res)
		}
	}
}
