package proof

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/sentinel"
)

const (
	ruleID      = "dcr-00000000000000000000000000000051"
	healthTable = "SluiceHealth_CL"
	// poisonous is a text that the endpoint answers with 400, whatever comes with it.
	poisonous = "poison"
)

// Ingestion is the Logs Ingestion API, as much of it as a sink sees: it takes
// a call as a whole or not at all (learn.microsoft.com, "Logs Ingestion API in
// Azure Monitor"). The suite of the sink's endpoint runs over it and over the
// local workspace alike.
type Ingestion struct {
	tables map[string]bool

	offered  func(rows int)                            // told of each call with rows
	accepted func(table string, rows []map[string]any) // told of each call that was taken
	now      func() time.Time
}

// NewIngestion returns an endpoint with a rule for these tables.
func NewIngestion(tables map[string]bool) *Ingestion {
	return &Ingestion{tables: tables, offered: func(int) {}, accepted: func(string, []map[string]any) {}, now: time.Now}
}

// ServeHTTP is POST /dataCollectionRules/{rule}/streams/{stream}.
func (s *Ingestion) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	part := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	rw.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	var table string
	if len(part) == 4 && part[0] == "dataCollectionRules" && part[1] == ruleID && part[2] == "streams" {
		table = strings.TrimPrefix(part[3], "Custom-")
	}
	switch {
	case !strings.HasPrefix(req.Header.Get("Authorization"), "Bearer "):
		answer(rw, http.StatusUnauthorized, "AuthenticationTokenInvalid")
	case !s.tables[table]:
		answer(rw, http.StatusNotFound, "NotFound")
	case !strings.HasPrefix(req.Header.Get("Content-Type"), "application/json"):
		answer(rw, http.StatusUnsupportedMediaType, "UnsupportedMediaType")
	default:
		s.take(rw, req, table)
	}
}

func (s *Ingestion) take(rw http.ResponseWriter, req *http.Request, table string) {
	const limit = sentinel.MaxCall
	var body io.Reader = io.LimitReader(req.Body, limit+1)
	if req.Header.Get("Content-Encoding") == "gzip" {
		gz, err := gzip.NewReader(body)
		if err != nil {
			answer(rw, http.StatusBadRequest, "InvalidPayload")
			return
		}
		body = io.LimitReader(gz, limit+1)
	}
	data, err := io.ReadAll(body)
	if len(data) > limit {
		answer(rw, http.StatusRequestEntityTooLarge, "ContentLengthLimitExceeded")
		return
	}
	var rows []map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err == nil {
		err = dec.Decode(&rows)
	}
	s.offered(len(rows))
	if err != nil || bytes.Contains(data, []byte(`"`+poisonous+`"`)) || dec.More() {
		answer(rw, http.StatusBadRequest, "InvalidPayload")
		return
	}
	s.accepted(table, rows)
	rw.WriteHeader(http.StatusNoContent)
}

func answer(rw http.ResponseWriter, status int, code string) {
	rw.Header().Set("x-ms-error-code", code)
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	fmt.Fprintf(rw, `{"error":{"code":%q,"message":"simulated"}}`, code)
}
