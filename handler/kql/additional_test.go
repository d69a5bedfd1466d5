package kql

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// tableRunner compiles a table as specs declare them.
func tableRunner(t *testing.T, q TableQuery, opt Options) *Runner {
	t.Helper()
	opt.Hold, opt.Rest = "TimeGenerated", true
	p, err := CompileTable(q, opt)
	if err != nil {
		t.Fatal(err)
	}
	return p.Runner()
}

// oddities writes what was counted, in the order of the names.
func oddities(m *Runner) string {
	odd := m.Oddities()
	var list []string
	for _, name := range slices.Sorted(maps.Keys(odd)) {
		list = append(list, fmt.Sprintf("%s %d", name, odd[name]))
	}
	return strings.Join(list, ", ")
}

func TestAdditionalHasWhatNoColumnReads(t *testing.T) {
	q := TableQuery{
		Let:   []Named{{"who", "tostring(actor.email)"}, {"unused", "tostring(secret.plan)"}, {"device", "actor.device"}},
		Where: `kind != "noise" and isempty(actor.muted)`,
		Columns: []Named{
			{"TimeGenerated", "todatetime(time)"}, {"Who", "tolower(who)"}, {"Os", "tostring(device.os)"}, {"Raw", "details"},
			{"First", "tostring(targets[0].id)"}, {"Port", "toint(net.port)"},
		},
	}
	for rec, want := range map[string]string{
		`{"time":"2026-01-01","kind":"a","actor":{"email":"E","risk":9,"device":{"os":"x","v":1}},"details":{"a":{"b":1}}}`: `"kind":"a","actor":{"risk":9,"device":{"v":1}}`,
		`{"time":"2026-01-01","id":"i","seen":"s","secret":{"plan":1}}`:                                                     `"seen":"s","secret":{"plan":1}`,
		`{"time":"2026-01-01","actor":"root","targets":[{"id":1},{"id":2}],"net":[22]}`:                                     `"actor":"root","targets":[null,{"id":2}],"net":[22]`,
		`{"time":"2026-01-01","actor":{"muted":"","email":null},"targets":[]}`:                                              `"actor":{"muted":""}`,
		`{"time":"2026-01-01","net":{"port":22.50}}`:                                                                        `"_unfit":{"Port":22.50}`,
		`{"time":"2026-01-01","net":{"port":2.25e1}}`:                                                                       `"_unfit":{"Port":2.25e1}`,
		`{"time":"2026-01-01","net":{"port":2.2e1}}`:                                                                        ``,
		`{"time":"2026-01-01","net":{"port":22.00}}`:                                                                        ``,
		`{"time":"2026-01-01","net":{"port":"ssh","x":1}}`:                                                                  `"net":{"x":1},"_unfit":{"Port":"ssh"}`,
	} {
		m := tableRunner(t, q, Options{ID: "id", Time: "seen"})
		if _, _, err := m.Map([]byte(rec), nil); err != nil || !m.Kept() || string(m.Additional()) != want {
			t.Errorf("%s\n leaves %s (%v), want %s", rec, m.Additional(), err, want)
		}
	}
}

func TestPipelinesLeaveWhatTheirColumnsDoNotRead(t *testing.T) {
	for query, want := range map[string]string{
		`source | where a.x == 1 | extend y = a.y, z = tostring(b.z) | project y`:                            `"a":{"x":1},"b":{"z":"3"},"s":"k=v"`,
		`source | project-rename q = a | project r = q.x`:                                                    `"a":{"y":2},"b":{"z":"3"},"s":"k=v"`,
		`source | parse tostring(s) with * "=" v | project v, z = b.z`:                                       `"a":{"x":1,"y":2}`,
		`source | parse tostring(s) with * "=" v | project z = b.z`:                                          `"a":{"x":1,"y":2},"s":"k=v"`,
		`let f = (v:dynamic) { tostring(v) }; source | extend n = f(a.x) | project m = n, c = pack_array(b)`: `"a":{"y":2},"s":"k=v"`,
	} {
		p, err := Compile(query, Options{Rest: true})
		if err != nil {
			t.Fatal(err)
		}
		m := p.Runner()
		if _, _, err := m.Map([]byte(`{"a":{"x":1,"y":2},"b":{"z":"3"},"s":"k=v"}`), nil); err != nil || string(m.Additional()) != want {
			t.Errorf("%s leaves %s (%v), want %s", query, m.Additional(), err, want)
		}
	}
}

func TestTooLongAdditionalIsCutAtAMemberAndNoted(t *testing.T) {
	m := tableRunner(t, TableQuery{Columns: []Named{{"TimeGenerated", "todatetime(t)"}, {"N", "toint(n)"}}}, Options{MaxText: 300})
	rec := fmt.Sprintf(`{"t":"2026-01-01","a":1,"n":{"long":%q},"b":%q}`, strings.Repeat("x", 2000), strings.Repeat("y", 200))
	if _, _, err := m.Map([]byte(rec), nil); err != nil {
		t.Fatal(err)
	}
	extra := string(m.Additional())
	if !m.Truncated() || len(extra) > 300 || !strings.HasPrefix(extra, `"a":1,"_truncated":{"N":{"bytes":2011,`) || !strings.Contains(extra, `"AdditionalFields":{"bytes":`) {
		t.Errorf("%d bytes: %s", len(extra), extra)
	}
}

func TestARecordWithoutTimeIsMarkedAndCounted(t *testing.T) {
	m := tableRunner(t, TableQuery{Columns: []Named{{"TimeGenerated", "todatetime(time)"}, {"Id", "tostring(id)"}}}, Options{Time: "at"})
	for rec, want := range map[string]struct{ extra, odd string }{
		`{"time":"2026-01-01","id":1}`:            {"", ""},
		`{"id":1}`:                                {`"_unfit":{"TimeGenerated":null}`, "TimeGenerated (no time) 1"},
		`{"id":1,"time":"soon"}`:                  {`"_unfit":{"TimeGenerated":"soon"}`, "TimeGenerated 1"},
		`{"id":1,"at":"2026-01-01T00:00:00.000"}`: {`"at":"2026-01-01T00:00:00.000"`, ""},
	} {
		if _, _, err := m.Map([]byte(rec), nil); err != nil {
			t.Fatal(err)
		}
		if odd := oddities(m); string(m.Additional()) != want.extra || odd != want.odd {
			t.Errorf("%s: %s, counted %q", rec, m.Additional(), odd)
		}
	}
}

func TestRepeatedMembersStayVisible(t *testing.T) {
	m := tableRunner(t, TableQuery{Columns: []Named{{"TimeGenerated", "todatetime(t)"}, {"User", "tostring(user.name)"}}}, Options{})
	for rec, want := range map[string]string{
		`{"t":"2026-01-01","user":{"name":"a"},"user":{"name":"b"}}`:               `{"User":"b" "user (1)":{"name":"a"}`,
		`{"t":"2026-01-01","user":{"name":"a","name":"b","x":1}}`:                  `{"User":"b" "user":{"name (1)":"a","x":1}`,
		`{"t":"2026-01-01","x":1,"x":2,"user":{"name":"b"}}`:                       `{"User":"b" "x (1)":1,"x":2`,
		"{\"t\":\"2026-01-01\",\"x\xff\":1,\"x\xfe\":2,\"user\":{\"name\":\"b\"}}": `{"User":"b" ` + "\"x\ufffd (1)\":1,\"x\ufffd\":2",
	} {
		n, row, err := m.Map(append([]byte(rec), ` {"next":1}`...), nil)
		if got := string(row) + " " + string(m.Additional()); err != nil || n != len(rec) || got != want {
			t.Errorf("%s: %s (%v), want %s", rec, got, err, want)
		}
		want = "(repeated member) 1"
		if !utf8.ValidString(rec) {
			want = "(invalid text) 1, " + want
		}
		if odd := oddities(m); odd != want {
			t.Errorf("%s: counted %q", rec, odd)
		}
	}
}
