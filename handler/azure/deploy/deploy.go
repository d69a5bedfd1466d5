// Package deploy puts Sluice into Azure with the az CLI: it completes the template's
// parameters, says beforehand what will be made, and runs the commands. Secrets go to
// az in a file that nobody else can read, never in a command line.
package deploy

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/azure/arm"
)

// Options are what a person chooses.
type Options struct {
	Group      string         // resource group of the app
	Name       string         // of the deployment
	Parameters map[string]any // of the template
	Secrets    []string       // names of those parameters that nobody may see
}

// Account is the subscription that az is signed in to.
type Account struct {
	Cloud        string `json:"environmentName"`
	Subscription string `json:"id"`
	Name         string `json:"name"`
	Tenant       string `json:"tenantId"`
}

// Step is a command that is run.
type Step struct {
	Why  string   `json:"why"`
	Args []string `json:"command"` // without az
}

// Plan is what would be done.
type Plan struct {
	Account   Account           `json:"account"`
	Location  string            `json:"location"`
	Findings  []Finding         `json:"findings"`
	Resources []Planned         `json:"resources"`
	Steps     []Step            `json:"steps"`
	Settings  map[string]string `json:"parameters"` // with (hidden) for secrets
}

// Planned is a resource that would be made or renewed.
type Planned struct {
	Type         string `json:"type"`
	Name         string `json:"name"`
	Subscription string `json:"subscription"`
	Where        string `json:"resource_group"`
	What         string `json:"what,omitempty"` // for a person, where the name says nothing
}

// CLI runs az.
type CLI struct {
	Path string // of az
	Err  io.Writer
}

// Find returns the az that is installed.
func Find(stderr io.Writer) (*CLI, error) {
	path, err := exec.LookPath("az")
	if err != nil {
		return nil, errors.New("the Azure CLI (az) is not installed: see https://aka.ms/azure-cli, or deploy with the button in the README")
	}
	return &CLI{path, stderr}, nil
}

// run runs az and returns what it prints on standard output.
func (c *CLI) run(ctx context.Context, args []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.Path, args...)
	var out, text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &text
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("az %s: %s", strings.Join(args[:min(3, len(args))], " "), explain(text.String(), err))
	}
	return out.Bytes(), nil
}

func (c *CLI) json(ctx context.Context, v any, args ...string) error {
	out, err := c.run(ctx, append(args, "--output", "json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("az %s: unexpected answer: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Account asks who is signed in.
func (c *CLI) Account(ctx context.Context) (Account, error) {
	var a Account
	return a, c.json(ctx, &a, "account", "show")
}

// Workspace returns the resource id of a workspace that is given by its id or name.
func (c *CLI) Workspace(ctx context.Context, given string) (string, error) {
	if strings.HasPrefix(given, "/") {
		if parts := strings.Split(given, "/"); len(parts) != 9 || !strings.EqualFold(parts[7], "workspaces") {
			return "", fmt.Errorf("%s is no resource id of a workspace: want /subscriptions/…/resourceGroups/…/providers/Microsoft.OperationalInsights/workspaces/NAME", given)
		}
		return given, nil
	}
	var found []struct{ ID, Name string }
	if err := c.json(ctx, &found, "monitor", "log-analytics", "workspace", "list"); err != nil {
		return "", err
	}
	var ids, names []string
	for _, w := range found {
		names = append(names, w.Name)
		if strings.EqualFold(w.Name, given) {
			ids = append(ids, w.ID)
		}
	}
	switch len(ids) {
	case 1:
		return ids[0], nil
	case 0:
		return "", fmt.Errorf("there is no workspace %q in this subscription; there are %s. One of another is given by its resource id", given, strings.Join(names, ", "))
	}
	return "", fmt.Errorf("there are %d workspaces %q; give the resource id: %s", len(ids), given, strings.Join(ids, " or "))
}

// Make works out what a deployment does.
func Make(template []byte, o Options, a Account, g Group) (*Plan, error) {
	location, _ := o.Parameters["location"].(string)
	location = cmp.Or(location, g.Location)
	res, err := arm.Expand(template, o.Parameters, arm.Scope{Cloud: a.Cloud, Tenant: a.Tenant, Subscription: a.Subscription, Group: g.Name, Location: location, Deployment: o.Name})
	if err != nil {
		return nil, err
	}
	p := &Plan{Account: a, Location: location, Findings: []Finding{}, Settings: map[string]string{}, Steps: steps(o)}
	for _, r := range res.Resources {
		subscription, where := placeOf(r.ID)
		p.Resources = append(p.Resources, Planned{r.Type, r.Name, subscription, where, about(r)})
	}
	for name, v := range o.Parameters {
		if slices.Contains(o.Secrets, name) {
			p.Settings[name] = "(hidden)"
		} else {
			b, _ := json.Marshal(v)
			p.Settings[name] = string(b)
		}
	}
	return p, nil
}

// placeOf is the subscription and the resource group of an id.
func placeOf(id string) (subscription, group string) {
	parts := append(strings.Split(id, "/"), "", "", "", "", "")
	return parts[2], parts[4]
}

// roles are the names of the roles that the template assigns (learn.microsoft.com,
// "Azure built-in roles").
var roles = map[string]string{
	"b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
	"3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
	"4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
	"73c42c96-874c-492b-b04d-ab87d138a893": "Log Analytics Reader",
}

// about says what a resource is whose name does not.
func about(r arm.Resource) string {
	props, _ := r.Body["properties"].(map[string]any)
	last := func(id any) string {
		s := fmt.Sprint(id)
		return s[strings.LastIndexByte(s, '/')+1:]
	}
	switch {
	case r.Type == "Microsoft.Authorization/roleAssignments":
		role := last(props["roleDefinitionId"])
		if name := roles[role]; name != "" {
			role = name
		}
		return role + " on " + last(r.Scope)
	case r.Type == "Microsoft.Insights/diagnosticSettings":
		return "what " + last(r.Scope) + " drops"
	case r.Type == "Microsoft.OperationalInsights/workspaces/tables":
		return r.Name + kept(props)
	case props["displayName"] != nil:
		return fmt.Sprint(props["displayName"])
	}
	return ""
}

// kept says how the rows of a table are kept, where that was said.
func kept(props map[string]any) (text string) {
	for _, k := range []struct{ name, text string }{{"plan", "plan %v"}, {"retentionInDays", "%v days to query"}, {"totalRetentionInDays", "%v days in all"}} {
		if v := props[k.name]; v != nil {
			text += ", " + fmt.Sprintf(k.text, v)
		}
	}
	return text
}

// parametersFile and templateFile stand in a plan for files that exist only while az runs.
const (
	parametersFile = "PARAMETERS.json"
	templateFile   = "azuredeploy.json"
)

// appName stands in a plan for the app's name, which the first step tells.
const appName = "APP"

// onTemplate is the call of az that does something with the template.
func onTemplate(verb string, o Options) []string {
	return []string{"deployment", "group", verb, "--resource-group", o.Group, "--name", o.Name,
		"--template-file", templateFile, "--parameters", "@" + parametersFile, "--no-prompt", "true"}
}

func steps(o Options) []Step {
	list := []Step{{"make or renew the resources", onTemplate("create", o)}}
	if plan := o.Parameters["plan"]; plan != nil && plan != "flex" {
		// Plans without Flex learn of a new package's timers only when they are told.
		list = append(list, Step{"tell the platform of the timers", []string{"rest", "--method", "post", "--uri",
			"/subscriptions/{subscriptionId}/resourceGroups/" + o.Group + "/providers/Microsoft.Web/sites/" + appName + "/syncfunctiontriggers?api-version=2024-04-01"}})
	}
	return list
}

// WhatIf asks Azure itself what would change, and returns its text.
func (c *CLI) WhatIf(ctx context.Context, template []byte, o Options) (string, error) {
	var out []byte
	err := withFiles(template, o, func(fill func([]string) []string) (err error) {
		out, err = c.run(ctx, append(fill(onTemplate("what-if", o)), "--no-pretty-print", "--output", "json"))
		return err
	})
	return string(out), err
}

// Outputs are those of the template.
type Outputs map[string]string

// Apply runs the steps of a plan.
func (c *CLI) Apply(ctx context.Context, template []byte, o Options) (Outputs, error) {
	outputs := Outputs{}
	err := withFiles(template, o, func(fill func([]string) []string) error {
		for _, s := range steps(o) {
			fmt.Fprintf(c.Err, "az %s: to %s; this takes minutes\n", s.Args[0], s.Why)
			args := fill(s.Args)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "/sites/"+appName+"/", "/sites/"+outputs["app"]+"/")
			}
			out, err := c.run(ctx, append(args, "--output", "json"))
			if err != nil {
				return err
			}
			if err := outputs.read(out); err != nil {
				return err
			}
		}
		return nil
	})
	return outputs, err
}

// read takes the outputs of a deployment from what az prints; other steps print none.
func (o Outputs) read(out []byte) error {
	if len(bytes.TrimSpace(out)) == 0 {
		return nil
	}
	var done struct {
		Properties struct {
			Outputs map[string]struct{ Value any }
		}
	}
	if err := json.Unmarshal(out, &done); err != nil {
		return fmt.Errorf("az: unexpected answer: %w", err)
	}
	for name, v := range done.Properties.Outputs {
		o[name] = fmt.Sprint(v.Value)
	}
	return nil
}

// withFiles writes template and parameters to a folder that only this user can read,
// for as long as do runs. fill puts their paths into a command.
func withFiles(template []byte, o Options, do func(fill func([]string) []string) error) error {
	dir, err := os.MkdirTemp("", "sluice-deploy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	values := map[string]any{}
	for name, v := range o.Parameters {
		values[name] = map[string]any{"value": v}
	}
	params, err := json.Marshal(map[string]any{
		"$schema":        "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
		"contentVersion": "1.0.0.0", "parameters": values,
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, parametersFile), params, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, templateFile), template, 0o600)
	}
	if err != nil {
		return err
	}
	return do(func(args []string) []string {
		args = slices.Clone(args)
		for i, a := range args {
			switch a {
			case templateFile:
				args[i] = filepath.Join(dir, templateFile)
			case "@" + parametersFile:
				args[i] = "@" + filepath.Join(dir, parametersFile)
			}
		}
		return args
	})
}

// Released is the package of a release and its SHA-256, as the release's checksums.txt
// has it; at is the address below which the release's files are.
func Released(ctx context.Context, client *http.Client, at string) (uri, sum string, err error) {
	body, err := fetch(ctx, client, at+"/checksums.txt")
	if err != nil {
		return "", "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 1<<16))
	if err != nil {
		return "", "", err
	}
	const name = "sluice-functions.zip"
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == name {
			return at + "/" + name, f[0], nil
		}
	}
	return "", "", fmt.Errorf("%s/checksums.txt does not list %s", at, name)
}

func fetch(ctx context.Context, client *http.Client, uri string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, fmt.Errorf("package address: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("package: %w; the platform has to be able to fetch it too", err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("package %s: status %d", uri, resp.StatusCode)
	}
	return resp.Body, nil
}

// CheckPackage downloads a package and compares its SHA-256, in hexadecimal.
func CheckPackage(ctx context.Context, client *http.Client, uri, want string) error {
	body, err := fetch(ctx, client, uri)
	if err != nil {
		return err
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return fmt.Errorf("package: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		return fmt.Errorf("the package at %s has the SHA-256 %s, not %s: it is not the one that you chose", uri, got, want)
	}
	return nil
}
