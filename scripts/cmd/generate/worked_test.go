package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-connectors/sluice/handler/azure/arm"
)

func scope(cloud string) arm.Scope {
	return arm.Scope{Cloud: cloud, Tenant: place.Tenant, Subscription: place.Subscription, Group: place.Group, Location: place.Location, Deployment: place.DeploymentName}
}

// predictions are what Microsoft's compiler works out of a deployment.
type predictions struct {
	resources []any // objects with id, type, name and what is sent
	outputs   map[string]any
}

// snapshots are those of all deployments, by name. Two compilers work on them.
var snapshots = sync.OnceValues(func() (map[string]predictions, error) {
	list, err := deployments()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-snapshots-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	all := make([]predictions, len(list))
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for half := range errs {
		wg.Go(func() { errs[half] = snapshotsOf(filepath.Join(dir, fmt.Sprint(half)), list, all, half, len(errs)) })
	}
	wg.Wait()
	found := map[string]predictions{}
	for i, d := range list {
		found[d.name] = all[i]
	}
	return found, errors.Join(errs...)
})

// snapshotsOf works out every step'th deployment, from the compiled templates: these take
// a second where Bicep takes ten.
func snapshotsOf(dir string, list []deployedCase, all []predictions, first, step int) error {
	c, err := startCompiler(root)
	if err != nil {
		return err
	}
	defer c.close()
	for i := first; i < len(list); i += step {
		if all[i], err = snapshotOf(c, filepath.Join(dir, fmt.Sprint(i)), list[i]); err != nil {
			return fmt.Errorf("%s: %w", list[i].name, err)
		}
	}
	return nil
}

func snapshotOf(c *compiler, dir string, d deployedCase) (predictions, error) {
	template, err := os.ReadFile(d.path())
	path := filepath.Join(dir, "main.bicepparam")
	if err == nil {
		err = write(map[string]string{filepath.Join(dir, "azuredeploy.json"): string(template), path: parameterFile(d.params)})
	}
	if err != nil {
		return predictions{}, err
	}
	text, err := c.snapshot(path, place)
	if err != nil {
		return predictions{}, err
	}
	var doc struct {
		PredictedResources []any
		Outputs            map[string]any
		Diagnostics        []any
	}
	if err = json.Unmarshal([]byte(text), &doc); err == nil && len(doc.Diagnostics) > 0 {
		err = fmt.Errorf("%v", doc.Diagnostics)
	}
	return predictions{doc.PredictedResources, doc.Outputs}, err
}

// predicted are the snapshots; without the compiler the test is skipped.
func predicted(t *testing.T) map[string]predictions {
	t.Helper()
	if testing.Short() {
		t.Skip("the compiler takes a minute")
	}
	all, err := snapshots()
	needsCompiler(t, err)
	return all
}

// compilerFor starts the compiler for a test; without it the test is skipped.
func compilerFor(t *testing.T) *compiler {
	t.Helper()
	if testing.Short() {
		t.Skip("the compiler takes a minute")
	}
	c, err := startCompiler(root)
	needsCompiler(t, err)
	t.Cleanup(c.close)
	return c
}

func needsCompiler(t *testing.T, err error) {
	t.Helper()
	if absent := new(noCompiler); errors.As(err, &absent) && os.Getenv("SLUICE_NEED_BICEP") == "" {
		t.Skip("no template was compiled or worked out: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// worked are the deployments with what only Azure knows put in marks, as ‹sluice.id›.
var worked = map[string]*arm.Result{}

// work completes a snapshot: what the compiler leaves refers to what is made at run time,
// to the cloud, or to secrets, which is checked by TestNothingElseIsLeftOpen.
func work(t *testing.T, d deployedCase) *arm.Result {
	t.Helper()
	all := predicted(t)
	if worked[d.name] != nil {
		return worked[d.name]
	}
	template, err := os.ReadFile(d.path())
	if err != nil {
		t.Fatal(err)
	}
	res := &arm.Result{Outputs: all[d.name].outputs}
	completed, err := arm.Complete(template, all[d.name].resources, d.params, scope(d.cloud))
	if err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
	for _, p := range completed {
		if r := resourceOf(p.(map[string]any)); r != nil {
			res.Resources = append(res.Resources, *r)
		}
	}
	worked[d.name] = res
	return res
}

// resourceOf is a prediction in the form that deploy plan has, or nil where its
// condition is false.
func resourceOf(p map[string]any) *arm.Resource {
	if p["condition"] == false {
		return nil
	}
	r := &arm.Resource{ID: p["id"].(string), Type: p["type"].(string), APIVersion: p["apiVersion"].(string), Name: p["name"].(string), Body: p}
	if i := strings.LastIndex(r.ID, "/providers/"); strings.Contains(r.ID[:i], "/providers/") {
		r.Scope = r.ID[:i]
	}
	for _, name := range []string{"id", "type", "apiVersion", "name", "condition"} {
		delete(r.Body, name)
	}
	return r
}

// each runs a check over all deployments.
func each(t *testing.T, check func(t *testing.T, d deployedCase, res *arm.Result)) {
	t.Helper()
	list, err := deployments()
	if err != nil {
		t.Fatal(err)
	}
	predicted(t)
	for _, d := range list {
		t.Run(strings.ReplaceAll(d.name, " ", "_"), func(t *testing.T) { check(t, d, work(t, d)) })
	}
}

// byName is a deployment of the table, worked out.
func byName(t *testing.T, name string) (deployedCase, *arm.Result) {
	t.Helper()
	list, err := deployments()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(d deployedCase) bool { return d.name == name })
	if i < 0 {
		t.Fatalf("there is no deployment %q", name)
	}
	return list[i], work(t, list[i])
}

// TestNothingElseIsLeftOpen by Microsoft's compiler than what is made at run time, what
// depends on the cloud, and secrets.
func TestNothingElseIsLeftOpen(t *testing.T) {
	for name, p := range predicted(t) {
		for _, r := range p.resources {
			leftOver(t, name+": "+fmt.Sprint(dig(r, "id")), r)
		}
	}
}

// leftOver finds expressions that should have been worked out.
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
		if strings.HasPrefix(v, "[") && strings.HasSuffix(v, "]") && !strings.Contains(v, "reference(") && !strings.Contains(v, "environment()") && !secretOnly.MatchString(v) {
			t.Errorf("%s is left as %.200s", at, v)
		}
		if strings.HasPrefix(v, "[[") {
			t.Errorf("%s has a bracket too many: %.80s", at, v)
		}
	}
}

// secretOnly is the value of a secret parameter, or whether it is empty.
var secretOnly = regexp.MustCompile(`^\[(and\(true\(\), )?(not\(empty\()?parameters\('\w+'\)\)*\]$`)

// TestDeployPlanMakesTheSame resources as Microsoft's compiler, by id, type and version.
func TestDeployPlanMakesTheSame(t *testing.T) {
	each(t, func(t *testing.T, d deployedCase, theirs *arm.Result) {
		template, err := os.ReadFile(d.path())
		if err != nil {
			t.Fatal(err)
		}
		ours, err := arm.Expand(template, d.params, scope(d.cloud))
		if err != nil {
			t.Fatal(err)
		}
		a, b := versions(ours), versions(theirs)
		for _, id := range slices.Sorted(maps.Keys(a)) {
			if a[id] != b[id] {
				t.Errorf("deploy plan shows %s %s; the compiler %q", id, a[id], b[id])
			}
			delete(b, id)
		}
		for _, id := range slices.Sorted(maps.Keys(b)) {
			t.Errorf("deploy plan lacks %s %s", id, b[id])
		}
	})
}

// versions are the types with their versions, by id in small letters.
func versions(res *arm.Result) map[string]string {
	m := map[string]string{}
	for _, r := range res.Resources {
		m[strings.ToLower(r.ID)] = r.Type + "@" + r.APIVersion
	}
	return m
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
		l := list{}
		for _, x := range v {
			l = append(l, ordered(x))
		}
		return l
	case float64:
		text, _ := json.Marshal(v)
		return code(text)
	}
	return v
}
