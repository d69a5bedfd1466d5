package author

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// Draft is all that goes into the files of a new connector.
type Draft struct {
	Name, Title, Publisher string
	BaseURL, Path          string
	Auth                   Auth
	Query                  map[string]string // further parameters
	FromParam, ToParam     string            // the parameters of a window; none: the whole list, once a day
	TimeFormat             string            // of them
	Granularity            time.Duration     // what that tells apart; at least a second
	Stream, Table          string
	Guess                  *Guess
}

// Auth says how the API is called.
type Auth struct {
	Type   string // none, bearer, api_key or basic
	Header string // of api_key
	Query  string // of api_key, instead
	Prefix string // of api_key
}

// Secret is the name of the setting that holds the credential, "" when there is none.
func (a Auth) Secret() string {
	switch a.Type {
	case "none":
		return ""
	case "basic":
		return "password"
	}
	return "api_token"
}

// YAML is the auth: of a connector.
func (a Auth) YAML() string {
	switch a.Type {
	case "none":
		return "{type: none}"
	case "basic":
		return `{type: basic, username: "{username}", password: "{password}"}`
	case "bearer":
		return `{type: bearer, value: "{api_token}"}`
	}
	where := ""
	switch {
	case a.Query != "":
		where = fmt.Sprintf(", query: %q", a.Query)
	case a.Header != "":
		where = fmt.Sprintf(", header: %q", a.Header)
	}
	if a.Prefix != "" {
		where += fmt.Sprintf(", prefix: %q", a.Prefix)
	}
	return `{type: api_key` + where + `, value: "{api_token}"}`
}

// Parameters are those of the first request, as YAML.
func (d *Draft) Parameters() string {
	q := map[string]string{}
	for k, v := range d.Query {
		q[k] = v
	}
	format := d.Format()
	if d.FromParam != "" {
		q[d.FromParam] = "{window.from:" + format + "}"
	}
	if d.ToParam != "" {
		q[d.ToParam] = "{window.to:" + format + "}"
	}
	if len(q) == 0 {
		return ""
	}
	text, _ := json.Marshal(q)
	return strings.NewReplacer(`":"`, `": "`, `","`, `", "`).Replace(string(text))
}

// Format is how times are written in parameters.
func (d *Draft) Format() string { return cmp.Or(d.TimeFormat, d.Guess.Format, "rfc3339") }

// Position is the position: of the stream, as YAML. A window is longer than what the
// format tells apart.
func (d *Draft) Position() string {
	id := ""
	if d.Guess.ID != "" {
		id = fmt.Sprintf("\n      id: %s", quote(d.Guess.ID))
	}
	if d.FromParam == "" {
		return fmt.Sprintf("\n      type: snapshot\n      time: %s%s\n      every: 1d", quote(d.Guess.Time), id)
	}
	granularity, overlap, longest := "1s", "15m", "1d"
	switch d.Granularity {
	case time.Minute:
		granularity = "1m"
	case time.Hour:
		granularity, overlap = "1h", "1h"
	case 24 * time.Hour:
		granularity, overlap, longest = "1d", "1d", "7d"
	}
	return fmt.Sprintf(`
      type: window
      time: %s%s
      order: %s
      granularity: %s     # the resolution of %s: look it up
      bounds: "[]"        # whether both ends are included: look it up; [] is safe
      lag: 2m             # how long an event may be missing from the list: look it up
      overlap: %-10s # how late an event may come still
      max_window: %s
      retention: 30d      # how long the provider keeps events: look it up`, quote(d.Guess.Time), id, d.Guess.Order, granularity, d.FromParam, overlap, longest)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Base is the address as a connector has it: always https. That of a server on this
// machine, for trying out, is given to commands with --base-url.
func (d *Draft) Base() string {
	return "https://" + strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(d.BaseURL, "https://"), "http://"), "/")
}

// Env is the environment variable of a setting.
func (d *Draft) Env(setting string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_").Replace(d.Name + "_" + setting))
}

// Quote is a text as YAML.
func (d *Draft) Quote(s string) string { return quote(s) }

var connectorTemplate = template.Must(template.New("connector.yaml").Parse(`name: {{.Name}}
title: {{.Quote .Title}}
publisher: {{.Quote .Publisher}}
support: {tier: community}
description: >-
  Collects {{.Stream}} of {{.Title}}. (Say in a sentence or two what people get.)
prerequisites:
  - (Which licence, which role.)
instructions:
  - (Where to make the credential, step by step, and which permissions it needs.)
{{- if .Auth.Secret}}
settings:
{{- if eq .Auth.Type "basic"}}
  - {name: username, label: User name, help: (Whose., required: true}
  - {name: password, label: Password, help: (Where to find it.), required: true, secret: true}
{{- else}}
  - {name: api_token, label: API token, help: (Where to find it.), required: true, secret: true}
{{- end}}
{{- end}}
base_url: {{.Base}}
auth: {{.Auth.YAML}}
limits: {share: 0.5}
schedule: "0 */5 * * * *"
streams:
  - name: {{.Stream}}
    request:
      path: {{.Quote .Path}}
{{- with .Parameters}}
      query: {{.}}
{{- end}}
    paging: {{.Guess.Paging}}
    records: {{.Quote .Guess.Records}}
    position:{{.Position}}
    table: {{.Table}}
tables:
  - name: {{.Table}}
    description: (What a row is.)
    columns:
      - {name: TimeGenerated, type: datetime, kql: {{.Quote .Guess.Time}}}
{{- range .Guess.Columns}}
      - {name: {{.Name}}, type: {{.Type}}, kql: {{$.Quote .KQL}}}
{{- end}}
queries:
  - title: Events by hour
    kql: |
      {{.Table}}
      | where TimeGenerated > ago(1d)
      | summarize Events = count() by bin(TimeGenerated, 1h)
`))

var readmeTemplate = template.Must(template.New("README.md").Parse(`# {{.Title}}

## What it collects

(What a row is, and a link to the provider's documentation.)

## Credentials and permissions

(Which credential, with which permissions.)

` + "```sh" + `
{{- if .Auth.Secret}}
export {{.Env .Auth.Secret}}=…
{{- end}}
sluice poll {{.Name}} --from -1h --limit 5 -o table
` + "```" + `

## Tables

<!-- generated by scripts/generate: tables -->
<!-- end of the generated part -->

## Known oddities

(What is odd about this API: order, delays, limits, paging.)
`))

// Files are the files of the connector, by path below its folder.
func (d *Draft) Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, t := range map[string]*template.Template{"connector.yaml": connectorTemplate, "README.md": readmeTemplate} {
		var b bytes.Buffer
		if err := t.Execute(&b, d); err != nil {
			return nil, err
		}
		files[name] = bytes.ReplaceAll(b.Bytes(), []byte("help: (Whose.,"), []byte("help: (Whose.),"))
	}
	return files, nil
}

// Write writes files below a folder. It does not replace any.
func Write(folder string, files map[string][]byte) error {
	for name := range files {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			return fmt.Errorf("%s is there already", filepath.Join(folder, name))
		}
	}
	for name, data := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Recorded is one exchange with a provider.
type Recorded struct {
	Method, Path   string
	Query          map[string]string
	Body           []byte // of the request, JSON
	Form           map[string]string
	Status         int
	Headers        map[string]string // of the answer, those that matter
	Answer         []byte
	AnswerIsNoJSON bool
}

// CaseFiles are the files of a case: what was asked and answered, in order. Answers
// are files of their own, as they came.
func CaseFiles(shows string, settings map[string]string, part string, start, now time.Time, slept time.Duration, exchanges []Recorded) map[string][]byte {
	files := map[string][]byte{}
	var b strings.Builder
	fmt.Fprintf(&b, "shows: %s\nsettings: %s\n", quote(shows), inline(settings))
	if part != "" {
		fmt.Fprintf(&b, "part: %s\n", quote(part))
	}
	fmt.Fprintf(&b, "start: %s\nruns:\n  - now: %s\n", start.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	if slept > 0 {
		fmt.Fprintf(&b, "    slept: %s\n", slept)
	}
	b.WriteString("    exchanges:\n")
	for i, x := range exchanges {
		b.WriteString("      - request:\n")
		if x.Method != "GET" {
			fmt.Fprintf(&b, "          method: %s\n", x.Method)
		}
		fmt.Fprintf(&b, "          path: %s\n", quote(x.Path))
		if len(x.Query) > 0 {
			fmt.Fprintf(&b, "          query: %s\n", inline(x.Query))
		}
		switch {
		case len(x.Form) > 0:
			fmt.Fprintf(&b, "          form: %s\n", inline(x.Form))
		case json.Valid(x.Body):
			fmt.Fprintf(&b, "          body: %s\n", x.Body)
		}
		name := fmt.Sprintf("answer%d.json", i+1)
		if x.AnswerIsNoJSON {
			name = fmt.Sprintf("answer%d.txt", i+1)
		}
		files[name] = x.Answer
		b.WriteString("        response:\n")
		if x.Status != 200 {
			fmt.Fprintf(&b, "          status: %d\n", x.Status)
		}
		if len(x.Headers) > 0 {
			fmt.Fprintf(&b, "          headers: %s\n", inline(x.Headers))
		}
		fmt.Fprintf(&b, "          file: %s\n", name)
	}
	files["exchange.yaml"] = []byte(b.String())
	return files
}

// inline is a map on one line. JSON is YAML.
func inline(m map[string]string) string {
	text, _ := json.Marshal(m)
	return strings.NewReplacer(`":"`, `": "`, `","`, `", "`).Replace(string(text))
}
