// Package arm works out what an ARM template makes, without Azure: conditions,
// loops, names and nested deployments, for given parameters. What is known only
// when a resource exists stands there as a mark such as ‹sluice-okta-1.immutableId›.
//
// It knows the functions that our own templates use, and reports any other. The
// values of guid, uniqueString and environment are Azure's.
package arm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Scope is where a template is deployed to.
type Scope struct {
	Cloud        string // AzureCloud, AzureUSGovernment or AzureChinaCloud
	Tenant       string
	Subscription string
	Group        string
	Location     string
	Deployment   string // its name
}

// Resource is a resource that a template makes.
type Resource struct {
	ID         string
	Type       string
	APIVersion string
	Name       string         // with those of its parents: account/default/container
	Scope      string         // id of the resource that it extends, or ""
	Body       map[string]any // what is sent, but for name, type and apiVersion
}

// Result is what a template makes.
type Result struct {
	Resources []Resource // those of nested deployments too, which are not themselves listed
	Outputs   map[string]any
}

// Expand works out a template for parameters and a place.
func Expand(template []byte, params map[string]any, at Scope) (res *Result, err error) {
	var doc map[string]any
	if err := json.Unmarshal(template, &doc); err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	err = catch(func() {
		d := &deployment{at: at, deployed: map[string]map[string]any{}}
		res = d.run(doc, params)
	})
	return res, err
}

// catch returns what f throws.
func catch(f func()) (err error) {
	defer func() {
		switch m := recover().(type) {
		case nil:
		case mistake:
			err = m.error
		default:
			panic(m)
		}
	}()
	f()
	return nil
}

// mistake is thrown, and caught by catch.
type mistake struct{ error }

func failf(format string, args ...any) { panic(mistake{fmt.Errorf(format, args...)}) }

// deployment is one template at work.
type deployment struct {
	at        Scope
	doc       map[string]any
	symbols   map[string]string // ids of resources by their names in the template, where they have such
	params    map[string]any
	index     int                       // of the loop
	locals    map[string]any            // parameters of lambdas
	deployed  map[string]map[string]any // outputs of the deployments nested in this one, by id
	resources []Resource
	partial   bool // of parts of nested templates
}

func (d *deployment) run(doc map[string]any, given map[string]any) *Result {
	d.doc = doc
	d.params = map[string]any{}
	declared := obj(doc["parameters"])
	for name, value := range given {
		if declared[name] == nil {
			failf("the template has no parameter %q", name)
		}
		d.params[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		d.param(name, obj(declared[name]))
	}
	for _, r := range d.inOrder(doc["resources"]) {
		d.resource(r)
	}
	outputs := map[string]any{}
	for name, o := range obj(doc["outputs"]) {
		outputs[name] = d.value(obj(o)["value"])
	}
	return &Result{Resources: d.resources, Outputs: outputs}
}

// param completes a parameter and checks it as Azure does.
func (d *deployment) param(name string, p map[string]any) {
	if _, ok := d.params[name]; !ok {
		def, ok := p["defaultValue"]
		if !ok {
			failf("the parameter %q is missing", name)
		}
		d.params[name] = d.value(def)
	}
	d.fit("the parameter "+strconv.Quote(name), p, d.params[name])
}

func obj(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// resource works out a resource, or those of its loop.
func (d *deployment) resource(r map[string]any) {
	count := 1
	loop := obj(r["copy"])
	if loop != nil {
		count = number(d.value(loop["count"]))
	}
	for d.index = range count {
		if r["existing"] == true {
			continue
		}
		if cond, ok := r["condition"]; ok && !truth(d.value(cond)) {
			continue
		}
		if r["type"] == "Microsoft.Resources/deployments" {
			d.nested(r)
			continue
		}
		d.resources = append(d.resources, d.one(r))
	}
	d.index = 0
}

func (d *deployment) one(r map[string]any) Resource {
	out := Resource{Type: r["type"].(string), APIVersion: r["apiVersion"].(string), Name: str(d.value(r["name"])), Body: map[string]any{}}
	if s, ok := r["scope"]; ok {
		out.Scope = str(d.value(s))
	}
	out.ID = d.resourceID(out.Scope, out.Type, strings.Split(out.Name, "/"))
	for name, v := range r {
		switch name {
		case "type", "apiVersion", "name", "scope", "dependsOn", "condition", "copy":
		default:
			out.Body[name] = d.value(v)
		}
	}
	return out
}

// resourceID is the id of a resource of this deployment's group, or of one that
// extends scope.
func (d *deployment) resourceID(scope, typ string, names []string) string {
	if scope == "" {
		scope = "/subscriptions/" + d.at.Subscription + "/resourceGroups/" + d.at.Group
	}
	types := strings.Split(typ, "/")
	if len(types) != len(names)+1 {
		failf("the name %s does not fit the type %s", strings.Join(names, "/"), typ)
	}
	id := scope + "/providers/" + types[0]
	for i, n := range names {
		id += "/" + types[i+1] + "/" + n
	}
	return id
}

// nested works out a deployment in the deployment; with scope inner, as ours have.
func (d *deployment) nested(r map[string]any) {
	at := d.at
	at.Deployment = str(d.value(r["name"]))
	if s, ok := r["subscriptionId"]; ok {
		at.Subscription = str(d.value(s))
	}
	if g, ok := r["resourceGroup"]; ok {
		at.Group = str(d.value(g))
	}
	props := obj(r["properties"])
	params := map[string]any{}
	for name, p := range obj(props["parameters"]) {
		params[name] = obj(d.value(p))["value"] // an expression may stand for the object
	}
	inner := &deployment{at: at, deployed: map[string]map[string]any{}}
	res := inner.run(obj(props["template"]), params)
	d.resources = append(d.resources, res.Resources...)
	d.deployed[d.idOf(r)] = res.Outputs
}

// Complete works out the expressions that Microsoft's compiler leaves in the resources of
// a template: they refer to what is made at run time, to the cloud, and to parameters that
// are secret. A parameter that only a nested template has is a mark too.
func Complete(template []byte, resources []any, params map[string]any, at Scope) (done []any, err error) {
	var doc map[string]any
	if err := json.Unmarshal(template, &doc); err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	err = catch(func() {
		d := &deployment{at: at, doc: doc, params: params, partial: true}
		done = list(d.value(resources))
	})
	return done, err
}
