package kql

import (
	"strings"
	"sync"

	"github.com/ua-parser/uap-go/uaparser"

	"github.com/sluice-connectors/sluice/handler/scan"
)

func init() {
	topic = "Other formats"
	built("parse_user_agent(agent:string, look_for:scalar?) dynamic", parseUserAgent)
}

// agents knows user agents by the public list of patterns that Kusto uses too
// (uap-core). It takes some ten megabytes, so it is made when a text needs it,
// and remembers the last thousand of each part, for a new one takes a millisecond.
var agents = sync.OnceValues(func() (*uaparser.Parser, error) { return uaparser.New() })

// parseUserAgent compiles parse_user_agent(text, "browser" or "os" or "device",
// or an array of them; all three when it is left out).
func parseUserAgent(c *compiler, x *call, a []code) (code, error) {
	parser, err := agents()
	if err != nil {
		return code{}, c.errorf(x.pos, "the patterns of user agents: %v", err)
	}
	want := constant(Dynamic, jsonValue([]byte(`["browser","os","device"]`)))
	if len(a) == 2 {
		if a[1].typ != String && a[1].typ != Dynamic {
			return code{}, c.errorf(x.args[1].position(), `%s wants "browser", "os" or "device", or an array of them, not a %s`, x.fn, a[1].typ)
		}
		want = c.cast(a[1], Dynamic)
	}
	return c.map2(a[0], want, Dynamic, func(m *Runner, agent, want Value) Value {
		if len(agent.S) == 0 || !want.OK {
			return null
		}
		out := &bag{values: map[string][]byte{}}
		m.eachItem(want, func(item Value) {
			switch text := string(agent.S); strings.ToLower(string(appendText(nil, Dynamic, item))) {
			case "browser":
				b := parser.ParseUserAgent(text)
				out.set("Browser", texts("Family", b.Family, "MajorVersion", b.Major, "MinorVersion", b.Minor, "Patch", b.Patch))
			case "os":
				o := parser.ParseOs(text)
				out.set("OperatingSystem", texts("Family", o.Family, "MajorVersion", o.Major, "MinorVersion", o.Minor, "Patch", o.Patch, "PatchMinor", o.PatchMinor))
			case "device":
				d := parser.ParseDevice(text)
				out.set("Device", texts("Family", d.Family, "Brand", d.Brand, "Model", d.Model))
			}
		})
		return m.makeJSON(out.append)
	}), nil
}

// texts makes an object of names and texts in turn.
func texts(pairs ...string) []byte {
	dst := []byte{'{'}
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = scan.AppendQuoted(append(scan.AppendQuoted(dst, pairs[i]), ':'), pairs[i+1])
	}
	return append(dst, '}')
}
