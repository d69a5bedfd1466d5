package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/config"
)

// accepted reports whether the program takes a command line.
func accepted(t *testing.T, where string, args []string) {
	t.Helper()
	cmd, rest, err := newRoot(&stdio{nil, io.Discard, io.Discard}).Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		t.Errorf("%s: sluice %s: %v", where, strings.Join(args, " "), err)
	}
}

// TestContainersRunWhatThereIs: the manifests are YAML, their command lines are ones
// that the program takes, and the configuration in them is one that it reads.
func TestContainersRunWhatThereIs(t *testing.T) {
	dir := filepath.Join("..", "..", "infra", "container")
	commands := 0
	for _, name := range []string{"kubernetes.yaml", "keda.yaml"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		dec := yaml.NewDecoder(bytes.NewReader(data))
		for {
			var doc map[string]any
			if err := dec.Decode(&doc); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if doc["kind"] == nil || doc["apiVersion"] == nil {
				t.Errorf("%s has a document without kind", name)
			}
			walkArgs(doc, func(args []string) {
				commands++
				accepted(t, name, args)
			})
			if text, ok := dig(doc, "data", "sluice.yaml").(string); ok {
				env := func(string) (string, bool) { return "x", true }
				text = strings.ReplaceAll(text, "RULE_ID", "dcr-00000000000000000000000000000000")
				c, err := config.Parse(name, []byte(text), app.In, env, time.Now(), nil)
				if err != nil || len(c.Connections) != 1 {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	docker, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	if m := regexp.MustCompile(`(?m)^CMD (\[.*\])$`).FindSubmatch(docker); m == nil || json.Unmarshal(m[1], &args) != nil {
		t.Fatal("the Dockerfile has no CMD")
	}
	accepted(t, "Dockerfile", args)
	if commands != 2 {
		t.Errorf("%d command lines in the manifests", commands)
	}
}

// walkArgs finds the args of containers.
func walkArgs(v any, found func(args []string)) {
	switch v := v.(type) {
	case map[string]any:
		if list, ok := v["args"].([]any); ok {
			var args []string
			for _, a := range list {
				args = append(args, a.(string))
			}
			found(args)
		}
		for _, x := range v {
			walkArgs(x, found)
		}
	case []any:
		for _, x := range v {
			walkArgs(x, found)
		}
	}
}

func dig(v any, path ...string) any {
	for _, k := range path {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

// TestTheExamplePipelineGivesWhatItsParameterFileReads: the workflow that deploys sets
// each variable of the file that it names.
func TestTheExamplePipelineGivesWhatItsParameterFileReads(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", ".github", "workflows", "deploy.yml"))
	if err != nil {
		t.Fatal(err)
	}
	files := regexp.MustCompile(`--parameters (\S+\.bicepparam)`).FindAllStringSubmatch(string(text), -1)
	if len(files) < 2 {
		t.Fatalf("the workflow names %v", files)
	}
	for _, f := range files {
		params, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(f[1])))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range regexp.MustCompile(`readEnvironmentVariable\('(\w+)'`).FindAllStringSubmatch(string(params), -1) {
			if !strings.Contains(string(text), " "+v[1]+": ") {
				t.Errorf("%s reads %s, which the workflow does not set", f[1], v[1])
			}
		}
	}
}

// TestTheREADMEsCommandsAreTaken: each sluice command in a block of a README is one that
// the program takes.
func TestTheREADMEsCommandsAreTaken(t *testing.T) {
	n := 0
	for _, folder := range []string{".", "infra", "connectors", "handler", "handler/config", "handler/kql", "handler/spec"} {
		path := filepath.Join("..", "..", filepath.FromSlash(folder), "README.md")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(block[1]) {
				line, _, _ = strings.Cut(line, "#")
				line, _, _ = strings.Cut(line, " > ")
				if fields := strings.Fields(strings.TrimPrefix(line, "./")); len(fields) > 1 && fields[0] == "sluice" && !strings.Contains(line, "'") {
					n++
					accepted(t, path, fields[1:])
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("%d commands", n)
	}
}
