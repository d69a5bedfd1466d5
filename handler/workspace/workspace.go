// Package workspace is a Log Analytics workspace on this machine: it issues
// tokens, takes rows through the Logs Ingestion API with the service's limits,
// status codes and error bodies, keeps them in SQLite, and answers simple
// queries. What the service does silently it does too: undeclared columns are
// dropped, values converted, long texts cut, times moved.
//
// Source of the behaviour: learn.microsoft.com, "Logs Ingestion API", "Azure
// Monitor service limits" and "Standard columns in Azure Monitor Logs", 2026.
package workspace

import (
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	_ "modernc.org/sqlite" // the database driver

	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// Limits of a data collection rule, in a minute ("Azure Monitor service limits"); the
// package sentinel has those that senders have to know.
const (
	maxRequests = 12_000
	maxBytes    = int64(2) << 30
)

// Table is a table with the columns that rows may have.
type Table struct {
	Name    string
	Columns []kql.Column
}

// CollectionRule is a data collection rule: an id and its streams.
type CollectionRule struct {
	ID      string   `json:"immutableId"`
	Streams []Stream `json:"streams"`
}

// Stream is one stream of a rule and the table that it feeds.
type Stream struct {
	Name  string `json:"stream"`
	Table string `json:"table"`
}

// Workspace holds tables and rules. Its methods may be called concurrently.
type Workspace struct {
	db     *sql.DB
	now    func() time.Time
	rules  []CollectionRule
	tables map[string]*table
	secret string // for the identity endpoint

	mu     sync.Mutex
	tokens map[string]time.Time
	usage  map[string]*usage
	denied map[string]bool
}

type table struct {
	Table
	prog *kql.Program // brings a row to the declared columns and types
}

// usage counts a rule's calls in the present minute.
type usage struct {
	minute   int64
	requests int
	bytes    int64
}

// Open opens the workspace in the SQLite file path (":memory:" for none) with
// these tables. Each gets a stream Custom-<table>; ten streams make a rule.
// What is in the file only its owner may read.
func Open(path string, tables []Table, now func() time.Time) (*Workspace, error) {
	if path != ":memory:" {
		if err := own(path); err != nil {
			return nil, fmt.Errorf("make the workspace's file: %w", err)
		}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, stmt := range []string{
		"PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", "PRAGMA busy_timeout = 5000",
		"CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, tbl TEXT NOT NULL, at INTEGER NOT NULL, received INTEGER NOT NULL, row TEXT NOT NULL)",
		"CREATE INDEX IF NOT EXISTS rows_by_time ON rows (tbl, at)",
	} {
		if _, err := db.Exec(stmt); err != nil {
			return nil, errors.Join(fmt.Errorf("open workspace %s: %w", path, err), db.Close())
		}
	}
	w := &Workspace{db: db, now: now, tables: map[string]*table{}, tokens: map[string]time.Time{}, usage: map[string]*usage{}, denied: map[string]bool{}, secret: randomHex()}
	for i, t := range tables {
		prog, err := kql.Compile("source", kql.Options{Source: t.Columns, Hold: "TimeGenerated", MaxText: sentinel.MaxText})
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
		w.tables[t.Name] = &table{t, prog}
		if i%sentinel.MaxStreams == 0 {
			w.rules = append(w.rules, CollectionRule{ID: ruleID(len(w.rules))})
		}
		r := &w.rules[len(w.rules)-1]
		r.Streams = append(r.Streams, Stream{"Custom-" + t.Name, t.Name})
	}
	return w, nil
}

// own makes a file that only its owner may read, or makes it so; the database's other
// files take after it.
func own(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// ruleID is an immutable id: dcr- and 32 hexadecimal digits.
func ruleID(i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "sluice local rule %d", i))
	return "dcr-" + hex.EncodeToString(sum[:16])
}

// Close closes the database.
func (w *Workspace) Close() error { return w.db.Close() }

// Rules returns the data collection rules.
func (w *Workspace) Rules() []CollectionRule { return w.rules }

// IdentityHeader is what a caller of the identity endpoint has to send in
// X-IDENTITY-HEADER; with it in IDENTITY_HEADER and the address of /msi/token
// in IDENTITY_ENDPOINT, Azure's SDKs take their tokens from here.
func (w *Workspace) IdentityHeader() string { return w.secret }

// Deny makes calls to a rule fail as they do while its role assignment is
// missing; allow with denied false.
func (w *Workspace) Deny(rule string, denied bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.denied[rule] = denied
}

// Handler serves the workspace's API.
func (w *Workspace) Handler() http.Handler {
	r := chi.NewRouter()
	r.Post("/dataCollectionRules/{rule}/streams/{stream}", w.ingest)
	r.Get("/dataCollectionRules", func(rw http.ResponseWriter, _ *http.Request) { writeJSON(rw, http.StatusOK, w.rules) })
	r.Post("/{tenant}/oauth2/v2.0/token", w.token)
	r.Get("/msi/token", w.identityToken)
	r.Post("/v1/workspaces/{workspace}/query", w.query)
	r.Get("/v1/workspaces/{workspace}/query", w.query)
	r.NotFound(func(rw http.ResponseWriter, req *http.Request) {
		apiError(rw, http.StatusNotFound, "NotFound", "there is nothing at "+req.URL.Path)
	})
	return r
}

func writeJSON(rw http.ResponseWriter, code int, v any) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(code)
	_ = json.NewEncoder(rw).Encode(v)
}

func apiError(rw http.ResponseWriter, code int, name, msg string) {
	rw.Header().Set("x-ms-error-code", name)
	writeJSON(rw, code, map[string]any{"error": map[string]any{"code": name, "message": msg}})
}

func randomHex() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func (w *Workspace) issue() (token string, expires time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	maps.DeleteFunc(w.tokens, func(_ string, until time.Time) bool { return !until.After(now) })
	token, expires = "local-"+randomHex(), now.Add(time.Hour)
	w.tokens[token] = expires
	return token, expires
}

// token is the OAuth 2.0 endpoint; any client secret will do on this machine.
func (w *Workspace) token(rw http.ResponseWriter, req *http.Request) {
	if req.FormValue("grant_type") != "client_credentials" || req.FormValue("scope") == "" {
		writeJSON(rw, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "want grant_type=client_credentials and a scope"})
		return
	}
	t, _ := w.issue()
	writeJSON(rw, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": t})
}

// identityToken is the managed identity endpoint of App Service and Functions.
func (w *Workspace) identityToken(rw http.ResponseWriter, req *http.Request) {
	if req.Header.Get("X-IDENTITY-HEADER") != w.secret {
		writeJSON(rw, http.StatusUnauthorized, map[string]string{"message": "X-IDENTITY-HEADER is wrong"})
		return
	}
	t, expires := w.issue()
	writeJSON(rw, http.StatusOK, map[string]string{"access_token": t, "expires_on": strconv.FormatInt(expires.Unix(), 10),
		"resource": req.FormValue("resource"), "token_type": "Bearer"})
}

// authorized accepts a token issued here, and "none" for lack of one.
func (w *Workspace) authorized(req *http.Request) bool {
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	w.mu.Lock()
	defer w.mu.Unlock()
	return ok && (token == "none" || w.tokens[token].After(w.now()))
}

// ingest is POST /dataCollectionRules/{rule}/streams/{stream}.
func (w *Workspace) ingest(rw http.ResponseWriter, req *http.Request) {
	rule, stream := chi.URLParam(req, "rule"), chi.URLParam(req, "stream")
	if !w.authorized(req) {
		apiError(rw, http.StatusUnauthorized, "AuthenticationTokenInvalid", "The provided authentication token is not valid.")
		return
	}
	t := w.find(rule, stream)
	if t == nil {
		apiError(rw, http.StatusNotFound, "NotFound", fmt.Sprintf("Data collection rule with immutable Id '%s' and stream '%s' not found.", rule, stream))
		return
	}
	w.mu.Lock()
	denied := w.denied[rule]
	w.mu.Unlock()
	if denied {
		apiError(rw, http.StatusForbidden, "OperationFailed", fmt.Sprintf("The authentication token provided does not have access to ingest data for the data collection rule with immutable Id '%s'.", rule))
		return
	}
	body, code, msg := readCall(req)
	if code != 0 {
		apiError(rw, code, callErrors[code], msg)
		return
	}
	if wait := w.throttle(rule, len(body)); wait > 0 {
		rw.Header().Set("Retry-After", strconv.Itoa(wait))
		apiError(rw, http.StatusTooManyRequests, "TooManyRequests", "The rate limit of the data collection rule is exceeded.")
		return
	}
	if err := w.insert(t, body); err != nil {
		var bad *badRequest
		if errors.As(err, &bad) {
			apiError(rw, http.StatusBadRequest, "InvalidPayload", bad.Error())
			return
		}
		apiError(rw, http.StatusInternalServerError, "InternalServerError", err.Error())
		return
	}
	rw.WriteHeader(http.StatusNoContent)
}

// callErrors are the codes that go with the status of an unreadable call.
var callErrors = map[int]string{
	http.StatusBadRequest: "InvalidPayload", http.StatusRequestEntityTooLarge: "ContentLengthLimitExceeded", http.StatusUnsupportedMediaType: "UnsupportedMediaType",
}

func (w *Workspace) find(rule, stream string) *table {
	for _, r := range w.rules {
		if r.ID != rule {
			continue
		}
		for _, s := range r.Streams {
			if s.Name == stream {
				return w.tables[s.Table]
			}
		}
	}
	return nil
}

// readCall reads a body within the limit, which holds before and after gzip.
func readCall(req *http.Request) (body []byte, code int, msg string) {
	if !isJSON(req) {
		return nil, http.StatusUnsupportedMediaType, "Content-Type has to be application/json."
	}
	tooLarge := func() ([]byte, int, string) {
		return nil, http.StatusRequestEntityTooLarge, "The request is larger than 1 MB, which holds for compressed and for uncompressed data."
	}
	wire := &io.LimitedReader{R: req.Body, N: sentinel.MaxCall + 1}
	var r io.Reader = wire
	switch req.Header.Get("Content-Encoding") {
	case "":
	case "gzip":
		gz, err := gzip.NewReader(wire)
		if err != nil {
			return nil, http.StatusBadRequest, "The body is not gzip."
		}
		r = gz
	default:
		return nil, http.StatusUnsupportedMediaType, "The only Content-Encoding is gzip."
	}
	body, err := io.ReadAll(io.LimitReader(r, sentinel.MaxCall+1))
	switch {
	case len(body) > sentinel.MaxCall || wire.N <= 0:
		return tooLarge()
	case err != nil:
		return nil, http.StatusBadRequest, "The body could not be read: " + err.Error()
	}
	return body, 0, ""
}

// isJSON reports whether a request says that its body is JSON, which no form of a
// page elsewhere can say.
func isJSON(req *http.Request) bool {
	typ, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	return err == nil && typ == "application/json"
}

// throttle counts a call and returns how many seconds to wait, or 0.
func (w *Workspace) throttle(rule string, n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	u := w.usage[rule]
	if u == nil || u.minute != now.Unix()/60 {
		u = &usage{minute: now.Unix() / 60}
		w.usage[rule] = u
	}
	u.requests++
	u.bytes += int64(n)
	if u.requests > maxRequests || u.bytes > maxBytes {
		return 60 - int(now.Unix()%60)
	}
	return 0
}

// badRequest is a fault of the caller.
type badRequest struct{ msg string }

func (e *badRequest) Error() string { return e.msg }

// insert stores the rows of a JSON array, all or none.
func (w *Workspace) insert(t *table, body []byte) error {
	tx, err := w.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	stmt, err := tx.Prepare("INSERT INTO rows (tbl, at, received, row) VALUES (?, ?, ?, ?)")
	if err != nil {
		return err
	}
	now := w.now().UTC()
	m := t.prog.Runner()
	p := scan.Space(body, 0)
	if p >= len(body) || body[p] != '[' || !scan.Valid(body) {
		return &badRequest{"The body has to be a valid JSON array of objects."}
	}
	p = scan.Space(body, p+1)
	for body[p] != ']' {
		if body[p] != '{' {
			return &badRequest{"The body has to be a valid JSON array of objects."}
		}
		n, row, err := m.Map(body[p:], nil)
		if err != nil {
			return &badRequest{err.Error()}
		}
		at, ok := m.Held()
		if !ok || at.Before(now.Add(-sentinel.Oldest)) || at.After(now.Add(sentinel.Newest)) {
			at = now
		}
		if len(row) > 1 {
			row = append(row, ',')
		}
		row = append(at.AppendFormat(append(row, `"TimeGenerated":"`...), "2006-01-02T15:04:05.9999999Z"), `"}`...)
		if _, err := stmt.Exec(t.Name, at.UnixMilli(), now.UnixMilli(), string(row)); err != nil {
			return err
		}
		if p = scan.Space(body, p+n); body[p] == ',' {
			p = scan.Space(body, p+1)
		}
	}
	return tx.Commit()
}

// Count returns how many rows a table has.
func (w *Workspace) Count(name string) (n int64, err error) {
	err = w.db.QueryRow("SELECT count(*) FROM rows WHERE tbl = ?", name).Scan(&n)
	return n, err
}

// Latest returns the newest rows of a table, the newest first.
func (w *Workspace) Latest(name string, n int) ([]json.RawMessage, error) {
	rows, err := w.db.Query("SELECT row FROM rows WHERE tbl = ? ORDER BY at DESC, id DESC LIMIT ?", name, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []json.RawMessage
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			return nil, err
		}
		out = append(out, json.RawMessage(row))
	}
	return out, rows.Err()
}
