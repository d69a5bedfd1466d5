package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// hurting are records that collectors have lost, or lost others with. %s is
// where the time goes.
var hurting = map[string]string{
	"row over a megabyte":       `{"uuid":"h1","published":"%s","unknown":"` + strings.Repeat("x", 1_500_000) + `"}`,
	"field over 64 KB":          `{"uuid":"h2","published":"%s","displayMessage":"` + strings.Repeat("é", 50_000) + `"}`,
	"six hundred members":       `{"uuid":"h3","published":"%s"` + members(600) + `}`,
	"a thousand levels":         `{"uuid":"h4","published":"%s","debugContext":{"debugData":` + strings.Repeat(`{"a":[`, 500) + "1" + strings.Repeat(`]}`, 500) + `}}`,
	"invalid UTF-8":             "{\"uuid\":\"h5\",\"published\":\"%s\",\"displayMessage\":\"a\xff\xfeb\"}",
	"NUL":                       `{"uuid":"h6","published":"%s","displayMessage":"a\u0000b"}`,
	"lone surrogates":           `{"uuid":"h7","published":"%s","displayMessage":"\ud800 \udc00\ud800"}`,
	"repeated keys":             `{"uuid":"first","uuid":"h8","published":"%s","actor":{"id":"a"},"actor":{"id":"b"}}`,
	"integers beyond 2^53":      `{"uuid":"h9","published":"%s","debugContext":{"debugData":{"n":9007199254740993}},"securityContext":{"asNumber":99999999999999999999}}`,
	"wrong types":               `{"uuid":"h10","published":"%s","actor":"me","client":[1],"outcome":5,"severity":{},"target":"x","securityContext":{"asNumber":"many","isProxy":"perhaps"}}`,
	"a time that is none":       `{"uuid":"h11","published":{"at":"%s"}}`,
	"no id":                     `{"published":"%s","displayMessage":"who am I"}`,
	"terminal escapes":          `{"uuid":"h13","published":"%s","displayMessage":"\u001b[2J\u001b]0;x\u0007\r\nHTTP/1.1 200 OK"}`,
	"nothing but nulls":         `{"uuid":"h14","published":"%s","actor":null,"client":null,"displayMessage":null}`,
	"an empty object":           `{}`,
	"a number":                  `42`,
	"a text":                    `"text"`,
	"null":                      `null`,
	"an array":                  `[1, 2]`,
	"numbers no float can hold": `{"uuid":"h20","published":"%s","client":{"geographicalContext":{"geolocation":{"lat":1e999,"lon":-0}}}}`,
	"odd member names":          `{"uuid":"h21","published":"%s","":1,"a\"b":2,"a\nb":{"c":3},"` + strings.Repeat("k", 5000) + `":4}`,
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"member_%d":"value %d"`, i, i)
	}
	return b.String()
}

// TestDataThatHurts sends each of them between good records, through the
// production code, into the workspace on this machine: each is a row or in
// quarantine with its original, the good ones all arrive, the books balance.
func TestDataThatHurts(t *testing.T) {
	at := time.Now().Add(-30 * time.Minute).UTC()
	var records []string
	for name, text := range hurting {
		records = append(records, strings.ReplaceAll(text, "%s", at.Format(time.RFC3339Nano)), fmt.Sprintf(`{"uuid":"good after %s","published":%q}`, name, at.Format(time.RFC3339Nano)))
		at = at.Add(time.Second)
	}
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := "[]" // the records all at once, then nothing
		if r.URL.Query().Get("after") == "" {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?after=1>; rel="next"`, r.Host, r.URL.Path))
			page = "[" + strings.Join(records, ",\n") + "]"
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, page)
	}))
	defer provider.Close()
	s := surround(t)
	a := s.app(t, s.endpoint, provider.URL)
	for _, rep := range a.CollectAll(t.Context(), a.Connections(), time.Minute) {
		if rep.Outcome != engine.OK || rep.Counts.Fetched != int64(len(records)) || !rep.Counts.Balanced() {
			t.Errorf("report %+v", rep)
		}
	}
	res, err := s.ws.Query(t.Context(), `OktaV2_CL | project EventUid, AdditionalFields`)
	if err != nil {
		t.Fatal(err)
	}
	arrived := map[string]bool{}
	for _, row := range res.Rows {
		var uid string
		_ = json.Unmarshal(row[0].(json.RawMessage), &uid)
		arrived[uid] = true
	}
	var kept [][]byte
	err = a.Quarantine(t.Context(), "", func(q *engine.Quarantined) error {
		kept = append(kept, bytes.Clone(q.Original()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range hurting {
		if !arrived["good after "+name] {
			t.Errorf("the record after %q is missing", name)
		}
		var id struct{ UUID string }
		_ = json.Unmarshal([]byte(text), &id)
		inQuarantine := false
		for _, k := range kept {
			for _, r := range records {
				inQuarantine = inQuarantine || bytes.Equal(k, []byte(r)) && matches(r, text)
			}
		}
		if id.UUID != "" && !arrived[id.UUID] && !inQuarantine {
			t.Errorf("%q is neither a row nor in quarantine", name)
		}
		if id.UUID == "" && name != "no id" && name != "an empty object" && !inQuarantine {
			t.Errorf("%q is not in quarantine", name)
		}
	}
	if len(arrived)+len(kept) < len(records) {
		t.Errorf("%d records, %d rows, %d in quarantine", len(records), len(arrived), len(kept))
	}
}

// matches reports whether a record was made of a text with a time in it.
func matches(record, text string) bool {
	before, after, _ := strings.Cut(text, "%s")
	return strings.HasPrefix(record, before) && strings.HasSuffix(record, after)
}
