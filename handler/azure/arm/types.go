package arm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Parameter is what a template declares of a parameter.
type Parameter struct {
	Type    string // string, int, bool, object or array
	Secure  bool
	Default any // nil: it has to be given
}

// Parameters are those of a template, by name.
func Parameters(template []byte) (map[string]Parameter, error) {
	var doc map[string]any
	if err := json.Unmarshal(template, &doc); err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	list := map[string]Parameter{}
	err := catch(func() {
		for name, p := range obj(doc["parameters"]) {
			t := resolved(doc, obj(p))
			plain := strings.ToLower(str(t["type"]))
			list[name] = Parameter{Type: strings.TrimPrefix(plain, "secure"), Secure: strings.HasPrefix(plain, "secure"), Default: obj(p)["defaultValue"]}
		}
	})
	return list, err
}

// resolved is a type with what it refers to: {"$ref": "#/definitions/keeping"}. What
// stands beside the reference, such as nullable, counts too.
func resolved(doc, t map[string]any) map[string]any {
	for range 20 {
		ref, ok := t["$ref"].(string)
		if !ok {
			return t
		}
		var found any = doc
		for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			found = obj(found)[part]
		}
		if found == nil {
			failf("the type %s is not in the template", ref)
		}
		beside := maps.Clone(t)
		delete(beside, "$ref")
		t = maps.Clone(obj(found))
		maps.Copy(t, beside)
	}
	failf("the type %v refers to itself", t["$ref"])
	return nil
}

// fit checks a value against a type as Azure does; path says where it stands.
func (d *deployment) fit(path string, t map[string]any, v any) {
	t = resolved(d.doc, t)
	if v == nil && t["nullable"] == true {
		return
	}
	if _, ok := v.(unknown); ok {
		return
	}
	want := strings.TrimPrefix(strings.ToLower(str(t["type"])), "secure")
	if got := kind(v); got != want {
		failf("%s is %s and has to be %s", path, got, want)
	}
	if allowed := list(t["allowedValues"]); len(allowed) > 0 && !allowedValue(allowed, v) {
		failf("%s is %v and has to be one of %v", path, v, allowed)
	}
	if n, ok := amount(v); ok {
		bound(path, n, t["minValue"], t["maxValue"], "")
	}
	switch v := v.(type) {
	case string:
		bound(path, float64(len([]rune(v))), t["minLength"], t["maxLength"], " characters")
	case []any:
		bound(path, float64(len(v)), t["minLength"], t["maxLength"], " elements")
		for i, x := range v {
			if items := obj(t["items"]); items != nil {
				d.fit(fmt.Sprintf("%s[%d]", path, i), items, x)
			}
		}
	case map[string]any:
		d.members(path, t, v)
	}
}

// members checks an object: those that are declared, and whether there may be others.
func (d *deployment) members(path string, t, v map[string]any) {
	declared, others := obj(t["properties"]), obj(t["additionalProperties"])
	for _, name := range slices.Sorted(maps.Keys(v)) {
		switch at := path + "." + name; {
		case declared[name] != nil:
			d.fit(at, obj(declared[name]), v[name])
		case others != nil:
			d.fit(at, others, v[name])
		case t["additionalProperties"] == false:
			failf("%s has no member %q: there are %s", path, name, strings.Join(slices.Sorted(maps.Keys(declared)), ", "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if _, ok := v[name]; !ok && resolved(d.doc, obj(declared[name]))["nullable"] != true {
			failf("%s lacks the member %q", path, name)
		}
	}
}

func amount(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// bound checks a number, or a length, against the least and the most that it may be.
func bound(path string, n float64, least, most any, unit string) {
	if limit, ok := least.(float64); ok && n < limit {
		failf("%s is %v%s and has to be %v at least", path, n, unit, limit)
	}
	if limit, ok := most.(float64); ok && n > limit {
		failf("%s is %v%s and may be %v at most", path, n, unit, limit)
	}
}

// allowedValue reports whether v, or each element of the list v, is allowed.
func allowedValue(allowed []any, v any) bool {
	if l, ok := v.([]any); ok {
		return !slices.ContainsFunc(l, func(x any) bool { return !slices.Contains(allowed, x) })
	}
	return slices.Contains(allowed, v)
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "bool"
	case float64, int:
		return "int"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "unknown"
}
