package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/arm"
)

// deployments are what Microsoft's compiler works out: each plan in each network, with
// one connector and with all, with nothing chosen, with everything, and with the least.
func deployments(t *testing.T) (list []deployedCase) {
	t.Helper()
	cs, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	var all []any
	for _, c := range cs {
		all = append(all, c.Name)
	}
	options := map[string]map[string]any{
		"":           {},
		"everything": {"insightsWorkspaceId": otherID, "readBack": true, "legacyNames": true, "retention": 90, "totalRetention": 730, "schedule": "0 0 * * * *", "schedules": map[string]any{"okta": "0 */2 * * * *"}},
		"the least":  {"assignRoles": false, "sentinelContent": false},
	}
	for _, plan := range []string{"flex", "premium", "dedicated"} {
		for _, network := range []string{"public", "private"} {
			for _, chosen := range [][]any{{"okta"}, all} {
				for what, option := range options {
					params := withParams(option, "plan", plan, "network", network, "connectors", chosen)
					if network == "private" && what == "the least" {
						params = withParams(params, "appSubnetId", otherNet+"/subnets/a", "endpointSubnetId", otherNet+"/subnets/e", "dnsZones", false, "privateLinkScopeId", otherScope)
					}
					d := deployedCase{name: fmt.Sprint(plan, " ", network, " ", len(chosen), " ", what), params: params}
					d.complete(cs)
					list = append(list, d)
				}
			}
		}
	}
	return list
}

// TestMicrosoftsCompilerMakesTheSameResources as deploy plan shows, and as all other
// tests of templates look at: of 36 deployments, by id, type and version. Nothing is left
// to be worked out but what is made only then, or depends on the cloud.
func TestMicrosoftsCompilerMakesTheSameResources(t *testing.T) {
	c, err := startCompiler(root)
	if absent := new(noCompiler); errors.As(err, &absent) && os.Getenv("SLUICE_NEED_BICEP") == "" {
		t.Skip("no deployment was worked out: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	dir := t.TempDir()
	template, err := os.ReadFile(filepath.Join(root, "infra", "azuredeploy.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "azuredeploy.json"), template, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	where := at{"33333333-3333-3333-3333-333333333333", "22222222-2222-2222-2222-222222222222", "sluice", "westeurope", "main"}
	for i, d := range deployments(t) {
		path := filepath.Join(dir, fmt.Sprint(i, ".bicepparam"))
		if err := os.WriteFile(path, []byte(parameterFile(d.params)), 0o600); err != nil {
			t.Fatal(err)
		}
		predicted, err := c.snapshot(path, where)
		if err != nil {
			t.Fatalf("%s: %v", d.name, err)
		}
		// uniqueString is Microsoft's own; the app's name tells it.
		site := slices.IndexFunc(predicted, func(p prediction) bool { return p.Type == "Microsoft.Web/sites" })
		_, suffix, _ := strings.Cut(predicted[site].ID, "/sites/sluice-")
		res, err := arm.Expand(template, d.params, arm.Scope{Cloud: "AzureCloud", Tenant: where.Tenant, Subscription: where.Subscription, Group: where.Group, Location: where.Location, Deployment: where.DeploymentName},
			func(...string) string { return suffix })
		if err != nil {
			t.Fatalf("%s: %v", d.name, err)
		}
		ours, theirs := map[string]string{}, map[string]string{}
		for _, r := range res.Resources {
			ours[identity(r.ID, r.Type, ours)] = r.Type + "@" + r.APIVersion
		}
		for _, p := range predicted {
			theirs[identity(p.ID, p.Type, theirs)] = p.Type + "@" + p.APIVersion
			leftOver(t, d.name+": "+p.ID, p.Properties)
		}
		if !maps.Equal(ours, theirs) {
			t.Errorf("%s: only one of the two makes\n%s", d.name, strings.Join(slices.Concat(missing(ours, theirs, "here"), missing(theirs, ours, "there")), "\n"))
		}
	}
}

// identity is what a resource is compared by: its id, or for DNS zones a number, since
// their names depend on the cloud, which a snapshot does not know.
func identity(id, typ string, before map[string]string) string {
	if !strings.Contains(typ, "privateDnsZones") {
		return strings.ToLower(id)
	}
	for n := 1; ; n++ {
		if key := fmt.Sprint(typ, " ", n); before[key] == "" {
			return key
		}
	}
}

// missing are the ids of a that b has not, or otherwise.
func missing(a, b map[string]string, where string) (lines []string) {
	for id, what := range a {
		if b[id] != what {
			lines = append(lines, where+": "+id+" "+what)
		}
	}
	slices.Sort(lines)
	return lines
}

// leftOver finds expressions that refer to nothing that is made at run time: they should
// have been worked out. Secrets are kept as they are.
func leftOver(t *testing.T, at string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			leftOver(t, at+"."+k, x)
		}
	case []any:
		for i, x := range v {
			leftOver(t, fmt.Sprint(at, "[", i, "]"), x)
		}
	case string:
		// A text that begins so and is no expression is a link on a card.
		if strings.HasPrefix(v, "[") && strings.HasSuffix(v, "]") && !strings.Contains(v, "reference(") && !strings.Contains(v, "environment()") && !strings.HasPrefix(v, "[parameters('") {
			t.Errorf("%s is left as %.200s", at, v)
		}
		if strings.HasPrefix(v, "[[") {
			t.Errorf("%s has a bracket too many: %.80s", at, v)
		}
	}
}

// parameterFile is a .bicepparam with these parameters, of the template beside it.
func parameterFile(params map[string]any) string {
	var b strings.Builder
	b.WriteString("using 'azuredeploy.json'\n")
	for _, name := range slices.Sorted(maps.Keys(params)) {
		fmt.Fprintf(&b, "param %s = %s\n", name, printed(ordered(params[name]), ""))
	}
	return b.String()
}

// ordered is a value with its objects in an order.
func ordered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := object{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			o = append(o, member{Name: k, Value: ordered(v[k])})
		}
		return o
	case []any:
		for i := range v {
			v[i] = ordered(v[i])
		}
	case float64:
		text, _ := json.Marshal(v)
		return code(text)
	}
	return v
}
