package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/azure/arm"
)

// TestFormsGiveTheParameters: what a form gives, its template takes, and the other
// way round; secrets are typed into boxes that hide them; each place that an output
// names is in the form. The official schema decides the rest.
func TestFormsGiveTheParameters(t *testing.T) {
	forms, err := filepath.Glob(filepath.Join(root, "infra", "connectors", "*", "form.json"))
	if err != nil || len(forms) < 10 {
		t.Fatalf("%d forms, %v", len(forms), err)
	}
	schema := official{
		file:   "form.json",
		source: "github.com/Azure/azure-resource-manager-schemas at a1454431151fd3e9c1b254b1a11d00c2d8474611, schemas/2021-09-09/uiFormDefinition.schema.json; MIT",
		base:   "https://schema.management.azure.com/schemas/",
		dir:    "arm",
		of:     func(string) string { return "ui/uiFormDefinition.schema.json" },
	}
	for _, path := range append(forms, filepath.Join(root, "infra", "form.json")) {
		var form map[string]any
		readJSON(t, path, &form)
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), "azuredeploy.json"))
		if err != nil {
			t.Fatal(err)
		}
		parameters, err := arm.Parameters(data)
		if err != nil {
			t.Fatal(err)
		}
		controls := map[string]string{} // type by place
		for _, s := range dig(form, "view", "properties", "steps").([]any) {
			collectControls(controls, "steps('"+dig(s, "name").(string)+"')", dig(s, "elements").([]any))
		}
		outputs := dig(form, "view", "outputs", "parameters").(map[string]any)
		for name, out := range outputs {
			p, ok := parameters[name]
			if !ok {
				t.Errorf("%s: the template has no parameter %s", path, name)
				continue
			}
			for _, at := range places.FindAllString(out.(string), -1) {
				typ := controls[at]
				for place := at; typ == "" && strings.Contains(place, "."); typ = controls[place] {
					place = place[:strings.LastIndexByte(place, '.')] // at may be a member of a control's value
				}
				if typ == "" {
					t.Errorf("%s: %s is made of %s, which is not in the form", path, name, at)
				}
				if p.Secure != (typ == "Microsoft.Common.PasswordBox") {
					t.Errorf("%s: %s is typed into a %s", path, name, typ)
				}
			}
		}
		for name, p := range parameters {
			if _, ok := outputs[name]; !ok && p.Default == nil {
				t.Errorf("%s: nothing gives the parameter %s", path, name)
			}
			if p.Secure && p.Default != nil && p.Default != "" {
				t.Errorf("%s: the secret %s has a default", path, name)
			}
		}
		schema.uses = append(schema.uses, use{"form", path, form})
	}
	schema.check(t)
}

// TestTheGridOfTablesMakesAnObject: the portal's functions, as they are documented, make
// of its rows what the template's parameter tables takes.
func TestTheGridOfTablesMakesAnObject(t *testing.T) {
	const portal = `const parse = JSON.parse, string = JSON.stringify, map = (a, f) => a.map(f), concat = (...a) => a.join(''), equals = (a, b) => a === b,
		replace = (s, a, b) => s.split(a).join(b), empty = x => x == null || x.length === 0, coalesce = (...a) => a.find(x => x != null), when = (c, a, b) => c ? a : b;
	const steps = () => ({tables: parse(process.argv[1])});
	console.log(string(eval(process.argv[2])))`
	expression := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(tablesOutput, "["), "]"), "if(", "when(")
	for rows, want := range map[string]string{
		"null": "{}",
		"[]":   "{}",
		`[{"name":"OktaV2_CL","plan":"Basic","total":"0"}]`:                                                 `{"OktaV2_CL":{"plan":"Basic"}}`,
		`[{"name":"A_CL","plan":"Auxiliary","total":"730"},{"name":"B_CL","plan":"Analytics","total":"0"}]`: `{"A_CL":{"plan":"Auxiliary","totalRetention":730},"B_CL":{"plan":"Analytics"}}`,
	} {
		out, err := exec.Command("node", "-e", portal, rows, expression).CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) {
			t.Skip("node is not here")
		}
		if got := strings.TrimSpace(string(out)); got != want {
			t.Errorf("%s becomes %s, want %s", rows, got, want)
		}
	}
}

// places are references to controls: steps('collect').okta.oktaDomain.
var places = regexp.MustCompile(`steps\('\w+'\)(\.\w+)+`)

func collectControls(controls map[string]string, at string, elements []any) {
	for _, e := range elements {
		place := at + "." + dig(e, "name").(string)
		controls[place] = dig(e, "type").(string)
		if inner, ok := dig(e, "elements").([]any); ok {
			collectControls(controls, place, inner)
		}
		if pattern, ok := dig(e, "constraints", "regex").(string); ok {
			regexp.MustCompile(pattern)
		}
	}
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
