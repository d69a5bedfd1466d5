package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/bits"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

var (
	backlog       = flag.Int64("backlog", 150_000, "records that wait to be collected")
	backlogBudget = flag.Duration("backlog-budget", time.Second, "of each of the runs that collect them")
)

// TestABacklogAlwaysProgresses lets the built binary collect a long backlog in
// short runs: each gets on, what happens now comes first, every record arrives
// once, and memory stays flat.
func TestABacklogAlwaysProgresses(t *testing.T) {
	testkit.Long(t)
	bin := filepath.Join(unpack(t), "sluice")
	p := newPast(*backlog, time.Now().Add(-30*24*time.Hour))
	provider, sink := httptest.NewServer(http.HandlerFunc(p.list)), httptest.NewServer(http.HandlerFunc(p.take))
	defer provider.Close()
	defer sink.Close()
	folder := t.TempDir()
	cfg := fmt.Sprintf(`
workspace: {endpoint: %q, credential: none, rules: {OktaV2_CL: {id: dcr-00000000000000000000000000000000, stream: Custom-OktaV2_CL}}}
store: {dir: %q}
connections:
  - {connector: okta, base_url: %q, settings: {domain: x.example, api_token: "${env:TOKEN}"}, start: %s}
`, sink.URL, filepath.Join(folder, "store"), provider.URL, p.start.Format(time.RFC3339Nano))
	if err := os.WriteFile(filepath.Join(folder, "sluice.yaml"), []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	began, runs, peak, cpu := time.Now(), 0, int64(0), time.Duration(0)
	lanes, position := false, time.Time{}
	for done := false; !done; runs++ {
		before := p.arrived()
		cmd := exec.CommandContext(t.Context(), bin, "run", "--budget", backlogBudget.String(), "-o", "json")
		var out, log bytes.Buffer
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = folder, []string{"TOKEN=x", "HOME=" + folder}, &out, &log
		ended := testkit.Start(t, cmd)
		peak = max(peak, memoryOf(cmd))
		<-ended
		var reps []engine.Report
		if err := json.Unmarshal(out.Bytes(), &reps); err != nil || len(reps) == 0 || reps[0].Outcome == engine.Failed {
			t.Fatalf("run %d: %v, %v\n%s\n%s", runs, cmd.ProcessState, err, &out, &log)
		}
		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		done = reps[0].Outcome == engine.OK && len(reps[0].Gaps) == 0
		position = reps[0].Position
		lanes = lanes || len(reps) > 1
		if runs > 0 && !done && reps[0].Backlog > 5*time.Minute {
			t.Errorf("run %d: what happens now is %s behind", runs, reps[0].Backlog)
		}
		if p.arrived() == before && !done {
			t.Fatalf("run %d made no progress: %+v", runs, reps)
		}
	}
	n, wall := p.arrived(), time.Since(began)
	t.Logf("%d records in %d runs of %s, %s in all; %.1f CPU s per million, peak %d MiB", n, runs, backlogBudget, wall.Round(time.Second), cpu.Seconds()/float64(n)*1e6, peak>>20)
	if want := p.before(position); n < want || p.again > 0 {
		t.Errorf("%d of %d records arrived, %d rows came again", n, want, p.again)
	}
	if runs > 2 && !lanes {
		t.Error("the past got no lane of its own")
	}
	if most := int64(96 << 20); peak > most {
		t.Errorf("the peak of resident memory is %d MiB", peak>>20)
	}
}

// memoryOf returns the peak of a process's resident memory, once it has ended. The
// peak that is reported to its parent counts the parent's own memory too.
func memoryOf(cmd *exec.Cmd) (peak int64) {
	for {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		_, text, ok := bytes.Cut(data, []byte("VmHWM:"))
		if err != nil || !ok { // a process that has ended has no memory
			return peak
		}
		var kib int64
		if _, err := fmt.Sscan(string(text), &kib); err == nil {
			peak = max(peak, kib<<10)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// past is a provider with a record at regular times since its start, made when
// it is asked for, and an endpoint that knows which of them arrived.
type past struct {
	start time.Time
	step  time.Duration

	mu    sync.Mutex
	seen  []uint64 // a bit for each record
	again int      // rows of records that had arrived before
}

func newPast(n int64, start time.Time) *past {
	start = start.UTC().Truncate(time.Millisecond)
	p := &past{start: start, step: time.Since(start) / time.Duration(n)}
	p.step = max(p.step.Truncate(time.Millisecond), time.Millisecond)
	p.seen = make([]uint64, p.before(time.Now().Add(time.Hour))/64+1)
	return p
}

// before is how many records happened before t.
func (p *past) before(t time.Time) int64 {
	if t.Before(p.start) {
		return 0
	}
	return int64((t.Sub(p.start) + p.step - 1) / p.step)
}

// list is Okta's System Log.
func (p *past) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, err1 := time.Parse(time.RFC3339, q.Get("since"))
	until, err2 := time.Parse(time.RFC3339, q.Get("until"))
	if err1 != nil || err2 != nil {
		http.Error(w, "{}", http.StatusBadRequest)
		return
	}
	if now := time.Now(); until.After(now) {
		until = now
	}
	first := p.before(since)
	if after, err := strconv.ParseInt(q.Get("after"), 10, 64); err == nil {
		first = after
	}
	last := min(first+1000, p.before(until))
	if first < last {
		v := url.Values{"since": {q.Get("since")}, "until": {q.Get("until")}, "after": {strconv.FormatInt(last, 10)}}
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, r.Host, r.URL.Path, v.Encode()))
	}
	w.Header().Set("Content-Type", "application/json")
	buf := []byte{'['}
	for i := first; i < last; i++ {
		if i > first {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"uuid":"`...)
		buf = strconv.AppendInt(buf, i, 10)
		buf = append(buf, `","published":"`...)
		buf = p.start.Add(time.Duration(i)*p.step).AppendFormat(buf, "2006-01-02T15:04:05.000Z")
		buf = append(buf, pastRecord...)
	}
	_, _ = w.Write(append(buf, ']'))
}

// pastRecord is the rest of a record: as large as those of Okta are.
const pastRecord = `","eventType":"user.authentication.sso","version":"0","severity":"INFO","displayMessage":"User single sign on to app","actor":{"id":"00u1","type":"User","alternateId":"user1@demo.example","displayName":"Ada Moreau","detailEntry":null},"client":{"userAgent":{"rawUserAgent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0","os":"Linux","browser":"FIREFOX"},"zone":"null","device":"Computer","id":null,"ipAddress":"198.51.100.10","geographicalContext":{"city":"Lisbon","state":"Lisboa","country":"Portugal","postalCode":"1000","geolocation":{"lat":38.72,"lon":-9.14}}},"outcome":{"result":"SUCCESS","reason":null},"target":[{"id":"0oademo","type":"AppInstance","alternateId":"Demo","displayName":"Demo application"}],"transaction":{"type":"WEB","id":"tx1","detail":{}},"authenticationContext":{"authenticationStep":0,"externalSessionId":"trs1"},"securityContext":{"asNumber":64500,"asOrg":"example network","isp":"example","domain":"example.net","isProxy":false},"debugContext":{"debugData":{"requestUri":"/api/v1/authn"}}}`

// take is the ingestion endpoint.
func (p *past) take(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(z); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	const key = `"EventUid":"`
	p.mu.Lock()
	defer p.mu.Unlock()
	for rest := body.Bytes(); ; {
		i := bytes.Index(rest, []byte(key))
		if i < 0 {
			break
		}
		rest = rest[i+len(key):]
		n, _ := strconv.ParseInt(string(rest[:bytes.IndexByte(rest, '"')]), 10, 64)
		if p.seen[n/64]&(1<<(n%64)) != 0 {
			p.again++
		}
		p.seen[n/64] |= 1 << (n % 64)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *past) arrived() (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.seen {
		n += int64(bits.OnesCount64(w))
	}
	return n
}
