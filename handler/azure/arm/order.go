package arm

import (
	"maps"
	"slices"
	"strings"
)

// inOrder are the resources of a template, those first that others depend on. In a
// template of languageVersion 2.0 they have names, by which they depend on each other;
// in another they do so by their ids (learn.microsoft.com, "Symbolic names in ARM
// templates").
func (d *deployment) inOrder(resources any) (sorted []map[string]any) {
	named := map[string]map[string]any{}
	var names []string
	switch all := resources.(type) {
	case map[string]any:
		d.symbols = map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			named[name] = obj(all[name])
			names = append(names, name)
			if _, loop := named[name]["copy"]; !loop {
				d.symbols[name] = d.idOf(named[name])
			}
		}
	case []any:
		for _, r := range all {
			name := d.idOf(obj(r))
			named[name] = obj(r)
			names = append(names, name)
		}
	}
	const open, done = 1, 2
	state := map[string]int{}
	var visit func(name string)
	visit = func(name string) {
		r := named[name]
		if r == nil || state[name] == done { // what is not in the template exists
			return
		}
		if state[name] == open {
			failf("%s depends on itself", name)
		}
		state[name] = open
		needs, _ := r["dependsOn"].([]any)
		for _, n := range needs {
			if d.symbols != nil {
				visit(str(n))
			} else {
				visit(str(d.value(n)))
			}
		}
		state[name] = done
		sorted = append(sorted, r)
	}
	for _, name := range names {
		visit(name)
	}
	return sorted
}

// idOf is the id of a resource, of a loop that of its first.
func (d *deployment) idOf(r map[string]any) string {
	at := *d
	if s, ok := r["subscriptionId"]; ok {
		at.at.Subscription = str(d.value(s))
	}
	if g, ok := r["resourceGroup"]; ok {
		at.at.Group = str(d.value(g))
	}
	scope := ""
	if s, ok := r["scope"]; ok {
		scope = str(d.value(s))
	}
	return at.resourceID(scope, str(r["type"]), strings.Split(str(d.value(r["name"])), "/"))
}
