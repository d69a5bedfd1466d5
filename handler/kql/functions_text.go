package kql

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"unicode/utf8"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions over text.

func strcat(c *compiler, _ *call, args []code) (code, error) { return c.join(nil, args), nil }
func strcatDelim(c *compiler, _ *call, args []code) (code, error) {
	return c.join(&args[0], args[1:]), nil
}

func (c *compiler) join(delim *code, args []code) code {
	evals := make([]func(*Runner) Value, len(args))
	konst := true
	for i, a := range args {
		k := c.cast(a, String)
		konst = konst && k.konst
		evals[i] = c.run(k).eval
	}
	sep := func(*Runner) Value { return null }
	if delim != nil {
		k := c.cast(*delim, String)
		konst = konst && k.konst
		sep = c.run(k).eval
	}
	eval := func(m *Runner) Value {
		d := sep(m)
		var parts [16]Value
		vals := parts[:0]
		for _, e := range evals {
			vals = append(vals, e(m))
		}
		from := len(m.buf)
		for i, v := range vals {
			if i > 0 {
				m.buf = append(m.buf, d.S...)
			}
			m.buf = append(m.buf, v.S...)
		}
		return bytesValue(m.buf[from:len(m.buf):len(m.buf)])
	}
	if konst {
		return constant(String, eval(newScratch()))
	}
	return code{typ: String, eval: eval}
}

func split(c *compiler, x *call, args []code) (code, error) {
	k := c.map2(c.cast(args[0], String), c.cast(args[1], String), Dynamic, func(m *Runner, s, d Value) Value {
		from := len(m.buf)
		m.buf = append(m.buf, '[')
		for i, part := range bytes.Split(s.S, d.S) {
			if i > 0 {
				m.buf = append(m.buf, ',')
			}
			m.buf = scan.AppendQuoted(m.buf, part)
		}
		m.buf = append(m.buf, ']')
		return jsonValue(m.buf[from:len(m.buf):len(m.buf)])
	})
	if len(args) == 3 { // split(s, d, i) is an array of the one part
		i := c.cast(args[2], Long)
		return c.map2(k, i, Dynamic, func(m *Runner, list, i Value) Value {
			v := m.at(list, Long, i)
			if !v.OK {
				return jsonValue([]byte("[]"))
			}
			return jsonValue(m.keep(append(append([]byte{'['}, v.S...), ']')))
		}), nil
	}
	return k, nil
}

func substring(c *compiler, _ *call, args []code) (code, error) {
	length := constant(Long, longValue(math.MaxInt32))
	if len(args) == 3 {
		length = c.cast(args[2], Long)
	}
	start := c.cast(args[1], Long)
	se, le, te := c.run(start).eval, c.run(length).eval, c.run(c.cast(args[0], String)).eval
	return code{typ: String, eval: func(m *Runner) Value {
		s := []rune(string(te(m).S))
		from, n := se(m).N, le(m).N
		if from < 0 {
			from = max(int64(len(s))+from, 0)
		}
		from = min(from, int64(len(s)))
		n = max(0, min(n, int64(len(s))-from))
		return bytesValue(m.keep([]byte(string(s[from : from+n]))))
	}}, nil
}

func indexOf(c *compiler, _ *call, args []code) (code, error) {
	return c.map2(c.cast(args[0], String), c.cast(args[1], String), Long, func(_ *Runner, s, sub Value) Value {
		i := bytes.Index(s.S, sub.S)
		if i > 0 {
			i = utf8.RuneCount(s.S[:i])
		}
		return longValue(int64(i))
	}), nil
}

// pattern compiles a constant regular expression (RE2, as in Kusto).
func (c *compiler) pattern(k code, pos int, format string) (*regexp.Regexp, error) {
	if !k.konst || k.typ != String {
		return nil, c.errorf(pos, "the regular expression has to be a constant")
	}
	re, err := regexp.Compile(fmt.Sprintf(format, k.val.S))
	if err != nil {
		return nil, c.errorf(pos, "%v", err)
	}
	return re, nil
}

func trim(start, end bool) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, x *call, args []code) (code, error) {
		head, err := c.pattern(args[0], x.pos, "^(?:%s)")
		if err != nil {
			return code{}, err
		}
		tail, err := c.pattern(args[0], x.pos, "(?:%s)$")
		if err != nil {
			return code{}, err
		}
		return c.map1(c.cast(args[1], String), String, func(_ *Runner, v Value) Value {
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

func replaceString(c *compiler, _ *call, args []code) (code, error) {
	te, oe, ne := c.run(c.cast(args[0], String)).eval, c.run(c.cast(args[1], String)).eval, c.run(c.cast(args[2], String)).eval
	return code{typ: String, eval: func(m *Runner) Value {
		s, from, with := te(m), oe(m), ne(m)
		if len(from.S) == 0 {
			return s
		}
		return bytesValue(bytes.ReplaceAll(s.S, from.S, with.S))
	}}, nil
}

func replaceRegex(c *compiler, x *call, args []code) (code, error) {
	re, err := c.pattern(args[1], x.pos, "%s")
	if err != nil {
		return code{}, err
	}
	// Kusto refers to groups as \1, package regexp as ${1}.
	group := regexp.MustCompile(`\\(\d)`)
	return c.map2(c.cast(args[0], String), c.cast(args[2], String), String, func(_ *Runner, s, with Value) Value {
		tmpl := bytes.ReplaceAll(with.S, []byte("$"), []byte("$$"))
		return bytesValue(re.ReplaceAll(s.S, group.ReplaceAll(tmpl, []byte("$${$1}"))))
	}), nil
}

func extract(c *compiler, x *call, args []code) (code, error) {
	re, err := c.pattern(args[0], x.pos, "%s")
	if err != nil {
		return code{}, err
	}
	return c.map2(c.cast(args[1], Long), c.cast(args[2], String), String, func(_ *Runner, i, s Value) Value {
		if g := re.FindSubmatch(s.S); g != nil && i.N >= 0 && int(i.N) < len(g) {
			return bytesValue(g[i.N])
		}
		return bytesValue(nil)
	}), nil
}

func hashSHA256(m *Runner, v Value) Value {
	sum := sha256.Sum256(v.S)
	return bytesValue(m.keep(hex.AppendEncode(nil, sum[:])))
}

func base64Encode(m *Runner, v Value) Value {
	return bytesValue(m.keep(base64.StdEncoding.AppendEncode(nil, v.S)))
}

func base64Decode(m *Runner, v Value) Value {
	b, err := base64.StdEncoding.AppendDecode(nil, v.S)
	if err != nil || !utf8.Valid(b) {
		return bytesValue(nil)
	}
	return bytesValue(m.keep(b))
}
