package kql

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions over text that look for patterns, and those that replace.

func init() {
	topic = "Text"
	patterned("indexof_regex(text:text, regex:const text, start:integer?, length:integer?, occurrence:const integer?) long", 1, func(_ *Runner, re *regexp.Regexp, a []Value) Value {
		return indexOf(a, re.FindIndex)
	})
	pure("regex_quote(text:text) string", func(m *Runner, a []Value) Value { return m.keepText([]byte(regexp.QuoteMeta(string(a[0].S)))) })
	for name, ends := range map[string][2]bool{"trim": {true, true}, "trim_start": {true, false}, "trim_end": {false, true}} {
		built(name+"(regex:const string, text:string) string", trim(ends[0], ends[1]))
	}
	pure("replace_string(text:string, lookup:string, rewrite:string) string", func(m *Runner, a []Value) Value {
		if len(a[1].S) == 0 {
			return a[0]
		}
		return m.replace(a[0].S, a[1].S, a[2].S)
	})
	pure("replace_strings(text:string, lookups:array, rewrites:array) string", replaceStrings)
	patterned("replace_regex(text:string, regex:const string, rewrite:const string) string", 1, func(m *Runner, re *regexp.Regexp, a []Value) Value {
		return m.replaceRegex(re, a[0].S, a[2].S)
	})
	patterned("replace(regex:const string, rewrite:const string, text:string) string", 0, func(m *Runner, re *regexp.Regexp, a []Value) Value {
		return m.replaceRegex(re, a[2].S, a[1].S)
	}).in = StepDialect
	built("extract(regex:const string, group:integer, text:string, type:type?)", extract)
	built("extract_all(regex:const string, x:scalar, text:string?) dynamic", extractAll).alias("extractall")
}

func trim(start, end bool) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, x *call, a []code) (code, error) {
		head, err := c.pattern(a[0], x.args[0].position(), "^(?:%s)")
		if err != nil {
			return code{}, err
		}
		tail, err := c.pattern(a[0], x.args[0].position(), "(?:%s)$")
		if err != nil {
			return code{}, err
		}
		return c.map1(a[1], String, func(_ *Runner, v Value) Value {
			if loc := head.FindIndex(v.S); start && loc != nil {
				v.S = v.S[loc[1]:]
			}
			if loc := tail.FindIndex(v.S); end && loc != nil {
				v.S = v.S[:loc[0]]
			}
			return v
		}), nil
	}
}

func (m *Runner) replace(s, old, with []byte) Value {
	switch n := bytes.Count(s, old); {
	case n == 0:
		return bytesValue(s)
	case !bounded(int64(n), len(with)):
		return m.or(null)
	}
	return m.make(func(dst []byte) []byte {
		for {
			before, after, found := bytes.Cut(s, old)
			dst = append(dst, before...)
			if !found {
				return dst
			}
			dst, s = append(dst, with...), after
		}
	})
}

// replaceStrings replaces several texts in one pass; what was written is not
// looked at again. A rewrite that is no text leaves what it was meant for.
func replaceStrings(m *Runner, a []Value) Value {
	if !isArray(a[1]) || !isArray(a[2]) {
		return null
	}
	var lookups, rewrites [][]byte
	for _, raw := range elementsOf(a[1]) {
		lookups = append(lookups, m.convert(jsonValue(raw), Dynamic, String).S)
	}
	for i, raw := range elementsOf(a[2]) {
		if raw[0] == '"' {
			rewrites = append(rewrites, m.convert(jsonValue(raw), Dynamic, String).S)
		} else if i < len(lookups) {
			rewrites = append(rewrites, lookups[i])
		}
	}
	return m.make(func(dst []byte) []byte {
		most := len(dst) + maxMade
		for s := a[0].S; len(s) > 0 && len(dst) <= most; {
			i := slices.IndexFunc(lookups, func(l []byte) bool { return len(l) > 0 && bytes.HasPrefix(s, l) })
			if i < 0 || i >= len(rewrites) {
				dst, s = append(dst, s[0]), s[1:]
				continue
			}
			dst, s = append(dst, rewrites[i]...), s[len(lookups[i]):]
		}
		return dst
	})
}

// rewriteGroup finds what Kusto writes as \1 and package regexp as ${1}.
var rewriteGroup = regexp.MustCompile(`\\(\d)`)

// maxFound is how often a pattern may be found in a text: each place takes memory
// of its own.
const maxFound = 1 << 18

func (m *Runner) replaceRegex(re *regexp.Regexp, s, with []byte) Value {
	refs := bytes.Count(with, []byte(`\`))
	if most := len(s)*(1+refs) + (len(s)+1)*len(with); most > maxMade { // it may be too much: so count
		if n := len(re.FindAllIndex(s, maxFound+1)); n > maxFound || !m.room(len(s)*(1+refs)+n*len(with)) {
			return m.or(null)
		}
	}
	if refs == 0 {
		return m.keepText(re.ReplaceAllLiteral(s, with))
	}
	tmpl := rewriteGroup.ReplaceAll(bytes.ReplaceAll(with, []byte("$"), []byte("$$")), []byte("$${$1}"))
	return m.keepText(re.ReplaceAll(s, tmpl))
}

func extract(c *compiler, x *call, a []code) (code, error) {
	re, err := c.pattern(a[0], x.args[0].position(), "%s")
	if err != nil {
		return code{}, err
	}
	k := c.map2(a[1], a[2], String, func(_ *Runner, i, s Value) Value {
		if i.N < 0 || int(i.N) > re.NumSubexp() {
			return bytesValue(nil)
		}
		if loc := re.FindSubmatchIndex(s.S); loc != nil && loc[2*i.N] >= 0 {
			return bytesValue(s.S[loc[2*i.N]:loc[2*i.N+1]])
		}
		return bytesValue(nil)
	})
	if len(a) == 4 {
		return c.cast(k, a[3].typ), nil
	}
	return k, nil
}

// extractAll compiles extract_all(regex, text) and extract_all(regex, groups, text).
func extractAll(c *compiler, x *call, a []code) (code, error) {
	re, err := c.pattern(a[0], x.args[0].position(), "%s")
	if err != nil {
		return code{}, err
	}
	if re.NumSubexp() == 0 {
		return code{}, c.errorf(x.args[0].position(), "the regular expression of %s needs a group in parentheses", x.fn)
	}
	all := make([]int, re.NumSubexp())
	for i := range all {
		all[i] = i + 1
	}
	groups, text := constant(Dynamic, null), a[1]
	if len(a) == 3 {
		if groups, text = a[1], a[2]; groups.typ != Dynamic {
			return code{}, c.errorf(x.args[1].position(), "the groups of %s are an array, such as dynamic([1, 2])", x.fn)
		}
	}
	if text.typ != String && text.typ != Dynamic {
		return code{}, c.errorf(x.args[len(x.args)-1].position(), "%s takes a text, not a %s: write tostring(…)", x.fn, text.typ)
	}
	return c.map2(groups, c.cast(text, String), Dynamic, func(m *Runner, which, s Value) Value {
		wanted := all
		if which.OK {
			wanted = groupNumbers(re, which)
		}
		found := re.FindAllSubmatch(s.S, maxFound/(1+re.NumSubexp())+1)
		switch {
		case found == nil || len(wanted) == 0:
			return null
		case len(found) > maxFound/(1+re.NumSubexp()) || !m.room(len(s.S)*len(wanted)):
			return m.or(null)
		}
		return m.makeJSON(func(dst []byte) []byte { return appendGroups(dst, found, wanted) })
	}), nil
}

// groupNumbers reads an array of numbers or names of groups; it is empty when
// the expression lacks one of them.
func groupNumbers(re *regexp.Regexp, which Value) []int {
	var groups []int
	for _, raw := range elementsOf(which) {
		g := string(appendText(nil, Dynamic, jsonValue(raw)))
		n, err := strconv.Atoi(g)
		if err != nil {
			n = re.SubexpIndex(g)
		}
		if n < 0 || n > re.NumSubexp() {
			return nil
		}
		groups = append(groups, n)
	}
	return groups
}

func appendGroups(dst []byte, found [][][]byte, groups []int) []byte {
	dst = append(dst, '[')
	for i, match := range found {
		if i > 0 {
			dst = append(dst, ',')
		}
		if len(groups) == 1 {
			dst = scan.AppendQuoted(dst, match[groups[0]])
			continue
		}
		for j, g := range groups {
			dst = scan.AppendQuoted(append(dst, "[,"[min(j, 1)]), match[g])
		}
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

// pattern compiles a constant regular expression (RE2, as in Kusto).
func (c *compiler) pattern(k code, pos int, format string) (*regexp.Regexp, error) {
	if !k.konst || k.typ != String {
		return nil, c.errorf(pos, "the regular expression has to be a constant")
	}
	if _, err := regexp.Compile(string(k.val.S)); err != nil {
		return nil, c.errorf(pos, "%v", err)
	}
	return regexp.MustCompile(fmt.Sprintf(format, k.val.S)), nil
}

// patterned declares a function that has a constant regular expression as its
// n-th argument.
func patterned(signature string, n int, eval func(m *Runner, re *regexp.Regexp, a []Value) Value) *function {
	f := declare(signature)
	f.build = func(c *compiler, x *call, a []code) (code, error) {
		re, err := c.pattern(a[n], x.args[n].position(), "%s")
		if err != nil {
			return code{}, err
		}
		return c.apply(&function{result: f.result, eval: func(m *Runner, a []Value) Value { return eval(m, re, a) }}, a), nil
	}
	return f
}
