package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
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
	there, known := a.there(ctx)
	for _, r := range p.Resources {
		switch {
		case there[strings.ToLower(r.Type+"/"+r.Name)]:
		case r.Type == "Microsoft.KeyVault/vaults":
			if !a.deletedVault(ctx, r.Name) {
				a.taken(ctx, known, r.Name, "vault", vaultName(p.Account.Subscription, r.Name))
			}
		case r.Type == "Microsoft.Storage/storageAccounts":
			a.taken(ctx, known, r.Name, "storage", []string{"storage", "account", "check-name", "--name", r.Name})
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
// Microsoft.App, which no resource of the template names. Azure writes some namespaces in
// small letters: az provider show gives microsoft.insights.
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
				maps.DeleteFunc(need[subscription], func(namespace string, _ bool) bool { return strings.EqualFold(namespace, p.Namespace) })
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
// earlier deployment are renewed. known: it could be asked.
func (a *asking) there(ctx context.Context) (list map[string]bool, known bool) {
	var all []struct{ Type, Name string }
	if err := a.c.json(ctx, &all, "resource", "list", "--resource-group", a.o.Group, "--query", "[].{type:type,name:name}"); err != nil {
		a.unasked("what the resource group has", err)
		return nil, false
	}
	list = map[string]bool{}
	for _, r := range all {
		list[strings.ToLower(r.Type+"/"+r.Name)] = true
	}
	return list, true
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

// vaultName asks about the name of a vault. az keyvault check-name knows managed HSMs only
// (Azure/azure-cli, issue 27390), so that ARM is asked itself (learn.microsoft.com, "Vaults -
// Check Name Availability").
func vaultName(subscription, name string) []string {
	body, _ := json.Marshal(map[string]string{"name": name, "type": "Microsoft.KeyVault/vaults"})
	return []string{"rest", "--method", "post", "--uri", "/subscriptions/" + subscription + "/providers/Microsoft.KeyVault/checkNameAvailability?api-version=2023-07-01", "--body", string(body)}
}

// taken asks whether somebody else has a name that is unique in the world. Where nobody
// knows what the group has, it may be our own.
func (a *asking) taken(ctx context.Context, known bool, name, member string, command []string) {
	var is struct {
		NameAvailable bool
		Message       string
	}
	if err := a.c.json(ctx, &is, command...); err != nil {
		a.unasked("whether the name "+name+" is free", err)
	} else if !is.NameAvailable {
		unless := ""
		if !known {
			unless = "unless by an earlier deployment of your own, "
		}
		a.add(known, "the name "+name+" is taken ("+strings.TrimSuffix(is.Message, ".")+")", unless+fmt.Sprintf(`take another with --set 'names={"%s": "NAME"}'`, member))
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
		var is struct{ Plan, Changed string }
		err := a.c.json(ctx, &is, "monitor", "log-analytics", "workspace", "table", "show", "--subscription", workspace[2], "--resource-group", workspace[4],
			"--workspace-name", workspace[8], "--name", table, "--query", "{plan:plan,changed:lastPlanModifiedDate}")
		switch {
		case err != nil && strings.Contains(err.Error(), "NotFound"):
		case err != nil:
			a.unasked("which plan "+table+" has", err)
		case is.Plan == want:
		case is.Plan == "Auxiliary" || want == "Auxiliary":
			a.add(true, table+" is there with the plan "+is.Plan+", and cannot become "+want, "leave its plan out, or delete the table with its rows first")
		case a.now().Sub(changed(is.Changed)) < 7*24*time.Hour:
			a.add(true, fmt.Sprintf("the plan of %s was changed on %s, and can be once a week", table, changed(is.Changed).Format("2006-01-02")), "leave it out until then")
		default:
			a.add(false, table+" changes from the plan "+is.Plan+" to "+want, "with all its rows, for a week at least")
		}
	}
}

// changed reads when a table's plan was changed, in each form that the documentation of
// Log Analytics shows: with a zone, without one, and as in a head of HTTP. Another one is
// long ago.
func changed(text string) time.Time {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", http.TimeFormat} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// validate has Azure check the deployment without making anything: policies, quota, and
// what each provider has against it.
func (a *asking) validate(ctx context.Context, template []byte) {
	err := withFiles(template, *a.o, func(fill func([]string) []string) error {
		_, err := a.c.run(ctx, append(fill(onTemplate("validate", *a.o)), "--output", "none"))
		return err
	})
	switch {
	case err == nil:
	case notAnswered.MatchString(err.Error()):
		a.unasked("whether Azure would take the deployment", err)
	default:
		a.add(true, "Azure would refuse the deployment", err.Error())
	}
}

// notAnswered are errors that say nothing about the deployment: whoever asks may not, or
// Azure was too busy (learn.microsoft.com, "Troubleshoot common Azure deployment errors"),
// or did not answer at all.
var notAnswered = regexp.MustCompile("deployments/validate/action|SubscriptionRequestsThrottled|TooManyRequests|InternalServerError|GatewayTimeout|Max retries exceeded")
