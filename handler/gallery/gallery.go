// Package gallery is the page that a person looks at: what runs, how it is
// doing, what arrived, and which connectors there are. It shows what it is
// given and changes nothing.
package gallery

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// Page is what the page shows.
type Page struct {
	Version    string      `json:"version"`
	Address    string      `json:"address"`
	Demo       bool        `json:"demo"`
	Now        time.Time   `json:"now"`
	Streams    []Stream    `json:"streams"`
	Latest     []Row       `json:"latest"`
	Connectors []Connector `json:"connectors"`
}

// Stream is a line of the status table.
type Stream struct {
	Connection  string    `json:"connection"`
	Connector   string    `json:"connector"`
	Stream      string    `json:"stream"`
	Table       string    `json:"table"`
	State       string    `json:"state"` // ok, waiting, partial, failed, stalled, skipped
	Reason      string    `json:"reason,omitempty"`
	Message     string    `json:"message,omitempty"`
	Rows        int64     `json:"rows"`
	Repeated    int64     `json:"repeated"`
	Filtered    int64     `json:"filtered"`
	Quarantined int       `json:"quarantined"`
	LastEvent   time.Time `json:"last_event,omitzero"`
	Position    time.Time `json:"position,omitzero"`
}

// Row is a row that arrived.
type Row struct {
	Table string          `json:"table"`
	Time  string          `json:"time"`
	Text  string          `json:"text"`
	JSON  json.RawMessage `json:"row"`
}

// Connector is a card of the gallery.
type Connector struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	Publisher   string   `json:"publisher"`
	Tier        string   `json:"tier"`
	Description string   `json:"description"`
	Streams     []string `json:"streams"`
	Tables      []string `json:"tables"`
	Settings    []string `json:"settings"` // as app settings
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"ago": func(now, t time.Time) string {
		if t.IsZero() {
			return "—"
		}
		d := now.Sub(t).Round(time.Second)
		switch {
		case d < 0:
			return "now"
		case d < 2*time.Minute:
			return fmt.Sprintf("%d s ago", int(d.Seconds()))
		case d < 2*time.Hour:
			return fmt.Sprintf("%d min ago", int(d.Minutes()))
		}
		return t.Format("2006-01-02 15:04") + " UTC"
	},
}).Parse(pageText))

// policy lets the page have its own style and script, and no other.
var policy = fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", inline("style"), inline("script"))

// inline is the digest of what a tag of the page holds, as it is sent.
func inline(tag string) string {
	var b strings.Builder
	if err := page.Execute(&b, &Page{}); err != nil {
		panic(err) // the page without anything to show
	}
	_, text, _ := strings.Cut(b.String(), "<"+tag+">")
	text, _, _ = strings.Cut(text, "</"+tag+">")
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Handler serves the page at / and the same as JSON at /api/status.
func Handler(load func(context.Context) (*Page, error)) http.Handler {
	r := chi.NewRouter()
	serve := func(write func(http.ResponseWriter, *Page) error) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			p, err := load(req.Context())
			if err == nil {
				err = write(w, p)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}
	}
	r.Get("/", serve(func(w http.ResponseWriter, p *Page) error {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		return page.Execute(w, p)
	}))
	r.Get("/api/status", serve(func(w http.ResponseWriter, p *Page) error {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		return json.NewEncoder(w).Encode(p)
	}))
	return r
}
