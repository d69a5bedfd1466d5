package kql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/kql/kusto"
)

// everyType is a source with a column of each type.
var everyType = []Column{{"s", String}, {"d", Dynamic}, {"b", Bool}, {"i", Int}, {"l", Long}, {"r", Real}, {"m", Decimal}, {"t", Datetime}, {"n", Timespan}, {"g", GUID}}

func schemaOf(cols []Column) string {
	var out []kusto.Column
	for _, c := range cols {
		out = append(out, kusto.Column{Name: c.Name, Type: c.Type.String()})
	}
	return kusto.Schema(out)
}

// monitorFunctions are known to Azure Monitor only: Microsoft's parser is told.
const monitorFunctions = "let parse_cef_dictionary = (m:string) { dynamic(null) }; let geo_location = (ip:string) { dynamic(null) };\n"

// disagreement compares our verdict on a text with that of Microsoft's parser:
// acceptance, and the names and types of the result's columns. "" is agreement.
func disagreement(t *testing.T, k *kusto.Checker, text string, source []Column, opt Options) string {
	t.Helper()
	opt.Source = source
	prelude := ""
	if strings.Contains(text, "parse_cef_dictionary") || strings.Contains(text, "geo_location") {
		prelude = monitorFunctions
	}
	theirs := k.Check(t, kusto.Query{Text: prelude + text, Tables: map[string]string{"source": schemaOf(source)}})
	p, err := Compile(text, opt)
	switch {
	case err != nil && len(theirs.Errors) == 0:
		return fmt.Sprintf("refused here, accepted there: %v", err)
	case err == nil && len(theirs.Errors) > 0:
		return fmt.Sprintf("accepted here, refused there: %s", theirs.Errors[0].Message)
	case err != nil:
		return ""
	}
	var ours kusto.Answer
	for _, c := range p.Columns {
		ours.Columns = append(ours.Columns, kusto.Column{Name: c.Name, Type: c.Type.String()})
	}
	if ours.String() != theirs.String() {
		return fmt.Sprintf("columns here %s, there %s", ours, theirs)
	}
	return ""
}

// expressions compares the verdicts on many expressions over everyType; asking
// for many at once is much quicker.
func expressions(t *testing.T, k *kusto.Checker, list []string) {
	t.Helper()
	for part := range slices.Chunk(list, 50) {
		var b strings.Builder
		b.WriteString("source | project ")
		ends := make([]int, len(part))
		for i, x := range part {
			fmt.Fprintf(&b, "c%d = %s, ", i, x)
			ends[i] = b.Len()
		}
		text := strings.TrimSuffix(b.String(), ", ")
		theirs := k.Check(t, kusto.Query{Text: text, Tables: map[string]string{"source": schemaOf(everyType)}})
		types := map[string]string{}
		for _, c := range theirs.Columns {
			types[c.Name] = c.Type
		}
		refused := map[int]string{}
		for _, e := range theirs.Errors {
			refused[slices.IndexFunc(ends, func(end int) bool { return e.Start < end })] = e.Message
		}
		for i, x := range part {
			p, err := Compile("source | project x = "+x, Options{Source: everyType, Dialect: StepDialect})
			msg, no := refused[i]
			switch {
			case err != nil && !no:
				t.Errorf("%s: refused here, accepted there: %v", x, err)
			case err == nil && no:
				t.Errorf("%s: accepted here, refused there: %s", x, msg)
			case err == nil && p.Columns[0].Type.String() != types[fmt.Sprintf("c%d", i)]:
				t.Errorf("%s: %s here, %q there", x, p.Columns[0].Type, types[fmt.Sprintf("c%d", i)])
			}
		}
	}
	t.Logf("%d expressions", len(list))
}

// samples are arguments of each kind that any function takes.
var samples = map[kind]string{
	kindScalar: "s", kindText: "s", kindString: "s", kindTextual: "s", kindInteger: "l", kindWhole: "l", kindNumber: "r", kindReal: "r", kindFloat: "r", kindBool: "b",
	kindDatetime: "t", kindTimespan: "n", kindGUID: "g", kindDynamic: "d", kindNotDynamic: "s", kindSummable: "l", kindType: "typeof(long)",
}

// constants are arguments that have to be particular texts, by function and parameter.
var constants = map[string]string{
	"part": "'day'", "format": "'yyyy'", "regex": "'(a)'", "parser": "'Windows'", "unit": "'KB'", "kind": "'normal'", "path": "'$.a'", "key": "'$.a'", "rewrite": "'x'",
	"occurrence": "1", "precision": "2", "name": "'s'", "format_timespan.format": "'hh'",
}

func sampleArgument(f *function, p *param) string {
	if text, ok := constants[f.name+"."+p.name]; ok {
		return text
	}
	if p.konst {
		return constants[p.name]
	}
	return samples[p.kind]
}

// calls makes calls of a function: of each length, with each argument of each type.
func calls(f *function) []string {
	var out []string
	for n := 0; n <= len(f.params)+2 && n <= 6; n++ {
		if !f.count(n) {
			continue
		}
		args := make([]string, n)
		for i := range args {
			args[i] = sampleArgument(f, f.param(i, n))
		}
		out = append(out, f.name+"("+strings.Join(args, ", ")+")")
		for i := range args {
			for _, c := range everyType {
				varied := slices.Clone(args)
				varied[i] = c.Name
				out = append(out, f.name+"("+strings.Join(varied, ", ")+")")
			}
		}
	}
	return out
}

// lenient are calls that the parser does not look at closely.
func lenient(f *function, call string) bool {
	switch f.name {
	case "parse_cef_dictionary", "geo_location":
		return true // it only knows what monitorFunctions says
	case "range", "around":
		return true // it takes a range from a number to a time by anything
	case "strcat_delim":
		return strings.Count(call, ",") == 1 // it wants three; Valimail's package has two, and works
	}
	return false
}

// TestEveryFunctionAgreesWithMicrosoftsParser calls every function with
// arguments of every type.
func TestEveryFunctionAgreesWithMicrosoftsParser(t *testing.T) {
	k := kusto.Start(t)
	var list []string
	for _, name := range functionNames() {
		f := functions[name]
		for i, call := range calls(f) {
			if lenient(f, call) {
				continue
			}
			list = append(list, call)
			if i > 0 || name == "array_sort_asc" || name == "array_sort_desc" { // these are several columns
				continue
			}
			if d := disagreement(t, k, "source | project "+call, everyType, Options{Dialect: StepDialect}); d != "" { // the name too
				t.Errorf("%s: %s", call, d)
			}
		}
	}
	expressions(t, k, list)
}

// meaningless are operations that the parser lets pass and no value has. They are refused here, as the service
// refuses to compare types that have nothing in common (its error SEM0064).
func meaningless(op string, a, b Type) bool {
	isTime := func(t Type) bool { return t == Datetime || t == Timespan }
	switch op {
	case "==", "!=":
		return a != b && a != Dynamic && b != Dynamic && !(isNumber(a) && isNumber(b)) && (a == String || b == String || a == GUID || b == GUID || isTime(a) || isTime(b))
	case "+", "-", "*", "/", "%":
		return isTime(a) && isTime(b) && (a == Datetime && b == Datetime && op != "-" || a == Timespan && b == Datetime && op != "+" || op == "*" || a == Datetime && op == "/") ||
			isTime(a) && isNumber(b) && (a == Datetime || op == "%") || isNumber(a) && b == Datetime
	}
	return false
}

// TestEveryOperatorAgreesWithMicrosoftsParser applies every operator to every
// pair of types.
func TestEveryOperatorAgreesWithMicrosoftsParser(t *testing.T) {
	k := kusto.Start(t)
	ops := strings.Fields("+ - * / % == != < > <= >= =~ !~ and or in !in in~ !in~ has_any has_all between !between")
	for w := range wordOperators {
		ops = append(ops, w)
	}
	ops = append(ops, "matches regex")
	var list []string
	for _, op := range ops {
		for _, a := range everyType {
			for _, b := range everyType {
				x := fmt.Sprintf("%s %s %s", a.Name, op, b.Name)
				switch {
				case strings.HasPrefix(op, "between") || strings.HasPrefix(op, "!between"):
					x = fmt.Sprintf("%s %s (%s .. %s)", a.Name, op, b.Name, b.Name)
				case strings.HasPrefix(op, "in") || strings.HasPrefix(op, "!in") || strings.HasPrefix(op, "has_a"):
					x = fmt.Sprintf("%s %s (%s)", a.Name, op, b.Name)
				}
				if !meaningless(op, a.Type, b.Type) {
					list = append(list, x)
				}
			}
		}
	}
	expressions(t, k, list)
}
