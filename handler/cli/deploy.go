package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/azure/arm"
	"github.com/sluice-connectors/sluice/handler/azure/deploy"
	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
	"github.com/sluice-connectors/sluice/infra"
)

func deployCommand(std *stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Put Sluice into Azure with the az CLI",
		Long: `Deploy makes, in a resource group, the function app and what it needs, and in the
workspace the tables of the chosen connectors. It uses the az CLI that is installed
and signed in, and the template that this binary carries.

The connectors' settings come from the environment, as everywhere: OKTA_DOMAIN,
OKTA_API_TOKEN. Secrets go into Key Vault; az gets them in a file that only you can
read, and that is gone afterwards.

Deploying again renews everything. Name all connectors each time: one that is not
named is switched off, and its positions stay. With --keep-secrets those secrets that
the environment lacks stay as they are in the vault; one that is not required has to be
named: --set 'keptSecrets=["entra-id-client-secret"]'.

What else the template takes is given with --set, objects and lists as JSON: plans and
retention of tables, names of your own, and what exists already.`,
		Example: `  export OKTA_DOMAIN=contoso.okta.com OKTA_API_TOKEN=…
  sluice deploy plan  -g sluice --workspace soc-workspace --connector okta
  sluice deploy apply -g sluice --workspace soc-workspace --connector okta --package-uri https://…/sluice-functions.zip --package-sha256 …
  sluice deploy plan  -g sluice --workspace soc-workspace --connector cloudflare --set 'tables={"CloudflareV2_CL": {"plan": "Auxiliary", "totalRetention": 730}}'
  sluice deploy plan  -g sluice --workspace soc-workspace --connector okta --set 'names={"storage": "stsluiceprod"}' --set vaultId=/subscriptions/…/vaults/kv-soc`,
	}
	cmd.AddCommand(deployAction(std, "plan"), deployAction(std, "apply"))
	return cmd
}

// deployment is a call of deploy plan or deploy apply.
type deployment struct {
	std        *stdio
	group      string
	workspace  string
	name       string
	connectors []string
	set        []string
	uri, sum   string
	whatIf     bool
	keep       bool // secrets in the vault
	output     string
}

func deployAction(std *stdio, action string) *cobra.Command {
	d := &deployment{std: std}
	cmd := &cobra.Command{Use: action, Args: atMost(0)}
	if action == "plan" {
		cmd.Short = "Show exactly what would be made, and with which commands"
		cmd.Long = `Plan works the template out on this machine and lists each resource, each parameter
and each command. Nothing is changed. Azure is asked what it would refuse: policies,
quota, resource providers that are not registered, names that are taken, a vault that
was deleted and keeps its name. With --what-if it also says what would change.

Exit code 1: it would be refused.`
		cmd.Flags().BoolVar(&d.whatIf, "what-if", false, "ask Azure as well what would change")
	} else {
		cmd.Short = "Make or renew it"
		cmd.Long = `Apply does what plan shows, unless Azure would refuse it. A package that is given with its SHA-256 is fetched and
compared first.`
	}
	cmd.Flags().StringVarP(&d.group, "resource-group", "g", "", "resource group of the app (it has to exist)")
	cmd.Flags().StringVar(&d.workspace, "workspace", "", "Log Analytics workspace with Microsoft Sentinel: its name, or its resource id")
	cmd.Flags().StringArrayVar(&d.connectors, "connector", nil, "connector to run; several times for several")
	cmd.Flags().StringVar(&d.name, "name", "sluice", "name of the app; what has to be unique gets a suffix")
	cmd.Flags().StringArrayVar(&d.set, "set", nil, "another parameter of the template: network=private, plan=premium, lookback=-7d")
	cmd.Flags().StringVar(&d.uri, "package-uri", "", "address of the package (default: that of this release)")
	cmd.Flags().StringVar(&d.sum, "package-sha256", "", "SHA-256 of the package, as the release's checksums.txt has it")
	cmd.Flags().BoolVar(&d.keep, "keep-secrets", false, "required secrets that the environment lacks are in the vault already")
	cmd.Flags().StringVarP(&d.output, "output", "o", "text", "text or json")
	for _, f := range []string{"resource-group", "workspace", "connector"} {
		_ = cmd.MarkFlagRequired(f)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return d.run(cmd, action == "apply") }
	return cmd
}

func (d *deployment) run(cmd *cobra.Command, apply bool) error {
	if err := oneOf("output", d.output, "text", "json"); err != nil {
		return err
	}
	ctx := cmd.Context()
	if apply {
		if err := d.choosePackage(ctx); err != nil {
			return err
		}
	}
	o, err := d.options(os.LookupEnv)
	if err != nil {
		return err
	}
	az, err := deploy.Find(d.std.err)
	if err != nil {
		return err
	}
	account, err := az.Account(ctx)
	if err != nil {
		return err
	}
	group, err := az.Group(ctx, d.group)
	if err != nil {
		return err
	}
	workspace, err := az.Workspace(ctx, d.workspace)
	if err != nil {
		return err
	}
	o.Parameters["workspaceId"] = workspace
	plan, err := deploy.Make(infra.Template, *o, account, group)
	if err != nil {
		return err
	}
	az.Ask(ctx, infra.Template, o, plan)
	if !apply {
		if err := d.showPlan(cmd, az, plan, *o); err != nil {
			return err
		}
		return inTheWay(plan)
	}
	for _, f := range plan.Findings {
		fmt.Fprintln(d.std.err, f)
	}
	if err := inTheWay(plan); err != nil {
		return err
	}
	fmt.Fprintf(d.std.err, "%s in the subscription %s, resource group %s\n", plural(int64(len(plan.Resources)), "resource"), account.Name, d.group)
	stop := every(30*time.Second, func(since time.Duration) { fmt.Fprintf(d.std.err, "still at it, for %s\n", since.Round(time.Second)) })
	outputs, err := az.Apply(ctx, infra.Template, *o)
	stop()
	if err != nil {
		return err
	}
	return d.showOutputs(outputs)
}

// inTheWay is an error where Azure would refuse the deployment.
func inTheWay(plan *deploy.Plan) error {
	fatal := int64(0)
	for _, f := range plan.Findings {
		if f.Fatal {
			fatal++
		}
	}
	if fatal == 0 {
		return nil
	}
	return fmt.Errorf("the deployment would be refused, for %s named above", plural(fatal, "reason"))
}

// every calls f again and again until stop is called.
func every(d time.Duration, f func(since time.Duration)) (stop func()) {
	start, done := time.Now(), make(chan struct{})
	tick := time.NewTicker(d)
	go func() {
		for {
			select {
			case <-tick.C:
				f(time.Since(start))
			case <-done:
				tick.Stop()
				return
			}
		}
	}()
	return func() { close(done) }
}

// releases is where the packages of releases are.
const releases = "https://github.com/sluice-connectors/sluice/releases/download/"

// choosePackage finds the package of this release, unless one is given, and compares it
// with its digest.
func (d *deployment) choosePackage(ctx context.Context) (err error) {
	switch {
	case d.uri == "" && app.Release() == "":
		return usageError("no package: this binary is no release; give --package-uri and --package-sha256")
	case d.uri == "":
		if d.uri, d.sum, err = deploy.Released(ctx, http.DefaultClient, releases+"v"+app.Release()); err != nil {
			return err
		}
	case d.sum == "":
		return usageError("no --package-sha256: without it nobody can tell whether the package is the one you mean")
	}
	fmt.Fprintln(d.std.err, "comparing the package with its SHA-256")
	return deploy.CheckPackage(ctx, http.DefaultClient, d.uri, d.sum)
}

// appName is what names of Azure can be made of.
var appName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{1,39}$`)

// options completes the parameters: what was set, and the settings of the chosen
// connectors from the environment.
func (d *deployment) options(env func(string) (string, bool)) (*deploy.Options, error) {
	parameters, err := arm.Parameters(infra.Template)
	if err != nil {
		return nil, err
	}
	if !appName.MatchString(d.name) {
		return nil, usageError("--name %q: want 2 to 40 letters, digits and hyphens, a letter first", d.name)
	}
	all := slices.Sorted(maps.Keys(parameters))
	o := &deploy.Options{Group: d.group, Name: d.name + "-" + time.Now().UTC().Format("20060102-150405"),
		Parameters: map[string]any{"name": d.name, "packageUri": d.uri, "packageSha256": d.sum}}
	for _, pair := range d.set {
		name, value, ok := strings.Cut(pair, "=")
		p, exists := parameters[name]
		if !ok || !exists {
			return nil, usageError("--set %s: want NAME=VALUE with a parameter of the template%s", pair, nearest.Hint(name, all))
		}
		if p.Secure {
			return nil, usageError("--set %s: a secret does not belong in a command line, where others can read it; give it in the environment", name)
		}
		v, err := parameterValue(p.Type, value)
		if err != nil {
			return nil, usageError("--set %s: %v", name, err)
		}
		o.Parameters[name] = v
	}
	var chosen []any
	var errs []error
	set := known()
	for _, name := range d.connectors {
		c, err := d.connector(set, name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, c.Name)
		for _, s := range c.Settings {
			errs = append(errs, d.setting(o, c, &s, env))
		}
	}
	o.Parameters["connectors"] = chosen
	return o, errors.Join(errs...)
}

// connector finds a connector that the template knows: those are the built-in ones.
func (d *deployment) connector(set *connectors.Set, name string) (*spec.Connector, error) {
	own := set.Path(name)
	switch {
	case own != "" && !connectors.Builtin(name):
		return nil, usageError("%s is a connector of your own, at %s, and templates know built-in ones only: collect with it by sluice run, or put it into the app's package yourself (handler/config/README.md, Connectors of your own)", name, own)
	case own != "":
		fmt.Fprintf(d.std.err, "%s: the built-in one is deployed, and not your own at %s\n", name, own)
	case !connectors.Builtin(name):
		_, err := set.Find(name)
		return nil, &codeError{exitUsage, err}
	}
	return connectors.Find(name)
}

// setting takes a connector's setting from the environment.
func (d *deployment) setting(o *deploy.Options, c *spec.Connector, s *spec.Setting, env func(string) (string, bool)) error {
	param, name := c.ParameterName(s.Name), c.EnvName(s.Name)
	v, _ := env(name)
	switch {
	case v == "" && s.Required && s.Default == "" && o.Parameters[param] == nil && !(s.Secret && d.keep):
		return fmt.Errorf("%s of %s is missing: set %s in the environment", s.Name, c.Title, name)
	case v == "":
		return nil
	case s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v):
		if s.Secret {
			v = "(hidden)"
		}
		return fmt.Errorf("%s is %q and has to match %s: %s", name, v, s.Pattern, s.Help)
	}
	o.Parameters[param] = v
	if s.Secret {
		o.Secrets = append(o.Secrets, param)
	}
	return nil
}

// parameterValue reads a value of --set as a template's type.
func parameterValue(typ, text string) (any, error) {
	if typ == "string" {
		return text, nil
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, fmt.Errorf("it has to be %s, written as JSON", typ)
	}
	return v, nil
}

func (d *deployment) showPlan(cmd *cobra.Command, az *deploy.CLI, plan *deploy.Plan, o deploy.Options) error {
	if d.output == "json" {
		return printJSON(d.std.out, plan)
	}
	out := d.std.out
	fmt.Fprintf(out, "Subscription %s (%s), cloud %s\n\nParameters\n", plan.Account.Name, plan.Account.Subscription, plan.Account.Cloud)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(plan.Settings)) {
		fmt.Fprintf(w, "  %s\t%s\n", name, plan.Settings[name])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(plan.Findings) > 0 {
		fmt.Fprintln(out, "\nWhat Azure says beforehand")
	}
	for _, f := range plan.Findings {
		mark := "note"
		if f.Fatal {
			mark = "STOP"
		}
		fmt.Fprintf(out, "  %s  %s\n", mark, f)
	}
	fmt.Fprintf(out, "\n%s, by resource group\n", plural(int64(len(plan.Resources)), "resource"))
	for _, r := range plan.Resources {
		name := r.Name
		if r.What != "" {
			name = r.What
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", r.Where, r.Type, name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if o.Parameters["packageUri"] == "" {
		fmt.Fprintln(out, "\nNo package is named, so the app would run nothing yet: give --package-uri; apply of a release finds its own.")
	}
	fmt.Fprintln(out, "\nCommands")
	for _, s := range plan.Steps {
		fmt.Fprintf(out, "  az %s\n", strings.Join(s.Args, " "))
	}
	if d.whatIf {
		text, err := az.WhatIf(cmd.Context(), infra.Template, o)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\nWhat Azure says\n%s\n", strings.TrimSpace(text))
	}
	return nil
}

func (d *deployment) showOutputs(outputs deploy.Outputs) error {
	if d.output == "json" {
		return printJSON(d.std.out, outputs)
	}
	fmt.Fprintf(d.std.out, `Done.
  function app  %s
  key vault     %s
  identity      %s (object id)
Roles take up to 30 minutes to act; until then runs fail and nothing is lost.
Rows of the first run: %s | where TimeGenerated > ago(1h)
`, outputs["app"], outputs["vault"], outputs["principalId"], sentinel.HealthTable)
	return nil
}
