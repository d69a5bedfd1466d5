package bicep

import (
	"fmt"
	"strings"
)

// Code is an expression of Bicep, to be written as it is.
type Code string

// Text is a string of Bicep.
func Text(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "${", `\${`).Replace(s) + "'"
}

// lineWidth is how long an object or array may be to stand on one line.
const lineWidth = 200

// Print writes a value as Bicep: Object, []any, string, int, bool, nil or Code.
// indent is that of the line it begins on.
func Print(v any, indent string) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return Text(v)
	case Object:
		return printAll("{", "}", len(v), indent, func(i int, indent string) string {
			return printName(v[i].Name) + ": " + Print(v[i].Value, indent)
		})
	case []any:
		return printAll("[", "]", len(v), indent, func(i int, indent string) string { return Print(v[i], indent) })
	}
	return fmt.Sprint(v)
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

func printName(s string) string {
	for i := range len(s) {
		if !isLetter(s[i]) && (i == 0 || s[i] < '0' || s[i] > '9') {
			return Text(s)
		}
	}
	return s
}
