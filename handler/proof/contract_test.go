package proof

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-connectors/sluice/handler/azblob"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/logsingest"
	"github.com/sluice-connectors/sluice/handler/testkit"
	"github.com/sluice-connectors/sluice/handler/workspace"
)

// direct hands requests to a handler.
type direct struct{ to http.Handler }

func (d direct) Do(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	rec := httptest.NewRecorder()
	d.to.ServeHTTP(rec, received(req, body))
	resp := rec.Result()
	resp.Request = req
	return resp, nil
}

// lossy loses the answer of the first write.
type lossy struct {
	direct
	lost bool
}

func (l *lossy) Do(req *http.Request) (*http.Response, error) {
	resp, err := l.direct.Do(req)
	if req.Method == http.MethodPut && req.URL.Query().Get("restype") == "" && !l.lost {
		l.lost = true
		return nil, errReset
	}
	return resp, err
}

// TestAWriteWhoseAnswerIsLostIsOurs: the client library repeats it and is refused,
// by our own write.
func TestAWriteWhoseAnswerIsLostIsOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which the library's pause takes no time
		wire := &lossy{direct: direct{NewBlobs()}}
		s, err := azblob.Open(t.Context(), "https://sim.blob.core.windows.net/sluice", logsingest.None{}, wire)
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(3) {
			if err := s.Append(t.Context(), "doc", i, fmt.Appendf(nil, "v%d", i+1)); err != nil {
				t.Errorf("write %d: %v", i+1, err)
			}
		}
		if !wire.lost {
			t.Error("no answer was lost")
		}
	})
}

// TestTheSimulatedBlobServiceIsAsGoodAsTheEmulator runs the suite that the store
// passes over Azurite (see package azblob) over the simulated service.
func TestTheSimulatedBlobServiceIsAsGoodAsTheEmulator(t *testing.T) {
	blobs := NewBlobs()
	open := func(t *testing.T) engine.Store {
		s, err := azblob.Open(t.Context(), "https://sim.blob.core.windows.net/sluice", logsingest.None{}, direct{blobs})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	testkit.StoreSuite(t, open, func(_ *testing.T, name string, newest int64, data []byte) { blobs.Overwrite(name, newest, data) })
}

// TestTheSimulatedBlobServiceAnswersLikeAzurite sends the same requests to both.
func TestTheSimulatedBlobServiceAnswersLikeAzurite(t *testing.T) {
	endpoint := testkit.Azurite(t)
	sas := testkit.AzuriteSAS(time.Now())
	fake := NewBlobs()
	send := func(real bool, method, path string, body []byte, headers map[string]string) (status int, code, text string) {
		url := "https://sim.blob.core.windows.net/sluice" + path
		if real {
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			url = "http://" + endpoint + "/sluice" + path + sep + sas
		}
		req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("x-ms-version", "2021-12-02")
		for k, v := range headers {
			req.Header.Set(k, v)
		}
		do := direct{fake}.Do
		if real {
			do = http.DefaultClient.Do
		}
		resp, err := do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var buf bytes.Buffer
		if _, err := buf.ReadFrom(resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("x-ms-error-code"), buf.String()
	}
	block := map[string]string{"x-ms-blob-type": "BlockBlob"}
	once := map[string]string{"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
	stale := map[string]string{"x-ms-blob-type": "BlockBlob", "If-Match": `"0x123"`}
	if status, _, _ := send(true, "PUT", "?restype=container", nil, nil); status != http.StatusCreated {
		t.Fatalf("create the container: %d", status)
	}
	for _, x := range []struct {
		what, method, path, body string
		headers                  map[string]string
		content                  bool
	}{
		{"create a container that exists", "PUT", "?restype=container", "", nil, false},
		{"get nothing", "GET", "/a", "", nil, false},
		{"delete nothing", "DELETE", "/a", "", nil, false},
		{"replace nothing", "PUT", "/a", "1", stale, false},
		{"create", "PUT", "/a", "1", once, false},
		{"create what exists", "PUT", "/a", "2", once, false},
		{"replace with a stale tag", "PUT", "/a", "2", stale, false},
		{"get", "GET", "/a", "", nil, true},
		{"replace", "PUT", "/a", "3", block, false},
		{"get it again", "GET", "/a", "", nil, true},
		{"append to nothing", "PUT", "/log?comp=appendblock", "x", nil, false},
		{"create a log", "PUT", "/log", "", map[string]string{"x-ms-blob-type": "AppendBlob"}, false},
		{"append", "PUT", "/log?comp=appendblock", "one\n", nil, false},
		{"append again", "PUT", "/log?comp=appendblock", "two\n", nil, false},
		{"get the log", "GET", "/log", "", nil, true},
		{"delete", "DELETE", "/a", "", nil, false},
		{"delete it again", "DELETE", "/a", "", nil, false},
	} {
		status, code, text := send(true, x.method, x.path, []byte(x.body), x.headers)
		gotStatus, gotCode, gotText := send(false, x.method, x.path, []byte(x.body), x.headers)
		if status != gotStatus || code != gotCode || x.content && text != gotText {
			t.Errorf("%s: the simulated service answers %d %s %q, Azurite %d %s %q", x.what, gotStatus, gotCode, gotText, status, code, text)
		}
	}
}

// TestTheSimulatedEndpointAnswersLikeTheLocalWorkspace sends the same calls to both.
func TestTheSimulatedEndpointAnswersLikeTheLocalWorkspace(t *testing.T) {
	cols := []kql.Column{{Name: "TimeGenerated", Type: kql.Datetime}, {Name: "Text", Type: kql.String}}
	ws, err := workspace.Open(":memory:", []workspace.Table{{Name: "T_CL", Columns: cols}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	taken := 0
	fake := NewIngestion(map[string]bool{"T_CL": true})
	fake.accepted = func(_ string, rows []map[string]any) { taken += len(rows) }
	rows := 0
	for _, x := range []struct {
		what    string
		path    string // with RULE for the rule's id
		headers map[string]string
		body    string
		zip     bool
	}{
		{"two rows", "", nil, `[{"Text":"a"},{"Text":"b"}]`, false},
		{"two rows, compressed", "", nil, `[{"Text":"a"},{"Text":"b"}]`, true},
		{"no rows", "", nil, `[]`, false},
		{"no array", "", nil, `{"Text":"a"}`, false},
		{"rows that are no objects", "", nil, `[1,2]`, false},
		{"half a row", "", nil, `[{"Text":"a"},{"Te`, false},
		{"more than an array", "", nil, `[{"Text":"a"}] x`, false},
		{"no gzip", "", map[string]string{"Content-Encoding": "gzip"}, `[{"Text":"a"}]`, false},
		{"no token", "", map[string]string{"Authorization": ""}, `[]`, false},
		{"no JSON type", "", map[string]string{"Content-Type": "text/plain"}, `[]`, false},
		{"another rule", "/dataCollectionRules/dcr-1/streams/Custom-T_CL", nil, `[]`, false},
		{"another stream", "/dataCollectionRules/RULE/streams/Custom-U_CL", nil, `[]`, false},
		{"too large", "", nil, `[{"Text":"` + strings.Repeat("x", 1<<20) + `"}]`, false},
		{"too large once decompressed", "", nil, `[{"Text":"` + strings.Repeat("x", 1<<20) + `"}]`, true},
		{"as large as may be", "", nil, `[{"Text":"` + strings.Repeat("x", 1_000_000) + `"}]`, true},
	} {
		answer := func(h http.Handler, rule string) int {
			body, encoding := []byte(x.body), ""
			if x.zip {
				var buf bytes.Buffer
				gz := gzip.NewWriter(&buf)
				_, _ = gz.Write(body)
				_ = gz.Close()
				body, encoding = buf.Bytes(), "gzip"
			}
			path := x.path
			if path == "" {
				path = "/dataCollectionRules/RULE/streams/Custom-T_CL"
			}
			req := httptest.NewRequestWithContext(t.Context(), "POST", strings.Replace(path, "RULE", rule, 1), bytes.NewReader(body))
			req.Header.Set("Authorization", "Bearer none")
			req.Header.Set("Content-Type", "application/json")
			if encoding != "" {
				req.Header.Set("Content-Encoding", encoding)
			}
			for k, v := range x.headers {
				req.Header.Del(k)
				if v != "" {
					req.Header.Set(k, v)
				}
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, req)
			return rec.Code
		}
		if want, got := answer(ws.Handler(), ws.Rules()[0].ID), answer(fake, ruleID); got != want {
			t.Errorf("%s: the simulated endpoint answers %d, the local workspace %d", x.what, got, want)
		}
		n, err := ws.Count("T_CL")
		if err != nil || int(n) != taken {
			t.Errorf("%s: the simulated endpoint has %d rows, the local workspace %d (%v)", x.what, taken, n, err)
		}
		rows = int(n)
	}
	if rows != 5 {
		t.Error(fmt.Sprint(rows, " rows, want 5"))
	}
}
