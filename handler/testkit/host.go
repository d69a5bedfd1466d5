package testkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Host is a double of the Azure Functions host: it starts a custom handler,
// waits for it, sends invocations and reads the answers as the host does
// (Azure/azure-functions-host, src/WebJobs.Script/Workers/Http; what it shows of a
// failure and of lines was measured with 4.1037).
type Host struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended <-chan struct{}
	url   string
	out   Log
	err   Log
	fails atomic.Int32

	functions map[string]string // schedule by name
}

// Log collects the output of a process that is still running.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns what was written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// StartHost starts the executable in the folder root, with environment env, as
// host.json says.
func StartHost(t *testing.T, root, executable string, args, env []string) *Host {
	t.Helper()
	port := FreePort(t)
	h := &Host{t: t, cmd: exec.Command(executable, args...), url: "http://127.0.0.1:" + port}
	h.cmd.Dir = root
	h.index(root, env)
	h.cmd.Env = append([]string{"FUNCTIONS_CUSTOMHANDLER_PORT=" + port, "FUNCTIONS_HTTPWORKER_PORT=" + port, "FUNCTIONS_CUSTOMHANDLER_WORKER_ID=w1",
		"FUNCTIONS_APP_ROOT_PATH=" + root, "FUNCTIONS_WORKER_RUNTIME=custom", "HOME=" + t.TempDir(), "PATH=/nowhere"}, env...)
	h.cmd.Stdout, h.cmd.Stderr = &h.out, &h.err
	h.ended = Start(t, h.cmd)
	h.waitReady()
	return h
}

// index finds the functions as the host does: one whose schedule is a setting that is
// not there is left out, and one that a setting switches off.
func (h *Host) index(root string, env []string) {
	h.t.Helper()
	settings := map[string]string{}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		settings[name] = value
	}
	h.functions = map[string]string{}
	paths, err := filepath.Glob(filepath.Join(root, "*", "function.json"))
	must(h.t, err)
	for _, path := range paths {
		var doc struct{ Bindings []struct{ Schedule string } }
		data, err := os.ReadFile(path)
		must(h.t, err)
		must(h.t, json.Unmarshal(data, &doc))
		name, schedule := filepath.Base(filepath.Dir(path)), doc.Bindings[0].Schedule
		if strings.HasPrefix(schedule, "%") && strings.HasSuffix(schedule, "%") {
			schedule = settings[strings.Trim(schedule, "%")]
		}
		if schedule != "" && settings["AzureWebJobs_"+name+"_Disabled"] != "true" {
			h.functions[name] = schedule
		}
	}
}

// Functions are those that would run, with their schedules.
func (h *Host) Functions() map[string]string { return h.functions }

// waitReady pings GET / every 25 ms until anything answers, for 30 s at most.
func (h *Host) waitReady() {
	h.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		resp, err := http.Get(h.url + "/")
		if err == nil {
			resp.Body.Close()
			return
		}
		<-time.After(25 * time.Millisecond)
	}
	h.t.Fatal("the handler was not ready within 30 s: ", h.out.String())
}

// Kill ends the handler as the host does: with SIGKILL and no word before.
func (h *Host) Kill() {
	_ = h.cmd.Process.Kill()
	<-h.ended
}

// Output is what the handler wrote to standard output: to the host it is information.
func (h *Host) Output() string { return h.out.String() }

// Errors are the lines that the host logs as errors: those on standard error without
// the word by which it takes them for warnings.
func (h *Host) Errors() (errors []string) {
	for line := range strings.Lines(h.err.String()) {
		if !strings.Contains(strings.ToLower(line), "warn") {
			errors = append(errors, strings.TrimSpace(line))
		}
	}
	return errors
}

// Until waits for what the handler wrote to have been read, as the host reads it: some
// time after the answer. It is false when that takes too long.
func (h *Host) Until(arrived func() bool) bool {
	for deadline := time.Now().Add(30 * time.Second); !arrived(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// Failed is how many invocations failed.
func (h *Host) Failed() int { return int(h.fails.Load()) }

// Result is an invocation's end as the host sees it.
type Result struct {
	Success bool
	Why     string   // of a failure, as its exception has it
	Logs    []string // none when the status is no success
}

// Invoke sends payload to a function, chunked and with the host's headers.
func (h *Host) Invoke(function, payload string) Result {
	h.t.Helper()
	res := h.invoke(function, payload)
	if !res.Success {
		h.fails.Add(1)
	}
	return res
}

// Operation is the trace that invocations belong to.
const Operation = "bb2bd5eef54cb15a1506d0326d2489e7"

func (h *Host) invoke(function, payload string) Result {
	h.t.Helper()
	// A body of unknown length is sent chunked, as the host does.
	body := io.MultiReader(strings.NewReader(payload))
	req, err := http.NewRequest(http.MethodPost, h.url+"/"+function, body)
	must(h.t, err)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Azure-Functions-Host/4.1046.0")
	req.Header.Set("X-Azure-Functions-Hostversion", "4.1046.0")
	req.Header.Set("X-Azure-Functions-Invocationid", "83a33220-a921-460a-bec0-b3f043dcf1ff")
	req.Header.Set("Traceparent", "00-"+Operation+"-d3f54c84c7034d76-00")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Result{Why: err.Error()}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	must(h.t, err)
	typ := strings.ToLower(strings.TrimSpace(strings.Split(resp.Header.Get("Content-Type"), ";")[0]))
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		// Body and Logs are dropped; the reason is all that gets through.
		code, reason, _ := strings.Cut(resp.Status, " ")
		return Result{Why: fmt.Sprintf("Response status code does not indicate success: %s (%s).", code, reason)}
	case typ != "application/json" && typ != "text/json":
		return Result{Why: "UnsupportedMediaTypeException: " + typ}
	case len(answer) == 0 || string(bytes.TrimSpace(answer)) == "null":
		return Result{Why: "the invocation hangs until functionTimeout: a success with nothing in it"}
	}
	var doc struct {
		Outputs     map[string]any
		Logs        []string
		ReturnValue any
	}
	if err := json.Unmarshal(answer, &doc); err != nil {
		return Result{Why: err.Error()}
	}
	return Result{Success: true, Logs: doc.Logs}
}

// URL is where the handler answers.
func (h *Host) URL() string { return h.url }
