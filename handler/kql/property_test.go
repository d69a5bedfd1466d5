package kql

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Texts of each type for generated expressions; odd ones among them.
var atoms = map[Type][]string{
	String:   {`"abc"`, `""`, `'Hello World'`, `@"C:\a"`, `"é東京"`, `"12"`, `"-1.5e3"`, `"2024-02-29T10:00:00Z"`, `"{\"a\":[1,2]}"`, `"192.168.1.1/24"`, `"a=1&b=2"`, `string(null)`},
	Long:     {"0", "1", "-1", "7", "9007199254740993", "9223372036854775807", "long(null)"},
	Int:      {"int(3)", "int(-3)", "int(null)"},
	Real:     {"1.5", "0.0", "-2.25", "real(nan)", "real(+inf)", "real(null)", "1e300"},
	Decimal:  {"decimal(1.5)", "decimal(0)", "decimal(null)"},
	Bool:     {"true", "false", "bool(null)"},
	Datetime: {"datetime(2024-02-29 23:59:59.9999999)", "datetime(0001-01-01)", "datetime(9999-12-31)", "datetime(null)"},
	Timespan: {"1d", "-90m", "1tick", "timespan(null)"},
	GUID:     {"guid(74be27de-1e4e-49d9-b579-fe0b331d3642)", "guid(null)"},
	Dynamic:  {"dynamic(null)", "dynamic([1, 'two', 3.5, null, [4], {'k': 5}])", "dynamic({'a': 1, 'b': {'c': 'x'}})", "dynamic('text')", "dynamic(12)", "dynamic([])", "dynamic({})", "dynamic([3, 1, 2])"},
}

// columnsByType are columns of the same types, for expressions that read a record.
var columnsByType = map[Type]string{String: "s", Long: "l", Int: "i", Real: "r", Decimal: "m", Bool: "b", Datetime: "t", Timespan: "n", GUID: "g", Dynamic: "d"}

// kindTypes are the types that an argument of a kind may have.
func kindTypes(k kind) []Type {
	var out []Type
	for _, c := range everyType {
		if _, ok := k.takes(c.Type); ok {
			out = append(out, c.Type)
		}
	}
	return out
}

type generator struct {
	t       *rapid.T
	columns bool // expressions may read columns
}

func (g *generator) pick(label string, list []string) string {
	return rapid.SampledFrom(list).Draw(g.t, label)
}

// expr makes an expression that mostly has one of the types.
func (g *generator) expr(types []Type, depth int) string {
	t := rapid.SampledFrom(types).Draw(g.t, "type")
	choice := rapid.IntRange(0, 9).Draw(g.t, "choice")
	switch {
	case depth == 0 || choice < 3:
		if g.columns && choice%2 == 0 {
			return columnsByType[t]
		}
		return g.pick("atom", atoms[t])
	case choice < 5:
		return g.operation(t, depth)
	case choice == 5 && t == Dynamic:
		return g.expr([]Type{Dynamic}, depth-1) + g.pick("step", []string{".a", "['b'].c", "[0]", "[-1]"})
	}
	return g.call(t, depth)
}

func (g *generator) operation(t Type, depth int) string {
	same := []Type{t}
	op := func(ops ...string) string { return g.pick("operator", ops) }
	switch t {
	case Bool:
		of := rapid.SampledFrom([]Type{Long, Real, Datetime, Timespan, String, Bool}).Draw(g.t, "of")
		ops := []string{"==", "!=", "<", ">="}
		if of == String {
			ops = []string{"==", "=~", "contains", "has", "startswith", "!endswith", "hasprefix_cs", "matches regex"}
		}
		if of == Bool {
			ops = []string{"and", "or"}
		}
		return fmt.Sprintf("(%s %s %s)", g.expr([]Type{of}, depth-1), op(ops...), g.expr([]Type{of}, depth-1))
	case Long, Int, Real, Decimal:
		return fmt.Sprintf("(%s %s %s)", g.expr(same, depth-1), op("+", "-", "*", "/", "%"), g.expr(same, depth-1))
	case Datetime:
		return fmt.Sprintf("(%s %s %s)", g.expr(same, depth-1), op("+", "-"), g.expr([]Type{Timespan}, depth-1))
	case Timespan:
		return fmt.Sprintf("(%s %s %s)", g.expr(same, depth-1), op("+", "-"), g.expr(same, depth-1))
	}
	return "to" + t.String() + "(" + g.expr([]Type{String, Dynamic, Long, t}, depth-1) + ")"
}

// call makes a call of a function that may have type t.
func (g *generator) call(t Type, depth int) string {
	var names []string
	for _, name := range functionNames() {
		if f := functions[name]; !f.varies && (f.result == t || f.build != nil && f.result == Dynamic) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return g.pick("atom", atoms[t])
	}
	f := functions[g.pick("function", names)]
	var counts []int
	for n := range len(f.params) + 3 {
		if f.count(n) {
			counts = append(counts, n)
		}
	}
	n := rapid.SampledFrom(counts).Draw(g.t, "arguments")
	args := make([]string, n)
	for i := range args {
		p := f.param(i, n)
		if _, special := constants[f.name+"."+p.name]; p.konst || special {
			args[i] = sampleArgument(f, p)
		} else if p.kind == kindType {
			args[i] = "typeof(long)"
		} else {
			args[i] = g.expr(kindTypes(p.kind), depth-1)
		}
	}
	return f.name + "(" + strings.Join(args, ", ") + ")"
}

const oddRecord = `{"s":"q\"\n\u00e9 \ud83d","d":{"a":[1,null,{"c":"x"}],"b":{"c":1e400}},"b":true,"i":-7,"l":9223372036854775807,"r":-0.0,"m":"1.25","t":"2024-02-29T10:00:00Z","n":"1.02:03:04","g":"74be27de-1e4e-49d9-b579-fe0b331d3642"}`

// rowsOf runs a text over a record, with constants folded or not.
func rowsOf(text, record string, opt Options) ([]string, error) {
	opt.Source, opt.Dialect = everyType, StepDialect
	p, err := Compile(text, opt)
	if err != nil {
		return nil, err
	}
	m := p.Runner()
	m.Now = func() time.Time { return time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC) }
	var rows []string
	_, err = m.Each([]byte(record), func(row []byte) error { rows = append(rows, string(row)); return nil })
	return rows, err
}

func TestFoldingChangesNothing(t *testing.T) {
	compiled := 0
	rapid.Check(t, func(rt *rapid.T) {
		g := &generator{t: rt}
		text := "print x = " + g.expr([]Type{String, Long, Real, Bool, Datetime, Timespan, Dynamic, Decimal, GUID}, 4)
		folded, err := rowsOf(text, "{}", Options{})
		if err != nil {
			return
		}
		compiled++
		plain, err := rowsOf(text, "{}", Options{noFold: true})
		if err != nil {
			return // something has to be a constant, and is known to be one when folded only
		}
		if !slices.Equal(folded, plain) {
			rt.Fatalf("%s\nfolded   %s\nunfolded %s (%v)", text, folded, plain, err)
		}
	})
	t.Logf("%d expressions compiled", compiled)
}

func TestPrintedTextsMeanTheSame(t *testing.T) {
	compiled := 0
	rapid.Check(t, func(rt *rapid.T) {
		g := &generator{t: rt, columns: true}
		text := "source | where " + g.expr([]Type{Bool}, 2) + " | extend x = " + g.expr([]Type{String, Long, Dynamic, Real}, 3) + " | project x, y = " + g.expr([]Type{Datetime, String, Bool}, 3)
		first, err := rowsOf(text, oddRecord, Options{})
		if err != nil {
			return
		}
		compiled++
		q, err := parseQuery(text, FullDialect)
		if err != nil {
			rt.Fatal(err)
		}
		printed := q.String()
		again, err := rowsOf(printed, oddRecord, Options{})
		if err != nil || !slices.Equal(first, again) {
			rt.Fatalf("%s\nprinted\n%s\n%s\n%s (%v)", text, printed, first, again, err)
		}
	})
	t.Logf("%d texts compiled", compiled)
}

// TestPrintingIsStable: what is printed of a text is the same text, and printed the same.
func TestPrintingIsStable(t *testing.T) {
	texts := slices.Clone(pipelines)
	for _, m := range writtenDown(t) {
		texts = append(texts, "print x = "+m[1])
	}
	printingIsStable(t, texts)
}

func TestPrintingOfExamplesIsStable(t *testing.T) {
	var texts []string
	for _, ex := range append(readExamples(t, "transform-examples.json"), readExamples(t, "query-examples.json")...) {
		texts = append(texts, ex.Query)
	}
	printingIsStable(t, texts)
}

func printingIsStable(t *testing.T, texts []string) {
	t.Helper()
	n := 0
	for _, text := range texts {
		q, err := parseQuery(text, FullDialect)
		if err != nil {
			continue
		}
		n++
		printed := q.String()
		again, err := parseQuery(printed, FullDialect)
		if err != nil {
			t.Errorf("%s\nprinted\n%s\n%v", text, printed, err)
		} else if s := again.String(); s != printed {
			t.Errorf("%s\nprinted\n%s\nprinted again\n%s", text, printed, s)
		}
	}
	if n < 100 {
		t.Errorf("%d texts", n)
	}
}

func FuzzLex(f *testing.F) {
	for _, s := range pipelines {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		toks, err := lex(text)
		if err != nil {
			return
		}
		at := 0
		for _, tok := range toks { // tokens stand in order and inside the text
			if tok.pos < at || tok.end < tok.pos || tok.end > len(text) {
				t.Fatalf("%q: token %+v after %d", text, tok, at)
			}
			at = tok.end
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range pipelines {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseQuery(text, FullDialect)
		if err != nil {
			_ = err.Error()
			return
		}
		printed := q.String()
		again, err := parseQuery(printed, FullDialect)
		if err != nil {
			t.Fatalf("%q\nprinted\n%s\n%v", text, printed, err)
		}
		if s := again.String(); s != printed {
			t.Fatalf("%q\nprinted\n%s\nprinted again\n%s", text, printed, s)
		}
	})
}

func FuzzEvaluate(f *testing.F) {
	for _, s := range pipelines {
		f.Add(s, oddRecord)
	}
	f.Fuzz(func(t *testing.T, text, record string) {
		if strings.Contains(text, "range") || strings.Contains(text, "repeat") {
			return // large on purpose
		}
		_, _ = rowsOf(text, record, Options{})
	})
}
