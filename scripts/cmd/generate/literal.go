package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

type (
	// object is an object of Bicep or JSON that keeps the order of its members.
	object []member
	// list is an array.
	list = []any
	// code is an expression of Bicep, to be written as it is.
	code string
)

// member is a name with its value: object, list, string, int, bool, code or nil. In
// Bicep a note stands in a line of its own before it, such as one to the linter.
type member struct {
	Name  string
	Value any
	Note  string
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encode(&b, m.Name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := encode(&b, m.Value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode writes JSON without the escapes for HTML.
func encode(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	b.Truncate(b.Len() - 1) // the line end
	return err
}

// literal is a string of Bicep.
func literal(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "${", `\${`).Replace(s) + "'"
}

// lineWidth is how long an object or array may be to stand on one line.
const lineWidth = 200

// printed is a value as Bicep. indent is that of the line it begins on.
func printed(v any, indent string) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return literal(v)
	case object:
		return printAll("{", "}", len(v), indent, func(i int, indent string) string {
			return note(v[i].Note, indent) + printName(v[i].Name) + ": " + printed(v[i].Value, indent)
		})
	case list:
		return printAll("[", "]", len(v), indent, func(i int, indent string) string { return printed(v[i], indent) })
	}
	return fmt.Sprint(v)
}

// lines is an object with each member in a line of its own, however short they are.
func lines(o object) string {
	var b strings.Builder
	for _, m := range o {
		b.WriteString("  " + printName(m.Name) + ": " + printed(m.Value, "  ") + "\n")
	}
	return "{\n" + b.String() + "}"
}

func printAll(open, end string, n int, indent string, item func(i int, indent string) string) string {
	if n == 0 {
		return open + end
	}
	var short, long []string
	for i := range n {
		short = append(short, item(i, indent))
		long = append(long, indent+"  "+item(i, indent+"  "))
	}
	line := open + " " + strings.Join(short, ", ") + " " + end
	if len(line)+len(indent) <= lineWidth && !strings.Contains(line, "\n") {
		return line
	}
	return open + "\n" + strings.Join(long, "\n") + "\n" + indent + end
}

// note is a line before a member.
func note(text, indent string) string {
	if text == "" {
		return ""
	}
	return text + "\n" + indent
}

// optional reads a member that need not be there.
func optional(name string) string {
	if printName(name) == name {
		return ".?" + name
	}
	return "[?" + literal(name) + "]"
}

func printName(s string) string {
	for i := range len(s) {
		letter := s[i] == '_' || 'a' <= s[i] && s[i] <= 'z' || 'A' <= s[i] && s[i] <= 'Z'
		if !letter && (i == 0 || s[i] < '0' || s[i] > '9') {
			return literal(s)
		}
	}
	return s
}
