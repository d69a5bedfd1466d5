package bicep

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files is a folder in memory.
func files(pairs ...string) Read {
	return func(path string) ([]byte, error) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == path {
				return []byte(pairs[i+1]), nil
			}
		}
		return nil, fmt.Errorf("there is no file %s", path)
	}
}

// TestExpressions: each line is an expression of Bicep and what Microsoft's
// compiler makes of it (learn.microsoft.com, "Bicep operators", "Bicep functions").
func TestExpressions(t *testing.T) {
	const head = "param a string\nparam b int\nparam o object\nparam l array\n" +
		"resource r 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {name: a}\n" +
		"resource w 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {name: a, scope: resourceGroup('s', 'g')}\n" +
		"resource c 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {parent: r, name: 'default'}\n" +
		"var all = [a, b, o, l, r.id, w.id, c.id]\noutput all array = all\n"
	for in, want := range map[string]string{
		`'x'`:                       `x`,
		`'[x]'`:                     `[[x]`,
		`'it\'s'`:                   `it's`,
		`'\${a}'`:                   `${a}`,
		`'${a}-{b}'`:                `[format('{0}-{{b}}', parameters('a'))]`,
		`'${a}${b}'`:                `[format('{0}{1}', parameters('a'), parameters('b'))]`,
		`'''raw '${a}' '''`:         `raw '${a}' `,
		`a == 'x' ? 'y' : 'z'`:      `[if(equals(parameters('a'), 'x'), 'y', 'z')]`,
		`!(b < 1 && b >= 2)`:        `[not(and(less(parameters('b'), 1), greaterOrEquals(parameters('b'), 2)))]`,
		`1 + 2 * 3 - b`:             `[sub(add(1, mul(2, 3)), parameters('b'))]`,
		`a != 'x' || b > 1`:         `[or(not(equals(parameters('a'), 'x')), greater(parameters('b'), 1))]`,
		`o.?x ?? 'none'`:            `[coalesce(tryGet(parameters('o'), 'x'), 'none')]`,
		`o[?'a-b']`:                 `[tryGet(parameters('o'), 'a-b')]`,
		`o.x.y[0]`:                  `[parameters('o').x.y[0]]`,
		`l[b]`:                      `[parameters('l')[parameters('b')]]`,
		`filter(l, x => x.v != '')`: `[filter(parameters('l'), lambda('x', not(equals(lambdaVariables('x').v, ''))))]`,
		`concat([a], [])`:           `[concat(createArray(parameters('a')), createArray())]`,
		`empty(a) ? {} : {k: 'it\'s', n: null, t: true}`: `[if(empty(parameters('a')), createObject(), createObject('k', 'it''s', 'n', null(), 't', true()))]`,
		`r.id`:                               `[resourceId('Microsoft.Storage/storageAccounts', parameters('a'))]`,
		`c.id`:                               `[resourceId('Microsoft.Storage/storageAccounts/blobServices', parameters('a'), 'default')]`,
		`w.id`:                               `[resourceId('s', 'g', 'Microsoft.OperationalInsights/workspaces', parameters('a'))]`,
		`w.location`:                         `[reference(resourceId('s', 'g', 'Microsoft.OperationalInsights/workspaces', parameters('a')), '2023-09-01', 'full').location]`,
		`r.properties.primaryEndpoints.blob`: `[reference(resourceId('Microsoft.Storage/storageAccounts', parameters('a')), '2024-01-01').primaryEndpoints.blob]`,
		`environment().suffixes.storage`:     `[environment().suffixes.storage]`,
		`split(a, '/')[8]`:                   `[split(parameters('a'), '/')[8]]`,
		"b == 1\n  ? 'one'\n  : 'more'":      `[if(equals(parameters('b'), 1), 'one', 'more')]`,
	} {
		o, err := compile("main.bicep", files("main.bicep", head+"output x string = "+in+"\n"))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got, _ := o.get("outputs").get("x").find("value"); got != want {
			t.Errorf("%s\n got %v\nwant %s", in, got, want)
		}
	}
}

var update = flag.Bool("update", false, "write testdata/*.json anew")

// TestFiles compiles the files that have their compiled form beside them.
func TestFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files, %v", err)
	}
	for _, p := range paths {
		got, err := Compile(strings.TrimSuffix(p, ".json")+".bicep", os.ReadFile)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(p, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(p); err != nil || string(want) != string(got) {
			t.Errorf("%s differs: %v\n%s", p, err, got)
		}
	}
}

func TestMistakesNameThePlace(t *testing.T) {
	for src, want := range map[string]string{
		"var x = y\noutput o string = x": "main.bicep:1:9: y is not declared",
		"param p string":                 "main.bicep:1:1: param p is not used",
		"var x = 1":                      "main.bicep:1:1: var x is not used",
		"param p string\nparam p string\noutput o string = p":              "main.bicep:2:1: p is declared twice",
		"output o string = 'x":                                             "main.bicep:1:21: this text does not end",
		"output o string = nope(1)":                                        "main.bicep:1:19: the function nope is not known here",
		"outptu o string = 'x'":                                            `main.bicep:1:1: "outptu" begins no declaration`,
		"output o string = 'x' 'y'":                                        "main.bicep:1:23: expected the end of the line",
		"output o object = {a: 1 b: 2}":                                    "main.bicep:1:25: expected a comma, a new line or \"}\"",
		"module m 'm.bicep' = {params: {nope: 1}}":                         `main.bicep:1:38: the module m.bicep has no parameter "nope"`,
		"module m 'm.bicep' = {}":                                          `main.bicep:1:1: the module m.bicep needs the parameter "need"`,
		"module m 'n.bicep' = {}":                                          "there is no file n.bicep",
		"resource r 'A/b@1' = {name: 'x'}\noutput o object = r":            "r is a resource: say which member",
		"resource r 'A/b@1' = {name: 'x', dependsOn: ['y']}":               "dependsOn takes names of resources",
		"resource r 'A/b@1' = {name: 'x'}\noutput o string = r.?id ?? 'x'": "r is a resource",
		"@nope()\nparam p string\noutput o string = p":                     "the decorator @nope is not known here",
		"resource r 'A/b' = {name: 'x'}":                                   "want 'type@version'",
	} {
		_, err := Compile("main.bicep", files("main.bicep", src, "m.bicep", "param need string\noutput o string = need\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", src, err, want)
		}
	}
}

// TestPrintedValuesMeanWhatTheyWere: what Print writes is compiled to the same.
func TestPrintedValuesMeanWhatTheyWere(t *testing.T) {
	long := strings.Repeat("x", lineWidth)
	v := Object{{"a", "it's ${no} expression\n\\ [x]"}, {"b-c", []any{Object{{"n", 1}}, true, nil, "", long}}, {"_d", Object{}}, {"e", Object{{"f", "[x]"}, {"g", long}}}}
	src := "output x object = " + Print(v, "") + "\n"
	o, err := compile("main.bicep", files("main.bicep", src))
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	got, _ := o.get("outputs").get("x").find("value")
	want := `{"a":"it's ${no} expression\n\\ [x]","b-c":[{"n":1},true,null,"","` + long + `"],"_d":{},"e":{"f":"[[x]","g":"` + long + `"}}`
	var b bytes.Buffer
	if err := encode(&b, got); err != nil || b.String() != want {
		t.Errorf("got  %s\nwant %s, %v", &b, want, err)
	}
}
