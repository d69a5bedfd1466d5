package arm

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestUniqueString against what Microsoft's compiler gives, for each length of the rest.
func TestUniqueString(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "aaaaaaaaaaaaa",
		"a":                "eveiun73364hy",
		"aZ":               "y46stor6k7ory",
		"aZ9":              "efnpi7dtvxzsw",
		"aZ9-":             "4afpkkjtmcf7w",
		"aZ9-/":            "kvtohcb6o66sa",
		"aZ9-/ü":           "73xxdtbhmd6em",
		"aZ9-/üé":          "mjtpewrvs7vy6",
		"aZ9-/üé#":         "5xsj2alwuvebc",
		"aZ9-/üé#a":        "m4wzhhlr7m7be",
		"aZ9-/üé#aZ9-":     "4oy7usr2dkotc",
		"aZ9-/üé#aZ9-/üé#": "awiuftyqrfrrs",
		"tyeth":            "zcztcwvu6iyg6",
		// An id, as names are made of one. Small letters give another.
		"/subscriptions/31e9f9a0-9fd2-4294-a0a3-0101246d9700/resourceGroups/rg-modm201-20230913120256/providers/Microsoft.Compute/virtualMachines/bobjacmodm201": "yvjxno3je5on2",
		"/subscriptions/31e9f9a0-9fd2-4294-a0a3-0101246d9700/resourcegroups/rg-modm201-20230913120256/providers/microsoft.compute/virtualmachines/bobjacmodm201": "mxjk6utbrdju6",
	} {
		if got := uniqueString([]string{text}); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := uniqueString([]string{"a", "b-c"}); got != "gmauwwrtcq2xa" {
		t.Errorf("of two: %s", got)
	}
}

const typed = `{
	"definitions": {
		"plan": {"type": "string", "allowedValues": ["flex", "premium"]},
		"keeping": {"type": "object", "additionalProperties": false, "properties": {
			"plan": {"$ref": "#/definitions/plan", "nullable": true},
			"days": {"type": "int", "nullable": true, "minValue": 4, "maxValue": 730}}},
		"tables": {"type": "object", "additionalProperties": false, "properties": {"A_CL": {"$ref": "#/definitions/keeping", "nullable": true}}},
		"loop": {"$ref": "#/definitions/loop"}
	},
	"parameters": {
		"plan": {"$ref": "#/definitions/plan", "defaultValue": "flex"},
		"days": {"$ref": "#/definitions/keeping/properties/days", "defaultValue": null},
		"tables": {"$ref": "#/definitions/tables", "defaultValue": {}},
		"tags": {"type": "object", "additionalProperties": {"type": "string"}, "defaultValue": {}},
		"names": {"type": "array", "items": {"type": "string", "minLength": 2}, "maxLength": 3, "defaultValue": []},
		"rule": {"type": "object", "properties": {"id": {"type": "string"}}, "defaultValue": {"id": "x"}},
		"secret": {"type": "securestring", "defaultValue": ""}
	},
	"resources": {}
}`

// TestParametersFitTheirTypes: what Azure would refuse is refused, with its place.
func TestParametersFitTheirTypes(t *testing.T) {
	for given, want := range map[string]string{
		`{}`:                                   "",
		`{"plan":"premium"}`:                   "",
		`{"tables":{"A_CL":{"plan":"flex"}}}`:  "",
		`{"tables":{"A_CL":null}}`:             "",
		`{"tags":{"a":"b"},"names":["ab"]}`:    "",
		`{"plan":"cheap"}`:                     `the parameter "plan" is cheap and has to be one of [flex premium]`,
		`{"tables":{"B_CL":{}}}`:               `the parameter "tables" has no member "B_CL": there are A_CL`,
		`{"tables":{"A_CL":{"plan":"cheap"}}}`: `the parameter "tables".A_CL.plan is cheap and has to be one of`,
		`{"tables":{"A_CL":{"days":3}}}`:       `the parameter "tables".A_CL.days is 3 and has to be 4 at least`,
		`{"tables":{"A_CL":{"days":9999}}}`:    `and may be 730 at most`,
		`{"tables":{"A_CL":"x"}}`:              `the parameter "tables".A_CL is string and has to be object`,
		`{"tags":{"a":1}}`:                     `the parameter "tags".a is int and has to be string`,
		`{"names":["a"]}`:                      `the parameter "names"[0] is 1 characters and has to be 2 at least`,
		`{"names":["ab","ab","ab","ab"]}`:      `the parameter "names" is 4 elements and may be 3 at most`,
		`{"rule":{}}`:                          `the parameter "rule" lacks the member "id"`,
		`{"plan":null}`:                        `the parameter "plan" is null and has to be string`,
	} {
		var params map[string]any
		if err := json.Unmarshal([]byte(given), &params); err != nil {
			t.Fatal(err)
		}
		_, err := Expand([]byte(typed), params, here)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", given, err, want)
		}
	}
}

func TestParameters(t *testing.T) {
	got, err := Parameters([]byte(typed))
	if err != nil || got["plan"].Type != "string" || got["tables"].Type != "object" || got["secret"] != (Parameter{"string", true, ""}) || got["days"].Type != "int" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := Parameters([]byte(strings.Replace(typed, `{"$ref": "#/definitions/plan", "defaultValue"`, `{"$ref": "#/definitions/loop", "defaultValue"`, 1))); err == nil || !strings.Contains(err.Error(), "refers to itself") {
		t.Error(err)
	}
	if _, err := Parameters([]byte(strings.Replace(typed, `"#/definitions/tables"`, `"#/definitions/none"`, 1))); err == nil || !strings.Contains(err.Error(), "is not in the template") {
		t.Error(err)
	}
}
