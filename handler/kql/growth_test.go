package kql

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestWhatARecordSaysMakesNoMoreTextThanThereIsRoomFor holds that expressions which
// would make much of little give null, counted, and need no more memory than a
// multiple of what a record may make.
func TestWhatARecordSaysMakesNoMoreTextThanThereIsRoomFor(t *testing.T) {
	rec := []byte(fmt.Sprintf(`{"s":%q,"esc":"\\n%s","n":[%s1],"one":[0],"deep":%s1%s,"big":1048576}`,
		strings.Repeat("ab", 1<<19), strings.Repeat("x", 1<<20), strings.Repeat("1,", 1<<19), strings.Repeat(`{"a":`, 8000), strings.Repeat("}", 8000)))
	doubled := "s"
	for range 12 {
		doubled = "strcat(" + doubled + ", " + doubled + ")"
	}
	many := strings.Repeat(", s", 100)
	for _, expr := range []string{
		doubled,
		`strcat(s` + many + `)`,
		`strcat_delim(s` + strings.Repeat(`, ""`, 100) + `)`,
		`strrep(s, 1024)`,
		`strrep(strrep("x", 1024), 1024, s)`,
		`strcat_array(n, s)`,
		`replace_string(s, "a", s)`,
		`replace_strings(s, dynamic(["a"]), pack_array(s))`,
		`replace_regex(s, "", "` + strings.Repeat("y", 1000) + `")`,
		`replace_regex(s, "(a)(b)", @"` + strings.Repeat(`\1\2`, 500) + `")`,
		`extract_all("` + strings.Repeat("(", 50) + "a+" + strings.Repeat(")", 50) + `", s)`,
		`countof(s, "", "regex")`,
		`array_concat(n` + strings.Repeat(", n", 50) + `)`,
		`pack_array(s` + many + `)`,
		`zip(n` + strings.Repeat(", one", 50) + `)`,
		`array_iff(n, s, s)`,
		`array_shift_left(n, 1000000, s)`,
		`repeat(s, 1024)`,
		`repeat(1, 100000000)`,
		`treepath(deep)`,
		`bag_pack("a", s` + strings.Repeat(`, "b", s`, 50) + `)`,
		`url_encode(url_encode(url_encode(strcat("é", strrep("%", 1024), replace_string(s, "a", "%%%")))))`,
		`base64_encode_tostring(base64_encode_tostring(strcat(s, s, s, s, s, s, s, s, s)))`,
		`toupper(strcat(s, s, s, s, s, s, s, s, s, s))`,
		`tolower(replace_string(strcat(s, s, s, s, s, s, s, s), "a", "A"))`,
		`strcat(` + strings.TrimSuffix(strings.Repeat("tostring(esc), ", 20), ", ") + `)`,
	} {
		p, err := Compile("source | project x = tostring("+expr+"), ok = strcat(one, 1)", Options{MaxText: 1 << 16})
		if err != nil {
			t.Fatalf("%.80s: %v", expr, err)
		}
		m := p.Runner()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, row, err := m.Map(rec, nil)
		runtime.ReadMemStats(&after)
		if err != nil || string(row) != `{"ok":"[0]1"` || m.Oddities()["x"] != 1 {
			t.Errorf("%.80s: %.80s (%v), odd %v", expr, row, err, m.odds)
		}
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 300 {
			t.Errorf("%.80s: %d MiB were used", expr, used)
		}
	}
}

func TestRowsOfOneRecordShareTheRoomInTurn(t *testing.T) {
	p, err := Compile(`source | mv-expand i = n | project x = strlen(strcat(s, s, s, s, s, s, s, s))`, Options{Dialect: StepDialect})
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	_, err = p.Runner().Each([]byte(fmt.Sprintf(`{"n":[1,2,3,4,5],"s":%q}`, strings.Repeat("x", 1<<20))), func(row []byte) error {
		if rows++; string(row) != `{"x":8388608}` {
			t.Errorf("row %d is %s", rows, row)
		}
		return nil
	})
	if err != nil || rows != 5 {
		t.Errorf("%d rows, %v", rows, err)
	}
}
