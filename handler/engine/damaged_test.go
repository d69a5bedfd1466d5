package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// bodies answers with one after the other, and then with the last one, as one page.
type bodies struct {
	list  []string
	lines bool
	asked int
}

func (s *bodies) Fetch(context.Context, engine.Window, string) (*engine.Page, error) {
	body := s.list[min(s.asked, len(s.list)-1)]
	s.asked++
	return &engine.Page{Records: []byte(body), Lines: s.lines}, nil
}

// inQuarantine is what a stream has in quarantine: body, reason and detail of each.
func (b *bench) inQuarantine(t *testing.T) (kept []string) {
	t.Helper()
	err := b.Quarantine(t.Context(), b.s.Key(), func(q *engine.Quarantined) error {
		kept = append(kept, fmt.Sprintf("%s %s: %s", q.Original(), q.Reason, q.Detail))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func TestOneRecordThatCannotBeReadDoesNotStopItsMates(t *testing.T) {
	for what, c := range map[string]struct {
		src  bodies
		kept string
	}{
		"in a list":         {bodies{list: []string{"[\"a\", \"b\x01\",\n \"c\"]"}}, "\"b\x01\" malformed_record: control character in a string; the record begins in line 1 of the page, at its byte 6"},
		"the first":         {bodies{list: []string{"[\"b\x01\",\"a\",\"c\"]"}}, "\"b\x01\" malformed_record"},
		"a line":            {bodies{list: []string{"\"a\"\n\"b\n\"c\"\n"}, lines: true}, "\"b malformed_record: "},
		"a line of no JSON": {bodies{list: []string{"# header\n\"a\"\n\"c\"\n"}, lines: true}, "# header malformed_record: want a string; the record begins in line 1 of the page, at its byte 0"},
		"a later line":      {bodies{list: []string{"\"a\"\n\"c\"\r\n{cut\r\n"}, lines: true}, "{cut\r malformed_record: want a string; the record begins in line 3 of the page, at its byte 9"},
		"the last, again":   {bodies{list: []string{"\"a\"\n\"c\"\n\"b"}, lines: true}, "\"b malformed_record"},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench()
			b.s.Source = &c.src
			rep := b.run(t, engine.OK)
			b.wantIDs(t, "a", "c")
			if want := (engine.Counts{Fetched: 3, Acknowledged: 2, Quarantined: 1}); rep.Counts != want {
				t.Errorf("counts %+v", rep.Counts)
			}
			if kept := b.inQuarantine(t); len(kept) != 1 || !strings.HasPrefix(kept[0], c.kept) {
				t.Errorf("quarantine %q", kept)
			}
			b.clock.Advance(time.Second)
			if rep := b.run(t, engine.OK); rep.Counts.Quarantined > 0 || rep.Counts.Repeated != 3 {
				t.Errorf("listed again: %+v", rep.Counts)
			}
		})
	}
}

// TestALastLineThatWasCutIsAskedForAgain: it may have been on its way.
func TestALastLineThatWasCutIsAskedForAgain(t *testing.T) {
	b := newBench()
	b.s.Source = &bodies{list: []string{"\"a\"\n\"b", "\"a\"\n\"bc\"\n"}, lines: true}
	rep := b.run(t, engine.OK)
	b.wantIDs(t, "a", "bc")
	if rep.Counts.Quarantined > 0 {
		t.Errorf("counts %+v", rep.Counts)
	}
}

func TestAPageThatIsNoPageOfRecordsHoldsThePosition(t *testing.T) {
	for what, src := range map[string]bodies{
		"a web page":             {list: []string{"<html>\n<body>\n</html>\n"}, lines: true},
		"a message":              {list: []string{"Service unavailable"}},
		"a list cut short":       {list: []string{`["a", "b`}},
		"a very long text":       {list: []string{strings.Repeat("{no\n", 2000)}, lines: true},
		"a list that has no end": {list: []string{`["a", "b"`}},
	} {
		b := newBench()
		b.s.Source = &src
		rep := b.run(t, engine.Failed)
		if rep.Reason != "malformed_page" || !rep.Position.Equal(b.s.Start) || len(b.inQuarantine(t)) > 0 {
			t.Errorf("%s: %s (%s), position %s, in quarantine %q", what, rep.Reason, rep.Message, rep.Position, b.inQuarantine(t))
		}
	}
}

// arrived is a table with these events.
type arrived map[string]int

func (a arrived) Events(context.Context, string, string, engine.Window) (map[string]int, error) {
	return a, nil
}

func (a arrived) Have(context.Context, string, string, []string) (map[string]bool, error) {
	return nil, nil
}

func TestWhatCouldNotBeHadIsReconciledWithTheQuarantine(t *testing.T) {
	b := newBench()
	b.s.Source = &bodies{list: []string{"[\"a\", \"b\x01\"]"}}
	b.run(t, engine.OK)
	rec, err := b.Reconcile(t.Context(), b.s, engine.Window{From: noon.Add(-time.Hour), To: noon}, arrived{"a": 1}, nil)
	if err != nil || rec.Listed != 2 || rec.Arrived != 1 || rec.Quarantined != 1 || len(rec.Missing) > 0 {
		t.Errorf("%+v, %v", rec, err)
	}
}
