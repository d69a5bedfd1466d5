package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Finding is what Azure, asked beforehand, has against a deployment.
type Finding struct {
	What  string `json:"what"`
	Do    string `json:"do,omitempty"`
	Fatal bool   `json:"fatal"` // it would fail
}

func (f Finding) String() string {
	if f.Do == "" {
		return f.What
	}
	return f.What + ": " + f.Do
}

// Group is the resource group of the app.
type Group struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Location string `json:"location"`
}

// Group asks for a resource group: names are made of its id, as Azure spells it.
func (c *CLI) Group(ctx context.Context, name string) (Group, error) {
	var g Group
	return g, c.json(ctx, &g, "group", "show", "--name", name)
}

// Ask asks Azure what stands in the way of a plan, and changes nothing. What can be
// settled by a parameter is: a vault that was deleted is to be recovered.
func (c *CLI) Ask(ctx context.Context, template []byte, o *Options, p *Plan) {
	a := &asking{now: time.Now, c: c, o: o, p: p}
	fmt.Fprintln(c.Err, "asking Azure: resource providers, names, deleted vaults")
	a.providers(ctx)
	there := a.there(ctx)
	for _, r := range p.Resources {
		switch {
		case there[strings.ToLower(r.Type+"/"+r.Name)]:
		case r.Type == "Microsoft.KeyVault/vaults":
			if !a.deletedVault(ctx, r.Name) {
				a.taken(ctx, r.Name, "vault", "keyvault", "check-name", "--resource-type", "vault")
			}
		case r.Type == "Microsoft.Storage/storageAccounts":
			a.taken(ctx, r.Name, "storage", "storage", "account", "check-name")
		}
	}
	a.tables(ctx)
	fmt.Fprintln(c.Err, "asking Azure: whether it would take the deployment; this takes a minute")
	a.validate(ctx, template)
}

// asking is one call of Ask.
type asking struct {
	now func() time.Time
	c   *CLI
	o   *Options
	p   *Plan
}

func (a *asking) add(fatal bool, what, do string) {
	a.p.Findings = append(a.p.Findings, Finding{what, do, fatal})
}

// unasked notes that something could not be asked: that is no reason to stop.
func (a *asking) unasked(what string, err error) {
	a.add(false, what+" could not be asked", err.Error())
}

// providers asks whether the namespaces of all types are registered. Azure registers
// those of a template by itself where whoever deploys may (learn.microsoft.com, "Azure
// resource providers and types"). A subnet for Flex Consumption is delegated to
// Microsoft.App, which no resource of the template names.
func (a *asking) providers(ctx context.Context) {
	need := map[string]map[string]bool{} // namespace by subscription
	for _, r := range a.p.Resources {
		namespace, _, _ := strings.Cut(r.Type, "/")
		if need[r.Subscription] == nil {
			need[r.Subscription] = map[string]bool{}
		}
		need[r.Subscription][namespace] = false
	}
	plan, network := a.o.Parameters["plan"], a.o.Parameters["network"]
	if (plan == nil || plan == "flex") && network == "private" && need[a.p.Account.Subscription] != nil {
		need[a.p.Account.Subscription]["Microsoft.App"] = true
	}
	for _, subscription := range slices.Sorted(maps.Keys(need)) {
		var all []struct{ Namespace, RegistrationState string }
		if err := a.c.json(ctx, &all, "provider", "list", "--subscription", subscription, "--query", "[].{namespace:namespace,registrationState:registrationState}"); err != nil {
			a.unasked("which resource providers are registered", err)
			continue
		}
		for _, p := range all {
			if p.RegistrationState == "Registered" {
				delete(need[subscription], p.Namespace)
			}
		}
		for _, namespace := range slices.Sorted(maps.Keys(need[subscription])) {
			fatal, by := need[subscription][namespace], ""
			if !fatal {
				by = "Azure does it with the deployment if you may, else "
			}
			a.add(fatal, namespace+" is not registered in the subscription "+subscription, by+"az provider register --namespace "+namespace+" --subscription "+subscription+" --wait")
		}
	}
}

// there are the resources of the group, type and name in small letters: those of an
// earlier deployment are renewed.
func (a *asking) there(ctx context.Context) map[string]bool {
	var all []struct{ Type, Name string }
	if err := a.c.json(ctx, &all, "resource", "list", "--resource-group", a.o.Group, "--query", "[].{type:type,name:name}"); err != nil {
		a.unasked("what the resource group has", err)
	}
	list := map[string]bool{}
	for _, r := range all {
		list[strings.ToLower(r.Type+"/"+r.Name)] = true
	}
	return list
}

// deletedVault reports whether the vault was deleted and is still kept. It is recovered
// where it was; elsewhere its name is lost until it is purged.
func (a *asking) deletedVault(ctx context.Context, name string) bool {
	var all []struct {
		Name       string
		Properties struct {
			Location, VaultID  string
			ScheduledPurgeDate time.Time
		}
	}
	if err := a.c.json(ctx, &all, "keyvault", "list-deleted", "--resource-type", "vault"); err != nil {
		a.unasked("which vaults were deleted and are kept", err)
		return false
	}
	for _, v := range all {
		if !strings.EqualFold(v.Name, name) {
			continue
		}
		what := fmt.Sprintf("the vault %s was deleted, and Azure keeps it and its name until %s", name, v.Properties.ScheduledPurgeDate.UTC().Format("2006-01-02"))
		const other = `take another name with --set 'names={"vault": "NAME"}'`
		where := "/resourcegroups/" + strings.ToLower(a.o.Group) + "/"
		if !strings.Contains(strings.ToLower(v.Properties.VaultID), where) || !sameRegion(v.Properties.Location, a.p.Location) {
			a.add(true, what+", in "+v.Properties.Location+", as "+v.Properties.VaultID, other)
			return true
		}
		a.o.Parameters["recoverVault"], a.p.Settings["recoverVault"] = true, "true"
		a.add(false, what, "it is recovered, with the secrets in it; or "+other)
		return true
	}
	return false
}

func sameRegion(a, b string) bool {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }
	return plain(a) == plain(b)
}

// taken asks whether somebody else has a name that is unique in the world.
func (a *asking) taken(ctx context.Context, name, member string, command ...string) {
	var is struct {
		NameAvailable bool
		Message       string
	}
	if err := a.c.json(ctx, &is, append(command, "--name", name)...); err != nil {
		a.unasked("whether the name "+name+" is free", err)
	} else if !is.NameAvailable {
		a.add(true, "the name "+name+" is taken ("+strings.TrimSuffix(is.Message, ".")+")", fmt.Sprintf(`take another with --set 'names={"%s": "NAME"}'`, member))
	}
}

// tables asks whether tables can have the plan that they are to have: Auxiliary is for new
// ones and stays, and others change once a week (learn.microsoft.com, "Select a table plan
// based on data usage in a Log Analytics workspace").
func (a *asking) tables(ctx context.Context) {
	kept, _ := a.o.Parameters["tables"].(map[string]any)
	workspace := append(strings.Split(fmt.Sprint(a.o.Parameters["workspaceId"]), "/"), make([]string, 9)...)
	for _, table := range slices.Sorted(maps.Keys(kept)) {
		how, _ := kept[table].(map[string]any)
		want, _ := how["plan"].(string)
		if want == "" {
			continue
		}
		if want == "Auxiliary" && a.p.Account.Cloud != "AzureCloud" {
			a.add(true, "the plan Auxiliary is not there in "+a.p.Account.Cloud, "take Basic for "+table)
			continue
		}
		var is struct {
			Plan    string
			Changed time.Time
		}
		err := a.c.json(ctx, &is, "monitor", "log-analytics", "workspace", "table", "show", "--subscription", workspace[2], "--resource-group", workspace[4],
			"--workspace-name", workspace[8], "--name", table, "--query", "{plan:plan,changed:lastPlanModifiedDate}")
		switch {
		case err != nil && strings.Contains(err.Error(), "NotFound"):
		case err != nil:
			a.unasked("which plan "+table+" has", err)
		case is.Plan == want:
		case is.Plan == "Auxiliary" || want == "Auxiliary":
			a.add(true, table+" is there with the plan "+is.Plan+", and cannot become "+want, "leave its plan out, or delete the table with its rows first")
		case a.now().Sub(is.Changed) < 7*24*time.Hour:
			a.add(true, fmt.Sprintf("the plan of %s was changed on %s, and can be once a week", table, is.Changed.UTC().Format("2006-01-02")), "leave it out until then")
		default:
			a.add(false, table+" changes from the plan "+is.Plan+" to "+want, "with all its rows, for a week at least")
		}
	}
}

// validate has Azure check the deployment without making anything: policies, quota, and
// what each provider has against it.
func (a *asking) validate(ctx context.Context, template []byte) {
	err := withFiles(template, *a.o, func(fill func([]string) []string) error {
		_, err := a.c.run(ctx, append(fill(onTemplate("validate", *a.o)), "--output", "none"))
		return err
	})
	if err != nil {
		a.add(true, "Azure would refuse the deployment", err.Error())
	}
}
