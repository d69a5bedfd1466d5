// Command generate writes what repeats something else: of the connectors' specs the
// functions of the Azure Functions host, all of infra/ but the modules, and the tables
// in their READMEs; of Bicep the compiled templates; of the transformation language and
// of connector.yaml the references in their READMEs. Run it as scripts/generate after a
// change to one of them; a test says when it was forgotten.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/spec"
)

func main() {
	files, err := generate(".")
	if err == nil {
		err = write(files)
	}
	compiled := map[string]string{}
	if err == nil {
		compiled, err = compileAll(".")
	}
	if absent := new(noCompiler); errors.As(err, &absent) {
		fmt.Fprintln(os.Stderr, "generate: the compiled templates were not renewed.", err)
		err = nil
	}
	if err == nil {
		err = write(compiled)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
	fmt.Println("wrote", len(files)+len(compiled), "files")
}

func write(files map[string]string) error {
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the generated files of the project at root, by path.
func generate(root string) (map[string]string, error) {
	cs, err := connectors.All()
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	if err := renew(files, filepath.Join(root, "handler", "kql", "README.md"), "\n"+kql.Reference()); err != nil {
		return nil, err
	}
	reference, err := spec.Reference()
	if err != nil {
		return nil, err
	}
	if err := renew(files, filepath.Join(root, "handler", "spec", "README.md"), reference); err != nil {
		return nil, err
	}
	if err := renew(files, filepath.Join(root, "README.md"), connectorList(cs)); err != nil {
		return nil, err
	}
	outlines, err := connectors.OutlinesOf(cs)
	if err != nil {
		return nil, err
	}
	files[filepath.Join(root, "connectors", "outlines.json")] = string(outlines)
	doctor, err := functionJSON("scripts/cmd/generate", "SLUICE_DOCTOR_SCHEDULE")
	if err != nil {
		return nil, err
	}
	files[filepath.Join(root, "functions", "doctor", "function.json")] = doctor
	for _, c := range cs {
		text, err := functionJSON("connectors/"+c.Name+"/connector.yaml", c.EnvName("schedule"))
		if err != nil {
			return nil, err
		}
		files[filepath.Join(root, "functions", c.FunctionName(), "function.json")] = text
		if err := renew(files, filepath.Join(root, "connectors", c.Name, "README.md"), tables(c)); err != nil {
			return nil, err
		}
	}
	return files, infra(root, files, cs)
}

// infra adds the files of infra/: Bicep, and the forms of the portal.
func infra(root string, files map[string]string, cs []*spec.Connector) error {
	at := func(parts ...string) string {
		return filepath.Join(append([]string{root, "infra"}, parts...)...)
	}
	whole := map[string]deployment{".": choiceOf(cs)} // by folder
	for _, c := range cs {
		dir := filepath.Join("connectors", c.Name)
		addSource(files, at(dir), connectorSource(c))
		files[at(dir, "sentinel.bicep")] = sentinelBicep(c)
		whole[dir] = singleOf(c, cs)
	}
	addSource(files, at("health"), healthSource())
	files[at("types.bicep")] = typesBicep(cs)
	var err error
	if files[at("health", "workbook.json")], err = workbookJSON(cs); err != nil {
		return err
	}
	for dir, d := range whole {
		main, err := mainBicep(d)
		if err != nil {
			return err
		}
		files[at(dir, "main.bicep")] = main
		files[at(dir, "main.bicepparam")] = exampleParams(d)
		if files[at(dir, "form.json")], err = formJSON(d); err != nil {
			return err
		}
	}
	return nil
}

// compileAll makes the templates that are kept compiled, for the portal's buttons and
// for the binary, of the Bicep files as they are.
func compileAll(root string) (map[string]string, error) {
	c, err := startCompiler(root)
	if err != nil {
		return nil, err
	}
	defer c.close()
	files, err := reviewed(c, root)
	if err != nil {
		return nil, err
	}
	paths, err := bicepFiles(root)
	for _, path := range paths {
		if to := keptAs(path); to != "" && err == nil {
			files[to], err = c.compile(path)
		}
	}
	return files, err
}

// reviewed are the snapshots of a few deployments, beside their parameter files, as bicep
// snapshot writes them: so that whoever reviews a change sees what it does to these.
func reviewed(c *compiler, root string) (map[string]string, error) {
	paths, err := filepath.Glob(filepath.Join(root, "infra", "snapshots", "*.bicepparam"))
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		text, err := c.snapshot(abs, place)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		// The compiler writes outputs in no order.
		var doc struct {
			Resources   json.RawMessage `json:"predictedResources"`
			Diagnostics json.RawMessage `json:"diagnostics"`
			Outputs     map[string]any  `json:"outputs"`
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if files[strings.TrimSuffix(path, ".bicepparam")+".snapshot.json"], err = indented(doc); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// bicepFiles are all of infra/.
func bicepFiles(root string) (paths []string, err error) {
	err = filepath.WalkDir(filepath.Join(root, "infra"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".bicep" {
			paths = append(paths, path)
		}
		return err
	})
	return paths, err
}

// keptAs is where the compiled form of a Bicep file is kept: of whole deployments and of
// what is needed at a workspace. That of the container is not: it takes an image that
// only its user has.
func keptAs(path string) string {
	dir, name := filepath.Split(path)
	switch {
	case name == "workspace.bicep":
		return filepath.Join(dir, "workspace.json")
	case name == "main.bicep" && filepath.Base(dir) != "container":
		return filepath.Join(dir, "azuredeploy.json")
	}
	return ""
}

func addSource(files map[string]string, dir string, s source) {
	files[filepath.Join(dir, "tables.bicep")] = tablesBicep(s)
	files[filepath.Join(dir, "rules.bicep")] = rulesBicep(s)
	files[filepath.Join(dir, "workspace.bicep")] = workspaceBicep(s)
}

// renew replaces the generated part of a README.
func renew(files map[string]string, path, text string) error {
	readme, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok1 := strings.Cut(string(readme), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s: want the lines %q and %q", path, begin, end)
	}
	files[path] = head + begin + "\n" + text + end + tail
	return nil
}

// functionJSON is a timer function; its schedule is an app setting. generatedBy is a
// key that the host knows from Microsoft's own generators.
func functionJSON(from, schedule string) (string, error) {
	type binding struct {
		Type       string `json:"type"`
		Direction  string `json:"direction"`
		Name       string `json:"name"`
		Schedule   string `json:"schedule"`
		UseMonitor bool   `json:"useMonitor"`
	}
	doc := struct {
		GeneratedBy string    `json:"generatedBy"`
		Bindings    []binding `json:"bindings"`
	}{"scripts/generate from " + from, []binding{{"timerTrigger", "in", "timer", "%" + schedule + "%", true}}}
	b, err := json.MarshalIndent(doc, "", "  ")
	return string(b) + "\n", err
}

const (
	begin = "<!-- generated by scripts/generate: tables -->"
	end   = "<!-- end of the generated part -->"
)

// connectorList is the table of all connectors; each one's page has its button.
func connectorList(cs []*spec.Connector) string {
	var b strings.Builder
	b.WriteString("\n| Connector | Streams | Tables |\n|---|---|---|\n")
	for _, c := range cs {
		var streams, tables []string
		for _, s := range c.Streams {
			title := s.Title
			if title == "" {
				title = s.Name
			}
			streams = append(streams, title)
		}
		for _, t := range c.Tables {
			tables = append(tables, "`"+t.Name+"`")
		}
		if len(tables) > 4 {
			tables = append(tables[:3], fmt.Sprintf("%d more", len(tables)-3))
		}
		fmt.Fprintf(&b, "| [%s](connectors/%s/README.md) | %s | %s |\n", c.Title, c.Name, strings.Join(streams, ", "), strings.Join(tables, ", "))
	}
	return b.String()
}

// askedBy says how a stream is asked for what is new.
func askedBy(p *spec.Position) string {
	switch p.Type {
	case "cursor":
		return "cursor"
	case "snapshot":
		return fmt.Sprintf("full list every %s; rows for what has changed", p.Every)
	}
	return fmt.Sprintf("time; %s behind now, reaching back %s", p.Lag, p.Overlap)
}

func kept(d spec.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// tables describes the streams, settings and tables of a connector.
func tables(c *spec.Connector) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n[Deploy to Azure](%s), or `sluice deploy apply --connector %s`.\n", button(c.Name), c.Name)
	b.WriteString("\n| Stream | Table | Asked for by | Kept by the provider | Shortest period of a rule |\n|---|---|---|---|---|\n")
	for _, s := range c.Streams {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", s.Name, s.Table, askedBy(&s.Position), kept(s.Position.Retention), shortest(c, &s))
	}
	b.WriteString("\nThe [period of a rule](../README.md#rules-with-short-periods) is how far it looks back.\n")
	b.WriteString("\n| Setting | App setting | |\n|---|---|---|\n")
	for _, s := range c.Settings {
		what := s.Help
		if s.Secret {
			what = "Secret. " + what
		}
		if s.Required {
			what = "Required. " + what
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", s.Name, c.EnvName(s.Name), what)
	}
	for i := range c.Tables {
		t, note := &c.Tables[i], ""
		fmt.Fprintf(&b, "\n### %s\n\n%s %d columns:\n\n| Column | Type | Value |\n|---|---|---|\n", t.Name, t.Description, len(t.AllColumns()))
		if m, err := connectors.ModelOf(c.Name, ""); err == nil && m != nil {
			if n := len(m.Unread(c, t)); n > 0 {
				note = fmt.Sprintf("\n%d members that the provider publishes have no column: they are in `AdditionalFields`.\n", n)
			}
		}
		for _, col := range t.AllColumns() {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", col.Name, col.Type, strings.TrimSpace(valueText(t, col)+" "+col.Description))
		}
		b.WriteString(note)
	}
	return b.String()
}

// valueText says what a column is filled with.
func valueText(t *spec.Table, col spec.Column) string {
	own := slices.ContainsFunc(t.Columns, func(c spec.Column) bool { return c.Name == col.Name })
	switch {
	case col.KQL != "":
		return "`" + strings.ReplaceAll(col.KQL, "|", `\|`) + "`"
	case own && col.Name != "TimeGenerated":
		return "Empty: no record has it."
	}
	return ""
}

// delivery is how long a row takes from here until it can be queried: a run, and up to three
// minutes in the service (learn.microsoft.com, "Log data ingestion time in Azure Monitor").
const delivery = 5 * time.Minute

// shortest is how far a rule has to look back by TimeGenerated, when that is when a record
// happened, to miss none that the provider lists in time.
func shortest(c *spec.Connector, s *spec.Stream) string {
	if s.Position.Type == "snapshot" {
		return ""
	}
	age := time.Duration(s.Position.Lag) + interval(c.Schedule) + delivery
	return spec.Duration(age.Round(time.Minute)).String()
}
