package openapi

import (
	"fmt"
	"strings"
	"testing"
)

const api = `openapi: 3.0.3
info: {title: Acme, version: 1.2.0}
components:
  schemas:
    Base:
      type: object
      properties:
        id: {type: string, format: uuid}
        at: {type: string, format: date-time, nullable: true}
    Event:
      allOf:
        - $ref: '#/components/schemas/Base'
        - type: object
          description: the rest
          properties:
            result: {type: string, enum: [OK, FAILED]}
            count: {type: integer, format: int64}
            port: {type: integer, format: int32}
            score: {type: [number, "null"]}
            on: {type: boolean}
            tags: {type: array, items: {type: string}}
            target:
              type: array
              items: {$ref: '#/components/schemas/Target'}
            extra: {type: object, additionalProperties: {type: string}}
            raw: {type: object}
            odd.name: {type: object, properties: {x: {type: string, format: int64}}}
            either: {oneOf: [{type: string}, {type: integer}]}
            number: {oneOf: [{type: integer}, {type: number}]}
            listed: {anyOf: [{type: string}, {type: array, items: {type: string}}]}
    Target:
      properties:
        id: {type: string}
        parent: {$ref: '#/components/schemas/Target'}
    Events: {type: array, items: {$ref: '#/components/schemas/Base'}}
    Elsewhere: {properties: {x: {$ref: 'other.yaml#/X'}}}
    Lost: {properties: {x: {$ref: '#/components/schemas/Nothing'}}}
    Plain: {type: string}
    Everything:
      properties:
        a: {$ref: '#/components/schemas/Round'}
        b: {$ref: '#/components/schemas/Around'}
    Round: {oneOf: [{$ref: '#/components/schemas/Around'}, {properties: {r: {$ref: '#/components/schemas/Everything'}}}]}
    Around: {oneOf: [{$ref: '#/components/schemas/Round'}, {properties: {s: {$ref: '#/components/schemas/Everything'}}}]}
`

func read(t *testing.T, file, text string) *Document {
	t.Helper()
	d, err := Read(file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func lines(list []Member) string {
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintln(&b, strings.TrimSpace(m.Path+": "+m.Type+" "+strings.Join(m.Values, "|")))
	}
	return b.String()
}

func TestMembersOfASchema(t *testing.T) {
	d := read(t, "acme.yaml", api)
	got, err := d.Members("Event")
	if err != nil {
		t.Fatal(err)
	}
	want := `at: datetime
count: long
either: dynamic
extra.*: string
id: guid
listed: dynamic
number: real
["odd.name"].x: long-text
on: bool
port: int
raw: dynamic
result: string OK|FAILED
score: real
tags[]: string
target[].id: string
target[].parent: dynamic
`
	if lines(got) != want {
		t.Errorf("got\n%s\nwant\n%s", lines(got), want)
	}
	for _, name := range []string{"Events", "#/components/schemas/Events"} {
		if got, err := d.Members(name); err != nil || lines(got) != "at: datetime\nid: guid\n" {
			t.Errorf("%s: %s %v", name, lines(got), err)
		}
	}
	if got, err := d.Members("Everything"); err != nil || len(got) == 0 {
		t.Errorf("what refers to itself: %v %v", got, err)
	}
}

func TestSwagger2InJSON(t *testing.T) {
	d := read(t, "a.json", `{"swagger":"2.0","info":{"title":"Old"},"definitions":{"a/b":{"properties":{"n":{"type":"integer"}}}}}`)
	if got, err := d.Members("a/b"); err != nil || lines(got) != "n: long\n" {
		t.Errorf("%s %v", lines(got), err)
	}
}

func TestErrorsNameWhatIsMissing(t *testing.T) {
	d := read(t, "acme.yaml", api)
	for name, want := range map[string]string{
		"Evnt":      "acme.yaml has no schema Evnt (did you mean Event?); there are Around, Base, E",
		"Elsewhere": "refers to another file, other.yaml#/X",
		"Lost":      "refers to #/components/schemas/Nothing, which it does not have",
		"Plain":     "the schema Plain has no members",
		"#/paths/x": "refers to #/paths/x, which it does not have",
	} {
		if _, err := d.Members(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	for text, want := range map[string]string{
		"a: 1":       "is no description of an API",
		`{"openapi"`: "x: unexpected end of JSON",
		"a: [":       "x:1:",
		"":           "is no description of an API",
		"[1]":        "is no description of an API",
	} {
		if _, err := Read("x", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
