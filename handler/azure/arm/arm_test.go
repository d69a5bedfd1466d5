package arm

import (
	"strings"
	"testing"
)

var here = Scope{Cloud: "AzureUSGovernment", Tenant: "t", Subscription: "s", Group: "g", Location: "l", Deployment: "main"}

// output works out one expression.
func output(expr string, params map[string]any) (any, error) {
	template := `{"parameters":{"a":{"type":"string","defaultValue":"x"},"l":{"type":"array","defaultValue":["p","q"]},"o":{"type":"object","defaultValue":{"k":{"n":1}}}},
		"variables":{"v":"[concat(parameters('a'), '!')]","e":"[[plain]"},"resources":[],"outputs":{"o":{"type":"string","value":"[` + expr + `]"}}}`
	res, err := Expand([]byte(template), params, here)
	if err != nil {
		return nil, err
	}
	return res.Outputs["o"], nil
}

func TestExpressions(t *testing.T) {
	for expr, want := range map[string]string{
		`variables('v')`:                  "x!",
		`variables('e')`:                  "[plain]",
		`format('{0}-{{1}}-{1}', 'a', 2)`: "a-{1}-2",
		`if(equals(parameters('a'), 'x'), 'yes', parameters('l')[9])`: "yes",
		`if(or(false(), empty('')), 'e', 'f')`:                        "e",
		`string(and(true(), not(contains(parameters('l'), 'z'))))`:    "True",
		`parameters('o').k.n`:                                         "1",
		`coalesce(tryGet(parameters('o'), 'none'), 'default')`:        "default",
		`split('a/b/c', '/')[1]`:                                      "b",
		`last(split('a/b/c', '/'))`:                                   "c",
		`toLower(take('ABC', 2))`:                                     "ab",
		`replace('a-b', '-', '')`:                                     "ab",
		`'it''s'`:                                                     "it's",
		`environment().suffixes.storage`:                              "core.usgovcloudapi.net",
		`uniqueString('x')`:                                           "swvckhj4jamjw",
		`resourceId('A.B/c', 'n')`:                                    "/subscriptions/s/resourceGroups/g/providers/A.B/c/n",
		`resourceId('o', 'h', 'A.B/c/d', 'n', 'm')`:                   "/subscriptions/o/resourceGroups/h/providers/A.B/c/n/d/m",
		`reference(resourceId('A.B/c', 'n'), '1').x.y`:                "‹n.x.y›",
		`length(guid('a', 'b'))`:                                      "36",
		`join(map(filter(parameters('l'), lambda('x', not(equals(lambdaVariables('x'), 'p')))), lambda('y', concat(lambdaVariables('y'), '+'))), ',')`: "q+",
		`string(createObject('k', createArray(1, true(), null())))`:                                                                                    `{"k":[1,true,null]}`,
		`join(map(items(createObject('b', 1, 'a', 2)), lambda('x', lambdaVariables('x').key)), ',')`:                                                   "a,b",
		`string(union(createObject('a', 1), createObject('b', 2)))`:                                                                                    `{"a":1,"b":2}`,
	} {
		got, err := output(expr, nil)
		if err != nil || str(got) != want {
			t.Errorf("%s: %v, %v, want %s", expr, got, err, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	for expr, want := range map[string]string{
		`nope(1)`:                    "the function nope is not known here",
		`parameters('z')`:            "there is no parameter z",
		`variables('z')`:             "there is no variable z",
		`'open`:                      "this text does not end",
		`parameters('o').z`:          "there is no member z",
		`parameters('l')[2]`:         "there is no element 2 of 2",
		`concat('a' 'b')`:            "expected , or )",
		`resourceId('A.B/c/d', 'n')`: "does not fit the type",
	} {
		if _, err := output(expr, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", expr, err, want)
		}
	}
	for _, params := range []map[string]any{{"a": 1}, {"nope": "x"}, {"l": "x"}} {
		if _, err := output("'x'", params); err == nil {
			t.Errorf("%v is taken", params)
		}
	}
}
