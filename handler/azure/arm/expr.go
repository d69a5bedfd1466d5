package arm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// unknown is what only Azure will know. Members of it are unknown too.
type unknown string

func (u unknown) String() string { return "‹" + string(u) + "›" }

// MarshalJSON implements json.Marshaler.
func (u unknown) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }

// value works out what stands in a template.
func (d *deployment) value(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[str(d.value(k))] = d.value(x)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, x := range v {
			l[i] = d.value(x)
		}
		return l
	case string:
		if strings.HasPrefix(v, "[[") {
			return v[1:]
		}
		if inner, ok := strings.CutPrefix(v, "["); ok && strings.HasSuffix(inner, "]") {
			p := &parser{d: d, src: strings.TrimSuffix(inner, "]")}
			x := p.expr()
			if p.space(); p.pos != len(p.src) {
				p.failf("expected the end")
			}
			return x(d)
		}
	}
	return v
}

// at is a member or element.
func at(v, key any) any {
	switch v := v.(type) {
	case unknown:
		return v + unknown("."+str(key))
	case map[string]any:
		if x, ok := v[str(key)]; ok {
			return x
		}
		failf("there is no member %v", key)
	case []any:
		if i := number(key); i >= 0 && i < len(v) {
			return v[i]
		}
		failf("there is no element %v of %d", key, len(v))
	}
	failf("%v has no member %v", v, key)
	return nil
}

func str(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case unknown:
		return v.String()
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case map[string]any, []any:
		b, err := json.Marshal(v)
		if err != nil {
			failf("%v", err)
		}
		return string(b)
	case int, float64:
		return fmt.Sprint(v)
	}
	failf("a lambda is no text")
	return ""
}

func number(v any) int {
	switch v := v.(type) {
	case int:
		return v
	case float64:
		return int(v)
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			return n
		}
	}
	failf("%v is no number", v)
	return 0
}

func truth(v any) bool {
	b, ok := v.(bool)
	if !ok {
		failf("%v is neither true nor false", v)
	}
	return b
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// fewest is how many arguments a function needs at least.
var fewest = map[string]int{
	"if": 3, "lambda": 2, "not": 1, "equals": 2, "empty": 1, "length": 1, "toLower": 1, "string": 1, "json": 1, "replace": 3, "split": 2, "take": 2, "format": 1, "concat": 1,
	"join": 2, "last": 1, "contains": 2, "tryGet": 2, "union": 1, "items": 1, "filter": 2, "map": 2, "parameters": 1, "variables": 1, "lambdaVariables": 1,
	"resourceId": 2, "subscriptionResourceId": 2, "extensionResourceId": 3, "reference": 1, "fail": 1,
}

// call works out a function. Those whose arguments are not all worked out come first.
func (d *deployment) call(name string, args []thunk) any {
	if len(args) < fewest[name] {
		failf("%s needs %d arguments, not %d", name, fewest[name], len(args))
	}
	switch name {
	case "if":
		if truth(args[0](d)) {
			return args[1](d)
		}
		return args[2](d)
	case "and":
		return !slices.ContainsFunc(args, func(t thunk) bool { return !truth(t(d)) })
	case "or":
		return slices.ContainsFunc(args, func(t thunk) bool { return truth(t(d)) })
	case "lambda":
		param := str(args[0](d))
		return func(v any) any {
			inner := *d
			inner.locals = map[string]any{param: v}
			for k, x := range d.locals {
				inner.locals[k] = x
			}
			return args[1](&inner)
		}
	}
	a := make([]any, len(args))
	for i, t := range args {
		a[i] = t(d)
	}
	if f, ok := pure[name]; ok {
		return f(a)
	}
	return d.scoped(name, a)
}

// scoped are the functions that depend on the deployment.
func (d *deployment) scoped(name string, a []any) any {
	switch name {
	case "parameters":
		v, ok := d.params[str(a[0])]
		if !ok {
			if p := obj(obj(d.doc["parameters"])[str(a[0])]); p["defaultValue"] != nil {
				return d.value(p["defaultValue"])
			}
			if d.partial {
				return unknown(str(a[0]))
			}
			failf("there is no parameter %v", a[0])
		}
		return v
	case "variables":
		v, ok := obj(d.doc["variables"])[str(a[0])]
		if !ok {
			failf("there is no variable %v", a[0])
		}
		return d.value(v)
	case "lambdaVariables":
		return d.locals[str(a[0])]
	case "copyIndex":
		return d.index
	case "deployment":
		return map[string]any{"name": d.at.Deployment}
	case "resourceGroup":
		return map[string]any{"id": "/subscriptions/" + d.at.Subscription + "/resourceGroups/" + d.at.Group, "name": d.at.Group, "location": d.at.Location}
	case "subscription":
		return map[string]any{"id": "/subscriptions/" + d.at.Subscription, "subscriptionId": d.at.Subscription, "tenantId": d.at.Tenant}
	case "environment":
		return environment(d.at.Cloud)
	case "uniqueString":
		return uniqueString(texts(a))
	case "resourceId":
		return d.callResourceID(texts(a))
	case "subscriptionResourceId":
		return "/subscriptions/" + d.at.Subscription + "/providers/" + str(a[0]) + "/" + str(a[1])
	case "extensionResourceId":
		return d.resourceID(str(a[0]), str(a[1]), texts(a[2:]))
	case "reference":
		return d.reference(str(a[0]))
	case "fail":
		failf("%s", str(a[0]))
	}
	failf("the function %s is not known here", name)
	return nil
}

// callResourceID is resourceId([subscription], [group], type, names…).
func (d *deployment) callResourceID(a []string) any {
	in := *d
	i := slices.IndexFunc(a, func(s string) bool {
		return strings.Contains(s, ".") && strings.Contains(s, "/") && !strings.HasPrefix(s, "/")
	})
	switch i {
	case 2:
		in.at.Subscription, in.at.Group = a[0], a[1]
	case 1:
		in.at.Group = a[0]
	}
	if i < 0 {
		failf("resourceId without a type: %v", a)
	}
	return in.resourceID("", a[i], a[i+1:])
}

// reference is what Azure says of a resource: of a deployment in this one its outputs.
func (d *deployment) reference(id string) any {
	if of, ok := d.symbols[id]; ok {
		id = of
	}
	if outputs, ok := d.deployed[id]; ok {
		m := map[string]any{}
		for name, v := range outputs {
			m[name] = map[string]any{"value": v}
		}
		return map[string]any{"outputs": m}
	}
	return unknown(id[strings.LastIndexByte(id, '/')+1:])
}

func texts(a []any) (l []string) {
	for _, v := range a {
		l = append(l, str(v))
	}
	return l
}

// environment has the addresses of a cloud (learn.microsoft.com, "az cloud show").
func environment(cloud string) any {
	e := map[string][4]string{
		"AzureCloud":        {"core.windows.net", ".vault.azure.net", "https://portal.azure.com", "https://management.azure.com/"},
		"AzureUSGovernment": {"core.usgovcloudapi.net", ".vault.usgovcloudapi.net", "https://portal.azure.us", "https://management.usgovcloudapi.net"},
		"AzureChinaCloud":   {"core.chinacloudapi.cn", ".vault.azure.cn", "https://portal.azure.cn", "https://management.chinacloudapi.cn"},
	}[cloud]
	if e[0] == "" {
		failf("there is no cloud %q", cloud)
	}
	return map[string]any{"name": cloud, "portal": e[2], "resourceManager": e[3], "suffixes": map[string]any{"storage": e[0], "keyvaultDns": e[1]}}
}
