package kql

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Reference lists what each dialect has, as Markdown tables: the operators of
// pipelines, those of expressions, and the functions by topic.
func Reference() string {
	var b strings.Builder
	b.WriteString("### Operators of a pipeline\n\n| Operator | dcr | full | step |\n|---|---|---|---|\n")
	sources := map[string]Dialect{"source": everywhere, "print": everywhere, "datatable": everywhere, "range": notInDCR, "let": everywhere}
	for _, name := range []string{"let", "source", "print", "datatable", "range"} {
		dialectRow(&b, "`"+name+"`", sources[name])
	}
	for _, name := range slices.Sorted(slices.Values(operatorNames())) {
		dialectRow(&b, "`"+name+"`", operators[name].in)
	}
	b.WriteString("\n### Operators of expressions\n\n| Operator | dcr | full | step |\n|---|---|---|---|\n")
	for _, group := range operatorGroups {
		ops := strings.Split(group, ", ")
		in := notInDCR
		if dcrOperators[ops[0]] {
			in = everywhere
		}
		dialectRow(&b, "`"+strings.Join(ops, "` `")+"`", in)
	}
	for _, name := range topics() {
		fmt.Fprintf(&b, "\n### %s\n\n| Function | Also called | Result | dcr | full | step |\n|---|---|---|---|---|---|\n", name)
		functionRows(&b, name)
	}
	return b.String()
}

var operatorGroups = []string{
	"+, -, *, /, %", "==, !=, <, >, <=, >=", "and, or", "=~, !~", "contains, !contains, contains_cs, !contains_cs", "startswith, !startswith, startswith_cs, !startswith_cs",
	"endswith, !endswith, endswith_cs, !endswith_cs", "has, !has, has_cs, !has_cs", "hasprefix, !hasprefix, hasprefix_cs, !hasprefix_cs", "hassuffix, !hassuffix, hassuffix_cs, !hassuffix_cs",
	"has_any, has_all", "in, !in", "in~, !in~", "between, !between", "matches regex",
}

func dialectRow(b *strings.Builder, name string, in Dialect) {
	fmt.Fprintf(b, "| %s", name)
	for _, d := range []Dialect{DCRDialect, FullDialect, StepDialect} {
		b.WriteString(" | " + mark(d.available(in)))
	}
	b.WriteString(" |\n")
}

func mark(yes bool) string {
	if yes {
		return "yes"
	}
	return ""
}

func topics() []string {
	var out []string
	for _, f := range functions {
		if !slices.Contains(out, f.topic) {
			out = append(out, f.topic)
		}
	}
	slices.Sort(out)
	return out
}

// functionRows writes one row for each function; of its other names, those that
// a data collection rule knows are named there.
func functionRows(b *strings.Builder, topic string) {
	var list []*function
	for _, f := range functions {
		if f.topic == topic && f.first == "" {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b *function) int { return cmp.Compare(a.name, b.name) })
	for _, f := range list {
		var others, inDCR []string
		names := []string{f.name}
		for _, name := range functionNames() {
			if functions[name].first == f.name {
				others, names = append(others, "`"+name+"`"), append(names, name)
			}
		}
		for _, name := range names {
			if functions[name].in == everywhere {
				inDCR = append(inDCR, name)
			}
		}
		dcr := mark(len(inDCR) > 0)
		if len(inDCR) > 0 && len(inDCR) < len(names) {
			dcr = "as `" + strings.Join(inDCR, "`, `") + "`"
		}
		result := f.result.String()
		if !f.typed {
			result = "as its arguments"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | yes |\n", f.usage(), strings.Join(others, " "), result, dcr, mark(FullDialect.available(f.in)))
	}
}
